"""Several ways to the same part at once: the first good answer is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Sequence
from typing import Any, Generic, TypeVar

from bff.sdk.aggregate import SOFT_FAILURES

T = TypeVar("T")


def any_of(*parts: Awaitable[T]) -> Awaitable[T]:
    """The first answer that comes; the others are cancelled, and have ended by then.

        price = await any_of(ctx.services.prices.get("/p/7"), ctx.services.prices_copy.get("/p/7"))

    A part that fails leaves it to the others; when all have failed, the failure that came last is raised, and the
    earlier ones are noted on it. A bug in a part is raised at once. Where one way shall be tried only after another
    has failed, take ``fallback``; a slow endpoint of one service is ``hedge``'s business in routes.yaml.
    """
    if not parts:
        raise TypeError("any_of needs at least one part")
    return _AnyOf(parts)


class _AnyOf(Generic[T]):
    """Single-use as the parts inside it, and free if nobody awaits it."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Awaitable[T]]) -> None:
        self._parts = parts

    def __await__(self) -> Generator[Any, None, T]:
        return self._first().__await__()

    async def _first(self) -> T:
        tasks = [asyncio.ensure_future(_run(part)) for part in self._parts]
        running: set[asyncio.Task[T]] = set(tasks)
        failures: list[BaseException] = []
        try:
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                landed = [task for task in tasks if task in done]  # in the order they were named
                del done
                while landed:
                    if (failure := _failure_of(landed[0])) is None:
                        return landed[0].result()
                    failures.append(failure)
                    del landed[0], failure
            raise _last_of(failures)
        finally:
            await _ended(running)
            tasks.clear()  # a failure, or whose it is, must not be held by the frame that it holds
            failures.clear()


async def _run(part: Awaitable[T]) -> T:
    return await part


def _failure_of(task: asyncio.Task[Any]) -> BaseException | None:
    """Why a part failed; a failure that nobody forgives is raised."""
    if task.cancelled():
        raise asyncio.CancelledError
    failure = task.exception()
    if failure is not None and not isinstance(failure, SOFT_FAILURES):
        raise failure
    return failure


def _last_of(failures: Sequence[BaseException]) -> BaseException:
    *earlier, last = failures
    for other in earlier:
        last.add_note(f"another part failed too: {type(other).__name__}: {other}")
    return last


async def _ended(running: set[asyncio.Task[T]]) -> None:
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
