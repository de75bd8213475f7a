"""The public side, put together: who may come in and how often, which routes there are, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bff import trace
from bff.clock import Clock
from bff.config import Config
from bff.gateway import docs, own
from bff.gateway.auth.schemes import Schemes
from bff.gateway.crowd import Crowd
from bff.gateway.devpage import DevPage
from bff.gateway.door.limiting import Limiting
from bff.gateway.endpoint import Gateway
from bff.gateway.limits import HeadLimits
from bff.gateway.target import Doors, OwnHandler, Table, compile_table
from bff.runtime.invoker import Invoker
from bff.services import fetching
from bff.services.cache import Cache
from bff.services.pool import AnyClient
from bff.signals import Signals


class Front:
    """Mutable state: ``_config``; what the ``gateway``, its ``limits`` and the ``crowd`` keep."""

    def __init__(
        self,
        config: Config,
        *,
        invoker: Invoker,
        services: Callable[[], Mapping[str, AnyClient]],
        clock: Clock,
        signals: Signals,
        cache: Cache,
        dev: DevPage | None,
        doors: Doors | None,
        origin: trace.Origin,
        openapi: Callable[[], Awaitable[bytes]],
    ) -> None:
        """In development there is a ``dev`` page; ``openapi`` makes the document for who asks for it."""
        self._config = config
        self._is_dev = dev is not None
        self.limits = HeadLimits.of(config.gateway)
        self.crowd = Crowd(config.gateway.max_connections, config.gateway.max_connections_per_address)
        self.crowd.is_exempt = lambda address: self.gateway.table.proxies.trusts(address)
        self._schemes = Schemes(clock=clock, fetch=fetching.fetch)
        self._schemes.configure(config.auth, config.path.parent)
        self._limiting = Limiting(clock=clock, emit=signals.emit)
        self._limiting.configure(config.limits)
        self._own = own.handlers(lambda: not self.gateway.is_draining)
        self._docs = docs.handlers(openapi, lambda: self._config.openapi.title)
        self.gateway = Gateway(
            self._table(config, doors),
            invoker=invoker,
            services=services,
            clock=clock,
            signals=signals,
            dev=dev,
            cache=cache,
            origin=origin,
        )

    def _table(self, config: Config, doors: Doors | None) -> Table:
        return compile_table(
            config, self._paths(config), self._schemes, self._limiting, doors=doors, is_dev=self._is_dev
        )

    def _paths(self, config: Config) -> dict[str, OwnHandler]:
        is_open = self._is_dev or config.openapi.public
        return {**self._own, **(self._docs if is_open else {})}

    def configure(self, config: Config, *, doors: Doors | None, origin: trace.Origin) -> None:
        """Let in and route calls as this says; those that are inside go on as they came in."""
        self._config = config
        self._schemes.configure(config.auth, config.path.parent)
        self._limiting.configure(config.limits)
        self.limits.take_over(HeadLimits.of(config.gateway))
        self.crowd.most = config.gateway.max_connections
        self.crowd.most_each = config.gateway.max_connections_per_address
        self.gateway.origin = origin
        self.gateway.table = self._table(config, doors)

    async def aclose(self) -> None:
        """End what is asked elsewhere for those who come in: keys of issuers, counts of calls."""
        await self._schemes.aclose()
        await self._limiting.aclose()
