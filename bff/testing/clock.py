"""A clock that a test moves by hand: no real time passes, and what is due happens in order."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any, Final

from bff.clock import Calling, Ringing, Timer

TURNS: Final = 50
"""Turns of the loop that tasks get between two timers to do what the first one woke them for."""


class ManualTimer:
    """When an alarm rings. Immutable: whether it was cancelled is the alarm's to know."""

    __slots__ = ("_alarm", "_company")

    def __init__(self, alarm: Ringing) -> None:
        self._alarm = alarm
        self._company = alarm.company = {alarm: None}

    @property
    def is_cancelled(self) -> bool:
        """Whether it is not to ring any more."""
        return not self._company

    def ring(self) -> None:
        """Let it ring, unless it was cancelled."""
        if self._company:
            self._company.clear()
            self._alarm.ring()


class ManualClock:
    """Time for tests: it stands still until :meth:`advance`, and then goes from timer to timer.

        clock = ManualClock()
        waiting = asyncio.create_task(clock.sleep(60))
        await clock.advance(60)         # nobody waited a minute

    ``wall`` starts at 2026-01-01 00:00:00 UTC unless told otherwise. Mutable state: ``_now``, ``_timers``.
    """

    def __init__(self, *, wall: float = 1_767_225_600.0) -> None:
        self._began = self._now = 1_000.0  # not 0, which would look like "never"
        self._wall = wall
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Monotonic seconds."""
        return self._now

    def wall(self) -> float:
        """Unix time in seconds."""
        return self._wall + self._now - self._began

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call back once ``now()`` has reached ``when``; in the loop's next turn if it has already."""
        alarm = Calling(callback, args)
        self.set(alarm, when)
        return alarm

    def set(self, alarm: Ringing, when: float) -> None:
        """Let it ring then; in the loop's next turn if that has been already."""
        timer = ManualTimer(alarm)
        if when <= self._now:
            asyncio.get_running_loop().call_soon(timer.ring)
        else:
            heapq.heappush(self._timers, (when, next(self._order), timer))

    async def sleep(self, seconds: float) -> None:
        """Return when that many seconds have been advanced."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_at(self._now + seconds, _wake, done)
        try:
            await done
        finally:
            timer.cancel()

    async def advance(self, seconds: float) -> None:
        """Let that many seconds pass. Each timer rings at its own time, in order, and what it wakes runs
        before the next one rings; timers that are set on the way ring too, if they are due by then.
        """
        end = self._now + seconds
        await settle()
        while (due := self._next()) is not None and due <= end:
            await self.jump()
        self._now = max(self._now, end)
        await settle()

    async def jump(self) -> bool:
        """Go to the next timer and ring it; False when there is none."""
        if self._next() is None:
            return False
        when, _, timer = heapq.heappop(self._timers)
        self._now = max(self._now, when)
        timer.ring()
        await settle()
        return True

    async def leap(self, seconds: float) -> None:
        """Let that much time pass at once, as for a machine that slept: what became due meanwhile rings once, in
        order, and all of it finds the time after. A day costs no more than a second.
        """
        await settle()
        self._now += seconds
        due = [
            heapq.heappop(self._timers)[2] for _ in range(sum(each[0] <= self._now for each in self._timers))
        ]
        for timer in due:
            timer.ring()
        await settle()

    def _next(self) -> float | None:
        """When the next timer is due."""
        while self._timers and self._timers[0][2].is_cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def __repr__(self) -> str:
        waiting = sum(not timer.is_cancelled for _, _, timer in self._timers)
        return f"<ManualClock at +{self._now - self._began:g} s: {waiting} timers>"


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def _wake(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
