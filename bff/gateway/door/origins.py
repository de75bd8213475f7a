"""A set of origins: exact ones by look-up, patterns by expressions compiled once."""

from __future__ import annotations

from collections.abc import Iterable

from bff.config import origins


class Origins:
    """Immutable. Origins are compared byte for byte, as browsers write them: another case is another origin."""

    __slots__ = ("_exact", "_patterns")

    def __init__(self, listed: Iterable[str]) -> None:
        listed = tuple(listed)
        self._exact = frozenset(each.encode() for each in listed if not origins.is_pattern(each))
        self._patterns = tuple(origins.expression(each) for each in listed if origins.is_pattern(each))

    def __contains__(self, origin: bytes) -> bool:
        return origin in self._exact or any(pattern.fullmatch(origin) for pattern in self._patterns)

    def __bool__(self) -> bool:
        return bool(self._exact or self._patterns)

    @property
    def exact(self) -> frozenset[bytes]:
        """Those that are no patterns."""
        return self._exact
