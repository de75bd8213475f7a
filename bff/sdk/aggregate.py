"""Several service calls at once, and what happens when some of them fail.

``gather`` runs parts side by side; a part alone is required, so its failure is the page's. ``optional``
and ``fallback`` wrap a part so that a service's failure becomes a value, and the answer says so:
``Bff-Complete: false``, ``Bff-Missing: notices``, ``Cache-Control: no-store``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextvars import ContextVar, copy_context
from typing import Any, Generic, TypeVar, TypeVarTuple, overload

from bff.errors import BffError
from bff.sdk.begun import Begun
from bff.sdk.call import Call
from bff.sdk.failures import ServiceError, ServiceTimedOut
from bff.sdk.invocation import Invocation, current
from bff.sdk.part import RunningPart

T = TypeVar("T")
D = TypeVar("D")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")
Ts = TypeVarTuple("Ts")

member: ContextVar[str] = ContextVar("bff_member")
"""The member of a page that a part is for; set inside the part only (:mod:`bff.sdk.view`)."""

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

    Service calls, also inside ``optional`` and ``fallback``, begin at once: all their requests are written
    before this waits. Anything else runs in a task.

    The first failure cancels the others, waits until they have ended, and is raised itself (not inside an
    exception group, so that its status and fault reach the caller); later ones are noted on it.
    Cancelling the caller cancels every part; so does a SystemExit or KeyboardInterrupt of one, raised in the end.
    """
    team, cancelled = _Team(), None
    try:
        team.start(parts)
        news = team.news()
        if news is not None:
            try:
                await news
            except asyncio.CancelledError as error:
                cancelled = error
        if team.is_at_work or cancelled is not None:
            await team.wind_up(cancelled)
        return team.results()
    finally:
        team.forget()  # a failure must not hold the frame that holds the failure
        cancelled = None


_EXITS = (SystemExit, KeyboardInterrupt)
"""Who raises these wants the process to end, which is more than a cancellation (as in asyncio.TaskGroup)."""


class _Team:
    """Parts that run side by side. Mutable state: ``_members``, how many are ``_running``, the ``_failures`` so
    far, and ``_waiting``, who wants to know of the first failure or, without one, of the last end.

    asyncio.TaskGroup is not used: before Python 3.13 it leaves its caller with a cancellation that nobody
    asked for (cancelling() is 1), and a deadline that runs out later could not be told from it; and a
    failure during a cancellation hides the cancellation.
    """

    __slots__ = ("_context", "_failures", "_loop", "_members", "_running", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._members: list[Any] = []
        self._running = 0
        self._failures: list[BaseException] = []
        self._waiting: asyncio.Future[None] | None = None

    def start(self, parts: Sequence[Awaitable[Any]]) -> None:
        """Begin with each, in order, until one has failed at once."""
        for at, part in enumerate(parts):
            if self._failures:
                _discard(parts[at:])
                return
            self._running += 1
            begun = run = None
            if isinstance(part, _LIGHT):
                begun, run = part.begin(), part.run
            if begun is not None:
                begun.told = self._told
                self._members.append(begun)
            elif run is not None:
                member = RunningPart(run(), self._part_ended, self._loop)
                self._members.append(member)
                _start(member)
            else:
                task = self._loop.create_task(_run(part))
                self._members.append(task)
                task.add_done_callback(self._task_ended)

    def _told(self, begun: Begun) -> None:
        """A call has ended, or cannot go on without a coroutine."""
        if begun.has_ended:
            self._one_ended(None)
        else:
            self._carry_on(begun)

    def _carry_on(self, begun: Begun) -> RunningPart[Any]:
        part = RunningPart(begun.rest(), self._part_ended, self._loop, self._context.copy())
        self._members[self._members.index(begun)] = part
        _start(part)
        return part

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        self._one_ended(None if task.cancelled() else task.exception())

    def _part_ended(self, part: RunningPart[Any]) -> None:
        self._one_ended(part.error)

    def _one_ended(self, failure: BaseException | None) -> None:
        self._running -= 1
        if failure is not None and not isinstance(failure, asyncio.CancelledError):
            self._failures.append(failure)
        elif self._running:
            return
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    @property
    def is_at_work(self) -> bool:
        """Whether there is anything to wait for, or to end."""
        return self._running > 0

    def news(self) -> asyncio.Future[None] | None:
        """What tells of the first failure or, without one, of the last end; None where that has been."""
        if self._failures or not self._running:
            return None
        self._waiting = self._loop.create_future()
        return self._waiting

    async def wind_up(self, cancelled: asyncio.CancelledError | None) -> None:
        """End all that still run, and return once they have; raise the cancellation if there was one."""
        if self._running:
            self._cancel()
        while self._running:
            cancelled = await self._next_news() or cancelled
        if cancelled is not None and not (self._failures and isinstance(self._failures[0], _EXITS)):
            try:
                raise cancelled
            finally:
                del cancelled

    def _cancel(self) -> None:
        for member in tuple(self._members):
            if hasattr(member, "cancel"):
                member.cancel()
            elif not member.has_ended:
                self._carry_on(member).cancel()

    async def _next_news(self) -> asyncio.CancelledError | None:
        """Wait for a failure or the last end, or give the cancellation that came first."""
        self._waiting = self._loop.create_future()
        try:
            await self._waiting
        except asyncio.CancelledError as error:
            return error
        return None

    def results(self) -> tuple[Any, ...]:
        """Every part's value.

        Raises:
            BaseException: the first failure.

        """
        if not self._failures:
            return tuple([member.result() for member in self._members])
        first, *others = self._failures
        for other in others:
            first.add_note(f"another part failed too: {type(other).__name__}: {other}")
        try:
            raise first
        finally:
            del first, others

    def forget(self) -> None:
        """Let go of parts and failures: a part that keeps its own is a circle, by way of the traceback."""
        for member in self._members:
            if isinstance(member, RunningPart):
                member.error = None
        self._members.clear()
        self._failures.clear()


def _start(part: RunningPart[Any]) -> None:
    try:  # noqa: SIM105 - every page comes by here
        part.start(asyncio.current_task())
    except _EXITS:
        pass  # it is the part's failure now, and raised once the others have ended


async def _run(part: Awaitable[T]) -> T:
    return await part


class _Part(Generic[T]):
    """A wrapped part: single-use as the call inside it, and free if nobody awaits it.

    ``run`` makes its coroutine; None says that what is inside may be anything, and is a task's to run.
    """

    __slots__ = ("_make", "inside", "run")

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]], inside: Sequence[Any]) -> None:
        self._make = make
        self.inside = inside
        self.run = make if all(_is_call(each) for each in inside) else None

    def __await__(self) -> Generator[Any, None, T]:
        return self._make().__await__()

    @staticmethod
    def begin() -> None:
        """As :meth:`Call.begin`: there is always something to do when what is inside has ended."""


