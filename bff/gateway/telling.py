"""How much of what is refused is logged: a crowd that sends nonsense must not fill the disk as well."""

from __future__ import annotations

MOST = 100
"""Lines in a second."""


class Telling:
    """Mutable state: ``_since`` when, ``_told`` lines of the second under way, and ``_untold`` those left out since
    the last line.
    """

    __slots__ = ("_since", "_told", "_untold")

    def __init__(self) -> None:
        self._since = float("-inf")
        self._told = self._untold = 0

    def heard(self, now: float) -> str | None:
        """What to add to the line about it: how many went without one; None where it has none itself."""
        if now - self._since >= 1.0:
            self._since, self._told = now, 0
        if self._told >= MOST:
            self._untold += 1
            return None
        self._told += 1
        untold, self._untold = self._untold, 0
        return f"; {untold} before it are not told" if untold else ""
