"""Several service calls at once, and what happens when some of them fail.

``gather`` runs parts side by side; a part alone is required, so its failure is the page's. ``optional``
and ``fallback`` wrap a part so that a service's failure becomes a value, and the answer says so:
``Bff-Complete: false``, ``Bff-Missing: notices``, ``Cache-Control: no-store``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
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
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run(part)) for part in parts]
    except BaseExceptionGroup as failures:
        first, *others = failures.exceptions
        for other in others:
            first.add_note(f"another part failed too: {type(other).__name__}: {other}")
        raise first from None
    return tuple(task.result() for task in tasks)


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


def fallback(part: Awaitable[Any], /, *others: Any, name: str | None = None) -> Awaitable[Any]:
    """Try ``part``, then each of ``others`` in turn: awaitables first, at last perhaps a plain value.

    An awaitable that answers makes the part complete. A plain value never fails but is marked missing: the
    page shows something, and says that it is not the real thing. If everything fails, the last failure is
    raised.
    """
    assert others, "fallback needs at least one alternative"

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
