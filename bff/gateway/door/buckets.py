"""Where calls are counted: the face of it, and the one in memory, which is bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from bff.clock import Clock
from bff.sdk.gcra import Rate, Verdict, take

Asked = Sequence[tuple[str, Rate]]
"""Buckets by key, each with its rate."""


class BucketsAway(Exception):
    """Nobody can tell at the moment how often somebody has called."""


class Buckets(Protocol):
    """All buckets of one gateway, or of several."""

    async def take(self, asked: Asked) -> list[Verdict]:
        """One call out of each of them, or out of none if one refuses; the verdicts in order.

        Raises:
            BucketsAway: they cannot be asked.

        """

    async def aclose(self) -> None:
        """Let go of what is open."""


class MemoryBuckets:
    """Mutable state: ``_full_at`` by key, those that were asked longest ago first.

    A bucket that is full again is as good as none, and goes. Past ``most`` the one asked longest ago goes full or
    not: whoever has that many addresses is not held by a limit for each anyway.
    """

    def __init__(self, most: int, *, clock: Clock) -> None:
        self.most = most
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    async def take(self, asked: Asked) -> list[Verdict]:
        return self.take_now(asked)

    def take_now(self, asked: Asked) -> list[Verdict]:
        """The same, without waiting for anything."""
        now = self._clock.now()
        verdicts = [take(self._full_at.get(key, 0.0), now, rate) for key, rate in asked]
        if all(verdict.is_allowed for verdict in verdicts):
            for (key, _), verdict in zip(asked, verdicts, strict=True):
                self._full_at[key] = verdict.full_at
                self._full_at.move_to_end(key)
            self._forget(now)
        return verdicts

    def _forget(self, now: float) -> None:
        """Two at a time, so that what one call adds is more than made up for."""
        for _ in range(2):
            oldest = next(iter(self._full_at), None)
            if oldest is None or (self._full_at[oldest] > now and len(self._full_at) <= self.most):
                return
            del self._full_at[oldest]

    async def aclose(self) -> None:
        """There is nothing to let go of."""