def _discard(parts: Sequence[Any]) -> None:
    """Parts that will not be begun: a coroutine among them would complain that nobody awaited it."""
    for part in parts:
        if isinstance(part, _Part):
            _discard(part.inside)
        elif isinstance(part, Coroutine):
            part.close()


_LIGHT = (Call, _Part)
"""What may be begun at once."""


def _is_call(part: Any) -> bool:
    """Whether a part does nothing but call services."""
    if isinstance(part, _Part):
        return part.run is not None
    return isinstance(part, Call) or not isinstance(part, Awaitable)


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
            _invocation_of(part).mark_missing(name or _name_of(part, failure), _reason_of(failure))
            return default

    return _Part(run, [part])


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
        try:
            for option in (part, *others):
                if not isinstance(option, Awaitable):
                    _invocation_of(part).mark_missing(name or _name_of(part, failure), _reason_of(failure))
                    return option
                try:
                    return await option
                except SOFT_FAILURES as error:
                    failure = error
            assert failure is not None
            raise failure
        finally:
            del failure  # it must not hold the frame that holds it

    return _Part(run, [part, *others])


def _invocation_of(part: Awaitable[Any]) -> Invocation:
    return part.invocation if isinstance(part, Call) else current.get()


def _reason_of(failure: BaseException | None) -> dict[str, Any]:
    """What a problem document would say of it, in three members."""
    if isinstance(failure, BffError):
        return {"code": failure.code, "status": failure.status, **failure.extras()}
    return {"code": ServiceTimedOut.code, "status": ServiceTimedOut.status}


def as_member(name: str, part: Awaitable[Any], tell: Callable[[Any], object] | None) -> Awaitable[Any]:
    """The part for a member of a page: what is missing of it goes by that name, and ``tell`` hears its value."""

    async def run() -> Any:
        member.set(name)
        value = await part
        if tell is not None:
            tell(value)
        return value

    return _Part(run, [part])


def _name_of(part: Awaitable[Any], failure: BaseException | None) -> str:
    if name := member.get(""):
        return name
    if isinstance(part, Call):
        return part.service
    if isinstance(failure, ServiceError):
        return failure.service
    return str(getattr(part, "__name__", type(part).__name__))
