"""When URLs and tags were last dropped from the store: an answer that was asked for before shows what was there
before, and is not kept after. Pure but for what it remembers.
"""

from __future__ import annotations

from collections.abc import Iterable

MOST = 4096
"""Changes that are told apart; of older ones only the latest instant is known."""


class Changes:
    """Mutable state: ``_at``, clock seconds by what was dropped, the latest at the end; ``_forgotten``, the latest
    instant of those that are not in it any more.
    """

    __slots__ = ("_at", "_forgotten")

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._forgotten = float("-inf")

    def note(self, what: Iterable[str], now: float) -> None:
        """These were dropped just now."""
        for each in what:
            self._at.pop(each, None)
            self._at[each] = now
        while len(self._at) > MOST:
            self._forgotten = self._at.pop(next(iter(self._at)))

    def came_after(self, what: Iterable[str], asked: float) -> bool:
        """Whether one of these was dropped after that instant. Rather a yes too many: it costs one more call."""
        return self._forgotten > asked or any(self._at.get(each, asked) > asked for each in what)

    def __repr__(self) -> str:
        return f"<Changes: {len(self._at)} remembered>"
