"""What operators are told of one function's life: how often it was warmed and how long that took."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import ceil

from bff.measured import WarmUp

WAITING = ("queue", "fork")
"""Phases of a warm-up that depend on what else goes on."""
REMEMBERED = 100
"""Warm-ups whose durations are kept."""


class Tally:
    """Mutable state: ``count``, ``evictions``, ``bytes_returned`` (None: it never had a process), the durations of
    the last warm-ups, and the shortest of those that count for what is to come, with their revision.
    """

    __slots__ = ("_revision", "_seconds", "_soonest", "bytes_returned", "count", "evictions")

    def __init__(self) -> None:
        self.count = 0
        self.evictions = 0
        self.bytes_returned: int | None = None
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)
        self._revision = ""
        self._soonest = 0.0

    def warmed_up(self, warm_up: WarmUp) -> None:
        """One warm-up more."""
        self.count += 1
        self._seconds.append(warm_up.seconds)
        if warm_up.revision != self._revision:
            self._revision, self._soonest = warm_up.revision, 0.0
        if not warm_up.is_first_ever:
            took = warm_up.seconds - sum(warm_up.phases.get(phase, 0.0) for phase in WAITING)
            self._soonest = min(took, self._soonest or took)

    def evicted(self, bytes_returned: int | None) -> None:
        """One instance less; with a process, so many bytes came back."""
        self.evictions += 1
        if bytes_returned is not None:
            self.bytes_returned = (self.bytes_returned or 0) + bytes_returned

    def soonest(self, revision: str) -> float:
        """Seconds a revision's next warm-up takes at least; 0 while nobody knows. A first one tells nothing of it,
        since it paid for what stays, and neither does what a later one spent in waiting for others.
        """
        return self._soonest if revision == self._revision else 0.0

    def warm_up(self) -> Mapping[str, float | None]:
        """Count, and the median and 99th percentile in milliseconds; None before the first."""
        ordered = sorted(self._seconds)
        return {"count": self.count, "p50_ms": _at(ordered, 0.50), "p99_ms": _at(ordered, 0.99)}


def _at(ordered: list[float], share: float) -> float | None:
    """The nearest-rank percentile, in milliseconds."""
    return round(ordered[max(0, ceil(share * len(ordered)) - 1)] * 1000, 3) if ordered else None
