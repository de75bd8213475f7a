"""Waiting for one attempt no longer than it may take, and for the better of two. Tasks are ended by who made them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from bff.clock import Clock
from bff.sdk.failures import ServiceTimedOut

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T], service: str) -> T:
    """What the work gives.

    Raises:
        ServiceTimedOut: not in time; it has been cancelled and has ended.

    """
    tasks = {asyncio.ensure_future(work)}
    is_late = False

    def ring() -> None:
        nonlocal is_late
        is_late = True
        for each in tasks:
            each.cancel()

    timer = clock.call_at(clock.now() + seconds, ring)
    try:
        await asyncio.wait(tasks)
    finally:
        timer.cancel()
        await ended(tasks)
    task = tasks.pop()
    try:
        if is_late and task.cancelled():
            raise ServiceTimedOut(service, seconds)
        return task.result()
    finally:
        del task  # its failure holds this frame


async def is_done_within(clock: Clock, seconds: float, task: asyncio.Task[Any]) -> bool:
    """Whether a task ends by itself within so many seconds; it goes on if not."""
    pace: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_at(clock.now() + seconds, _ring, pace)
    try:
        await asyncio.wait({task, pace}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
    return task.done()


def _ring(pace: asyncio.Future[None]) -> None:
    if not pace.done():
        pace.set_result(None)


async def best_of(tasks: set[asyncio.Task[T]], is_good: Callable[[T], bool]) -> T:
    """What the first task gives that gives something good, else what the last one gave; the others have ended
    by then, cancelled.
    """
    running = set(tasks)
    try:
        while True:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            task = next((each for each in done if each.exception() is None and is_good(each.result())), None)
            if task is not None:
                return task.result()
            if not running:
                return done.pop().result()
    finally:
        await ended(running)


async def ended(tasks: set[asyncio.Task[T]]) -> None:
    """Cancel what still runs and wait until it has ended."""
    running = {task for task in tasks if not task.done()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
