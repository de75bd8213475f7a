"""Several service calls at once, and what happens when some of them fail.

``gather`` runs parts side by side; a part alone is required, so its failure is the page's. ``optional``
and ``fallback`` wrap a part so that a service's failure becomes a value, and the answer says so:
``Bff-Complete: false``, ``Bff-Missing: notices``, ``Cache-Control: no-store``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Generator, Sequence
from functools import partial
from typing import Any, Generic, TypeVar, TypeVarTuple, overload

from bff.sdk.call import Call
from bff.sdk.failures import ServiceError
from bff.sdk.invocation import Invocation, current

T = TypeVar("T")
D = TypeVar("D")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")
Ts = TypeVarTuple("Ts")

SOFT_FAILURES = (ServiceError, TimeoutError)
"""What ``optional`` and ``fallback`` forgive: a service failed, or time ran out. A bug is never forgiven."""


@overload
async def gather(one: Awaitable[T1], /) -> tuple[T1]: ...
@overload
async def gather(one: Awaitable[T1], two: Awaitable[T2], /) -> tuple[T1, T2]: ...
@overload
async def gather(one: Awaitable[T1], two: Awaitable[T2], three: Awaitable[T3], /) -> tuple[T1, T2, T3]: ...
@overload
async def gather(
    one: Awaitable[T1], two: Awaitable[T2], three: Awaitable[T3], four: Awaitable[T4], /
) -> tuple[T1, T2, T3, T4]: ...
@overload
async def gather(
    one: Awaitable[T1], two: Awaitable[T2], three: Awaitable[T3], four: Awaitable[T4], five: Awaitable[T5], /
) -> tuple[T1, T2, T3, T4, T5]: ...
@overload
async def gather(
    one: Awaitable[T1],
    two: Awaitable[T2],
    three: Awaitable[T3],
    four: Awaitable[T4],
    five: Awaitable[T5],
    six: Awaitable[T6],
    /,
) -> tuple[T1, T2, T3, T4, T5, T6]: ...
@overload
async def gather(*parts: Awaitable[T]) -> tuple[T, ...]: ...


async def gather(*parts: Awaitable[Any]) -> tuple[Any, ...]:
    """Run all parts at the same time and give their values in the order they were named.

    The first failure cancels the others, waits until they have ended, and is raised itself (not inside an
    exception group, so that its status and fault reach the caller); later ones are noted on it.
    Cancelling the caller cancels every part.
    """
    failures: list[BaseException] = []
    tasks = [asyncio.create_task(_run(part)) for part in parts]
    for task in tasks:
        task.add_done_callback(partial(_note_failure, failures))
    try:
        await _ended(tasks)
        if not failures:
            return tuple([task.result() for task in tasks])
        first, *others = failures
        for other in others:
            first.add_note(f"another part failed too: {type(other).__name__}: {other}")
        try:
            raise first
        finally:
            del first, others  # a failure must not hold the frame that holds the failure
    finally:
        del tasks
        failures.clear()


async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Return once all have ended; after a failure, or when cancelled, with the others cancelled.

    asyncio.TaskGroup is not used: before Python 3.13 it leaves its caller with a cancellation that nobody
    asked for (cancelling() is 1), and a deadline that runs out later could not be told from it; and a
    failure during a cancellation hides the cancellation.
    """
    running: Collection[asyncio.Task[Any]] = tasks
    cancelled: asyncio.CancelledError | None = None
    when = asyncio.FIRST_EXCEPTION
    while running:
        try:
            _, running = await asyncio.wait(running, return_when=when)
        except asyncio.CancelledError as error:
            cancelled = error
            running = [task for task in running if not task.done()]
        if when == asyncio.FIRST_EXCEPTION:
            when = asyncio.ALL_COMPLETED
            for task in running:
                task.cancel()
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            del cancelled


def _note_failure(failures: list[BaseException], task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (failure := task.exception()) is not None:
        failures.append(failure)


async def _run(part: Awaitable[T]) -> T:
    return await part


class _Part(Generic[T]):
    """A wrapped part: single-use as the call inside it, and free if nobody awaits it."""

    __slots__ = ("_run",)

    def __init__(self, run: Any) -> None:
        self._run = run

    def __await__(self) -> Generator[Any, None, T]:
        awaiting: Generator[Any, None, T] = self._run().__await__()
        return awaiting


@overload
def optional(part: Awaitable[T], /, *, name: str | None = None) -> Awaitable[T | None]: ...
@overload
def optional(part: Awaitable[T], /, default: D, *, name: str | None = None) -> Awaitable[T | D]: ...


def optional(part: Awaitable[Any], /, default: Any = None, *, name: str | None = None) -> Awaitable[Any]:
    """A part the page can do without: when its service fails, ``default`` stands in.

    The answer then says ``Bff-Missing: NAME`` (the service's name unless ``name`` says otherwise).
    """

    async def run() -> Any:
        try:
            return await part
        except SOFT_FAILURES as failure:
            _invocation_of(part).mark_missing(name or _name_of(part, failure))
            return default

    return _Part(run)


@overload
def fallback(
    part: Awaitable[T1], other: Awaitable[T2], /, *, name: str | None = None
) -> Awaitable[T1 | T2]: ...
@overload
def fallback(part: Awaitable[T1], other: D, /, *, name: str | None = None) -> Awaitable[T1 | D]: ...
@overload
def fallback(
    part: Awaitable[T1], second: Awaitable[T2], third: Awaitable[T3], /, *, name: str | None = None
) -> Awaitable[T1 | T2 | T3]: ...
@overload
def fallback(
    part: Awaitable[T1], second: Awaitable[T2], third: D, /, *, name: str | None = None
) -> Awaitable[T1 | T2 | D]: ...
@overload
def fallback(part: Awaitable[Any], /, *others: Any, name: str | None = None) -> Awaitable[Any]: ...


def fallback(part: Awaitable[Any], /, *others: Any, name: str | None = None) -> Awaitable[Any]:
    """Try ``part``, then each of ``others`` in turn: awaitables first, at last perhaps a plain value.

    An awaitable that answers makes the part complete. A plain value never fails but is marked missing: the
    page shows something, and says that it is not the real thing. If everything fails, the last failure is
    raised.
    """
    if not others:
        raise TypeError("fallback needs at least one alternative")

    async def run() -> Any:
        failure: BaseException | None = None
        for option in (part, *others):
            if not isinstance(option, Awaitable):
                _invocation_of(part).mark_missing(name or _name_of(part, failure))
                return option
            try:
                return await option
            except SOFT_FAILURES as error:
                failure = error
        assert failure is not None
        raise failure

    return _Part(run)


def _invocation_of(part: Awaitable[Any]) -> Invocation:
    return part.invocation if isinstance(part, Call) else current.get()


def _name_of(part: Awaitable[Any], failure: BaseException | None) -> str:
    if isinstance(part, Call):
        return part.service
    if isinstance(failure, ServiceError):
        return failure.service
    return str(getattr(part, "__name__", type(part).__name__))
