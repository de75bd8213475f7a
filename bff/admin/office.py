"""The admin listener put together: every operation, and who may ask for which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bff.admin import health, openapi
from bff.admin.audit import Audit
from bff.admin.caching import Caching, Purge
from bff.admin.deploying import Deploying
from bff.admin.desk import Desk
from bff.admin.endpoint import Admin
from bff.admin.gate import Gate
from bff.admin.host import Front, is_loopback
from bff.admin.keys import Key, Keyring
from bff.admin.moving import Moving
from bff.admin.reading import Describe, Known, Reading, Unpack
from bff.admin.releases import Releases
from bff.admin.tokens import Tokens
from bff.clock import Clock
from bff.revisions.store.store import Store
from bff.runtime.invoker import Invoker
from bff.signals import Signals


class PublicWithoutTokens(Exception):
    """The admin listener's address can be reached from elsewhere, and nobody has a token."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"--admin {host} can be reached from other machines, and there is no token yet that they would need:"
            " name one under admin.tokens in routes.yaml, or make one with `bff token create` on this machine,"
            " while the gateway listens on 127.0.0.1"
        )


class Office:
    """What the admin listener is made of. ``app`` is its ASGI application; immutable."""

    def __init__(
        self,
        *,
        host: str,
        invoker: Invoker,
        store: Store,
        desk: Desk,
        unpack: Unpack,
        describe: Describe,
        purge: Purge | None,
        keys: Callable[[], Iterable[Key]],
        is_ready: Callable[[], bool],
        metrics: health.Exposition | None,
        clock: Clock,
        signals: Signals,
    ) -> None:
        self._host = host
        self._keys = Keyring(store, keys, clock=clock)

        def functions() -> Mapping[str, Known]:
            return invoker.functions

        self._releases = Releases(functions=functions, store=store, clock=clock, is_ready=is_ready)
        operations = [
            *health.operations(invoker=invoker, is_ready=is_ready, metrics=metrics),
            *Reading(functions=functions, store=store, unpack=unpack, describe=describe).operations(),
            *Deploying(functions=functions, desk=desk, store=store).operations(),
            *Moving(functions=functions, desk=desk).operations(),
            *self._releases.operations(),
            *Caching(purge).operations(),
            *Tokens(store=store, clock=clock).operations(),
        ]
        self.app = Admin(
            openapi.described(operations),
            front=Front(host),
            gate=Gate(self._keys, is_open=is_loopback(host)),
            audit=Audit(store, signals),
            clock=clock,
            signals=signals,
        )

    @property
    def watchers(self) -> int:
        """How many watch a release now."""
        return self._releases.watchers

    async def check_address(self) -> None:
        """Refuse to be reached from elsewhere while nobody has a token.

        Raises:
            PublicWithoutTokens: that is so.
            StoreUnavailable: whether it is so cannot be found out.

        """
        if not is_loopback(self._host) and not await self._keys.is_configured():
            raise PublicWithoutTokens(self._host)
