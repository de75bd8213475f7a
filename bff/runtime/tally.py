"""What operators are told of one function's life: how often it was warmed and how long that took."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import ceil

REMEMBERED = 100
"""Warm-ups whose durations are kept."""


class Tally:
    """Mutable state: ``count``, ``evictions``, ``bytes_returned`` (None: it never had a process) and the
    durations of the last warm-ups.
    """

    __slots__ = ("_seconds", "bytes_returned", "count", "evictions")

    def __init__(self) -> None:
        self.count = 0
        self.evictions = 0
        self.bytes_returned: int | None = None
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    def warmed_up(self, seconds: float) -> None:
        """One warm-up more, which took so long."""
        self.count += 1
        self._seconds.append(seconds)

    def evicted(self, bytes_returned: int | None) -> None:
        """One instance less; with a process, so many bytes came back."""
        self.evictions += 1
        if bytes_returned is not None:
            self.bytes_returned = (self.bytes_returned or 0) + bytes_returned

    @property
    def fastest(self) -> float:
        """Seconds of the fastest warm-up remembered; 0 before the first."""
        return min(self._seconds, default=0.0)

    def warm_up(self) -> Mapping[str, float | None]:
        """Count, and the median and 99th percentile in milliseconds; None before the first."""
        ordered = sorted(self._seconds)
        return {"count": self.count, "p50_ms": _at(ordered, 0.50), "p99_ms": _at(ordered, 0.99)}


def _at(ordered: list[float], share: float) -> float | None:
    """The nearest-rank percentile, in milliseconds."""
    return round(ordered[max(0, ceil(share * len(ordered)) - 1)] * 1000, 3) if ordered else None
