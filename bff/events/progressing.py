"""How far functions are: what they say is written down soon, the latest word of each, and none of them waits for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bff.clock import Clock
from bff.events.engine import StoreEngine
from bff.events.records import Progress
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.invocation import Invocation

WRITES_EVERY = 0.25
"""Seconds between two writes: a function may say it a thousand times a second."""
MOST_NOTE = 200


class Progressing:
    """Mutable state: ``_told``, what is not written yet; ``_task``, while something is."""

    def __init__(self, engine: StoreEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._told: dict[str, Progress] = {}
        self._task: asyncio.Task[None] | None = None

    def tell(self, invocation: Invocation, done: float, total: float | None, note: str) -> None:
        """A function says how far it is; nothing where nobody could ask for it."""
        if invocation.outbox is None:
            return
        self._told[invocation.request_id] = Progress(
            at=self._clock.wall(), done=done, total=total, note=note[:MOST_NOTE].replace("\0", " ")
        )
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._told:
                told, self._told = self._told, {}
                with suppress(StoreUnavailable):  # the next word will do
                    await self._engine.tell(told)
                await self._clock.sleep(WRITES_EVERY)
        finally:
            self._task = None

    async def close(self) -> None:
        """Say no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
