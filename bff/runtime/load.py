"""How busy a function was: calls inside and calls a second, averaged over the last seconds.

Time-weighted, in buckets of one second, so that a burst between two looks is not missed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    second: int
    held: float = 0.0
    calls: int = 0


class Load:
    """Mutable state: ``inside``, ``keep`` (seconds, the longest window anybody asks for), ``_since``, ``_buckets``
    (at most ``keep`` seconds of them).
    """

    def __init__(self, now: float, *, keep: float) -> None:
        self.inside = 0
        self._since = now
        self._began = now
        self.keep = keep
        self._buckets: deque[_Bucket] = deque()

    def enter(self, now: float) -> None:
        """One call more is inside."""
        self._pass(now)
        self.inside += 1
        self._bucket(int(now)).calls += 1

    def leave(self, now: float) -> None:
        """One call fewer is inside."""
        self._pass(now)
        self.inside -= 1

    def concurrency(self, now: float, window: float) -> float:
        """Calls inside at a time, on average over the last ``window`` seconds."""
        self._pass(now)
        held = sum(bucket.held * share for bucket, share in self._within(now, window))
        return held / self._length(now, window)

    def rate(self, now: float, window: float) -> float:
        """Calls a second, on average over the last ``window`` seconds."""
        self._pass(now)
        calls = sum(bucket.calls * share for bucket, share in self._within(now, window))
        return calls / self._length(now, window)

    def _within(self, now: float, window: float) -> Iterator[tuple[_Bucket, float]]:
        """The buckets of the window, and how much of each: the oldest lies in it only in part."""
        since = now - window
        for bucket in self._buckets:
            if bucket.second + 1 > since:
                yield bucket, min(1.0, bucket.second + 1 - since)

    def _length(self, now: float, window: float) -> float:
        """A function that is younger than the window is judged by its own age."""
        return max(1.0, min(window, now - self._began))

    def _pass(self, now: float) -> None:
        """Credit the calls inside with the time since the last change, second by second."""
        self._since = max(self._since, now - self.keep - 1)  # a clock that jumped: nobody asks for more
        while self.inside and self._since < now:
            end = min(now, int(self._since) + 1.0)
            self._bucket(int(self._since)).held += self.inside * (end - self._since)
            self._since = end
        self._since = max(self._since, now)
        while self._buckets and self._buckets[0].second < now - self.keep - 1:
            self._buckets.popleft()

    def _bucket(self, second: int) -> _Bucket:
        if not self._buckets or self._buckets[-1].second < second:
            self._buckets.append(_Bucket(second))
        return self._buckets[-1]
