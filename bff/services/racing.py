"""Attempts at the same thing, each with a head start over the next; the first to succeed wins (RFC 8305 §5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from bff.clock import Clock

T = TypeVar("T")


async def first_of(
    attempts: Sequence[Callable[[], Coroutine[Any, Any, T]]],
    *,
    clock: Clock,
    head_start: float,
    undo: Callable[[T], object],
) -> T:
    """What the first attempt that succeeds gives. A failed attempt lets the next one start at once; those
    that lose are cancelled, and ``undo`` is called with what they had already got.

    Raises:
        ExceptionGroup: all failed; the reasons are in it, in the order they came.

    """
    running: set[asyncio.Task[T]] = set()
    failures: list[Exception] = []
    left = iter(attempts)
    try:
        while _start_next(left, running) or running:
            pace = asyncio.ensure_future(clock.sleep(head_start))
            try:
                await _one_or_pace(running, pace)
            finally:
                pace.cancel()
            for task in [task for task in running if task.done()]:
                running.discard(task)
                failure = task.exception()
                if failure is None:
                    return task.result()
                failures.append(_exception(failure))
    finally:
        await _called_off(running, undo)
    raise ExceptionGroup("no attempt succeeded", failures)


def _start_next(left: Iterator[Callable[[], Coroutine[Any, Any, T]]], running: set[asyncio.Task[T]]) -> bool:
    attempt = next(left, None)
    if attempt is None:
        return False
    running.add(asyncio.ensure_future(attempt()))
    return True


async def _one_or_pace(running: set[asyncio.Task[T]], pace: Awaitable[None]) -> None:
    waiting: set[Any] = {*running, pace}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


def _exception(failure: BaseException) -> Exception:
    if isinstance(failure, Exception):
        return failure
    raise failure


async def _called_off(running: set[asyncio.Task[T]], undo: Callable[[T], object]) -> None:
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
    for task in running:
        if not task.cancelled() and task.exception() is None:
            undo(task.result())
