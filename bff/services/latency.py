"""How long calls took lately, as a percentile, in bounded memory.

Counts by logarithmic bucket, in slices of time that are forgotten one after the other, as HdrHistogram and
Finagle's WindowedPercentileHistogram do: a value is known to 4.5 % however many there are.
"""

from __future__ import annotations

import math
from itertools import accumulate

STEPS = 16
"""Buckets for a doubling: 2^(1/16) is 1.044."""
SHORTEST = 1e-5
"""Seconds; anything shorter counts as this."""
BUCKETS = 24 * STEPS
"""From 10 µs to 167 s; anything longer counts as that."""
LONGEST = SHORTEST * 2.0 ** (BUCKETS / STEPS)
SLICES = 5
"""Parts the window is forgotten in (Finagle: five of three seconds)."""


class Latency:
    """The latencies of the last ``window`` seconds.

    Mutable state: ``_slices`` of counts, ``_sizes`` of them, the newest ``_slice``, and ``_known``, the answers
    given since the newest slice last grew by an eighth.
    """

    __slots__ = ("_known", "_read_at", "_sizes", "_slice", "_slices", "_width")

    def __init__(self, *, window: float = 15.0) -> None:
        self._width = window / SLICES
        self._slices = [[0] * BUCKETS for _ in range(SLICES)]
        self._sizes = [0] * SLICES
        self._slice = 0
        self._known: dict[float, float] = {}
        self._read_at = 0

    def note(self, seconds: float, now: float) -> None:
        """Count one call that took so long."""
        self._turn(now)
        at = self._slice % SLICES
        self._slices[at][bucket_of(seconds)] += 1
        self._sizes[at] += 1

    def count(self, now: float) -> int:
        """Calls within the window."""
        self._turn(now)
        return sum(self._sizes)

    def percentile(self, share: float, now: float) -> float | None:
        """Seconds within which that share (0 to 1) of the calls was answered; None when there were none.

        Counting through the buckets takes 20 µs, so an answer holds until the window has changed by an eighth.
        """
        self._turn(now)
        size = sum(self._sizes)
        if not size:
            return None
        if abs(size - self._read_at) * 8 > self._read_at:
            self._known.clear()
            self._read_at = size
        if share not in self._known:
            self._known[share] = self._counted(share, size)
        return self._known[share]

    def _counted(self, share: float, size: int) -> float:
        wanted = max(1, math.ceil(share * size))
        counts = (sum(each) for each in zip(*self._slices, strict=True))
        at = next(at for at, seen in enumerate(accumulate(counts)) if seen >= wanted)
        return upper_bound(at)

    def _turn(self, now: float) -> None:
        """Forget the slices that time has passed by."""
        current = int(now / self._width)
        if current == self._slice:
            return
        for passed in range(max(self._slice, current - SLICES) + 1, current + 1):
            self._slices[passed % SLICES] = [0] * BUCKETS
            self._sizes[passed % SLICES] = 0
        self._slice = current
        self._known.clear()


def bucket_of(seconds: float) -> int:
    """The bucket a latency counts in."""
    if seconds <= SHORTEST:
        return 0
    if seconds >= LONGEST:
        return BUCKETS - 1
    return min(BUCKETS - 1, math.ceil(math.log2(seconds / SHORTEST) * STEPS - 1e-9))


def upper_bound(bucket: int) -> float:
    """The longest latency of a bucket, in seconds."""
    return float(SHORTEST * 2.0 ** (bucket / STEPS))
