"""How many connections a listener has, in all and from one address, and which are too many."""

from __future__ import annotations

from collections.abc import Callable

from bff.gateway.door.ratelimit import partition
from bff.gateway.telling import Telling


class Crowd:
    """Mutable state: ``total``, and ``_from`` how many by address; of IPv6 the first 64 bits are one. ``is_exempt``
    tells addresses that speak for many callers: trusted proxies. ``_told``: when a refusal was last logged.
    """

    __slots__ = ("_from", "_told", "is_exempt", "most", "most_each", "telling", "total")

    def __init__(self, most: int = 0, most_each: int = 0) -> None:
        self.most = most
        """Connections in all; 0: as many as come."""
        self.most_each = most_each
        """Connections of one address; 0: as many as come."""
        self.is_exempt: Callable[[str], bool] = _nobody
        self.telling = Telling()
        self.total = 0
        self._told = float("-inf")
        self._from: dict[str, int] = {}

    def enter(self, address: str) -> bool:
        """Count a new connection; False where it is one too many, and not counted."""
        if self.most and self.total >= self.most:
            return False
        key = partition(address)
        if self.most_each and self._from.get(key, 0) >= self.most_each and not self.is_exempt(address):
            return False
        self.total += 1
        self._from[key] = self._from.get(key, 0) + 1
        return True

    def leave(self, address: str) -> None:
        """One that was counted has ended."""
        self.total -= 1
        key = partition(address)
        left = self._from[key] - 1
        if left:
            self._from[key] = left
        else:
            del self._from[key]

    def is_worth_telling(self, now: float) -> bool:
        """Whether a refusal belongs into the log: one in a second does, however many there are."""
        if now - self._told < 1.0:
            return False
        self._told = now
        return True

    def __repr__(self) -> str:
        return f"<Crowd of {self.total} connections from {len(self._from)} addresses>"


def _nobody(_address: str) -> bool:
    return False
