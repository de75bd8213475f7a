"""The admin listener put together: who may ask, and the operations behind the door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bff.admin.audit import Audit
from bff.admin.desk import House
from bff.admin.endpoint import Admin
from bff.admin.face import Face
from bff.admin.gate import Gate
from bff.admin.host import Front, is_loopback
from bff.admin.keys import Key, Keyring
from bff.admin.operation import Operation
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
        house: House,
        *,
        host: str,
        keys: Callable[[], Iterable[Key]],
        signals: Signals,
        hosts: Callable[[], Sequence[str]] = tuple,
        face: Callable[[], Face] | None = None,
    ) -> None:
        """``host`` is the listener's address, ``hosts`` are further names of it, ``keys`` those no store keeps; ``face``
        makes the pages for people.
        """
        self._host = host
        self._keys = Keyring(house.store, keys, clock=house.clock)

        def operations() -> list[Operation]:
            from bff.admin import pages

            return pages.operations(house)

        self.app = Admin(
            operations,
            front=Front(host, hosts),
            gate=Gate(self._keys, is_open=is_loopback(host)),
            audit=Audit(house.store, signals),
            clock=house.clock,
            signals=signals,
            face=face,
        )

    async def check_address(self) -> None:
        """Refuse to be reached from elsewhere while nobody has a token.

        Raises:
            PublicWithoutTokens: that is so.
            StoreUnavailable: whether it is so cannot be found out.

        """
        if not is_loopback(self._host) and not await self._keys.is_configured():
            raise PublicWithoutTokens(self._host)
