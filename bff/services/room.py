"""All that calling services takes, put together: their clients, what is kept of their answers, and where the gateway
itself is to be found.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from bff.clock import Clock
from bff.config import Config
from bff.services.bridge.registrations import Registrations
from bff.services.cache import Cache
from bff.services.cachestore import CacheStore
from bff.services.following import Surroundings
from bff.services.pool import ServicePool
from bff.services.replaced import Replaced

if TYPE_CHECKING:
    from bff.services.transport import MakeTransport


class Backends:
    """Mutable state: what ``pool``, ``cache`` and ``registrations`` keep, and the clients on their way out."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        make_transport: MakeTransport | None,
        emit: Callable[[Any], None],
        heeds_fault_header: bool,
        later: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """``later`` runs what goes on by itself, until the house is closed."""
        self.cache = Cache(clock=clock, store=CacheStore(config.gateway.cache_size))
        self.pool = ServicePool(
            clock=clock,
            make_transport=make_transport,
            cache=self.cache,
            surroundings=Surroundings(
                emit=emit,
                folder=config.path.parent / ".bff" / "endpoints",
                heeds_fault_header=heeds_fault_header,
            ),
        )
        self.registrations = Registrations(clock=clock, emit=emit)
        self._replaced = Replaced(self.pool, clock=clock, later=later)

    def configure(self, config: Config) -> frozenset[str]:
        """Call services as this says from now on; the names of those that are others than before, whose clients stay
        until nobody uses them.
        """
        replaced = self.pool.configure(config.services, timeout_header=config.gateway.timeout_header)
        self._replaced.take(replaced)
        self.cache.store.resize(config.gateway.cache_size)
        return frozenset(client.name for client in replaced)

    def purge(self, *, url: str = "", tag: str = "") -> int:
        """Drop what is kept of a URL, or under a tag of routes.yaml, and tell how many answers that were.

        A URL is a service's as it is called, or a route's: with a host, or from its first ``/`` for every host.
        """
        return (self.cache.purge_url(url) if url else 0) + (self.cache.purge_tag(tag) if tag else 0)

    async def aclose(self) -> None:
        """End every connection."""
        await self._replaced.aclose()
        await self.pool.aclose()
