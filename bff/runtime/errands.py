"""Tasks of somebody's own: who waits for one may leave without ending it, and closing ends them all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from bff.errors import GatewayDraining

T = TypeVar("T")


class Errands:
    """Mutable state: ``_running``, ``is_closed``."""

    __slots__ = ("_running", "is_closed")

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self.is_closed = False

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run it, whoever waits for it.

        Raises:
            GatewayDraining: closed; the work does not begin.

        """
        if self.is_closed:
            work.close()
            raise GatewayDraining
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # each waiter was told; with none left, nobody needs to be

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Begin it, and wait for what it gives.

        Raises:
            GatewayDraining: closed, before or meanwhile.
            BaseException: what the work raised.

        """
        return await heard(self.begin(work))

    async def close(self) -> None:
        """Begin nothing any more, cancel what runs, and return when it has ended."""
        self.is_closed = True
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)


async def heard(task: asyncio.Task[T]) -> T:
    """What an errand gives; whoever leaves does not cancel it.

    Raises:
        GatewayDraining: it was cancelled.
        BaseException: what it raised.

    """
    await asyncio.wait({task})
    return given(task)


def given(task: asyncio.Task[T]) -> T:
    """What a task that has ended gave.

    Raises:
        GatewayDraining: it was cancelled.
        BaseException: what it raised.

    """
    if task.cancelled():
        raise GatewayDraining
    return task.result()
