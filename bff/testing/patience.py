"""Waiting in stubs. On a ManualClock nobody else would move the time, so it goes on while stubs wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from bff.clock import Clock, SystemClock
from bff.testing.clock import ManualClock, settle


class Patience:
    """Waits for stubs, on the clock it is given.

    With a ManualClock, while at least one stub waits and everything else has done what it can, the clock
    jumps to its next timer: a timeout, a deadline, or the time at which a stub answers.
    Mutable state: ``clock``, ``_waiting``, ``_pushing``.
    """

    def __init__(self) -> None:
        self.clock: Clock = SystemClock()
        self._waiting = 0
        self._pushing: asyncio.Task[None] | None = None

    async def hang(self) -> NoReturn:
        """Never return; the caller's timeout cancels."""
        async with self._while_waiting():
            await asyncio.get_running_loop().create_future()
        raise AssertionError("a future that nobody holds was resolved")

    async def pass_time(self, seconds: float) -> None:
        """Return that many seconds later."""
        if seconds > 0:
            async with self._while_waiting():
                await self.clock.sleep(seconds)

    @asynccontextmanager
    async def _while_waiting(self) -> AsyncIterator[None]:
        self._waiting += 1
        if self._pushing is None and isinstance(self.clock, ManualClock):
            self._pushing = asyncio.create_task(self._push(self.clock))
        try:
            yield
        finally:
            self._waiting -= 1

    async def _push(self, clock: ManualClock) -> None:
        """Move the time while anybody waits for it."""
        try:
            await settle()
            while self._waiting and await clock.jump():
                pass
        finally:
            self._pushing = None
