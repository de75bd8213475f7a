"""Taking a coroutine's first step by hand changes nothing about it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import warnings
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.runtime.firststep import Waiting, resume, step

Op = tuple[str, int]
MEETINGS = ("stubborn", "uncancel", "cancel self")
OPS = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), st.integers(0, 3)),
        st.tuples(
            st.sampled_from(["future", "failed future", "task", "shield", "timeout", "group"]),
            st.integers(0, 2),
        ),
        st.tuples(st.sampled_from(["raise", "return", *MEETINGS]), st.just(0)),
    ),
    max_size=6,
)
VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


class Marked(Exception):
    pass


async def turns(number: int) -> int:
    for _ in range(number):
        await asyncio.sleep(0)
    return number


async def waits(op: str, number: int) -> Any:
    """One of the ways to wait for something."""
    loop = asyncio.get_running_loop()
    match op:
        case "turn":
            await turns(number)
        case "future":
            future: asyncio.Future[int] = loop.create_future()
            loop.call_later(0.0001 * number, settle, future, number)
            return await future
        case "failed future":
            failing: asyncio.Future[int] = loop.create_future()
            loop.call_soon(settle, failing, Marked("future"))
            return await failing
        case "task":
            return await asyncio.ensure_future(turns(number))
        case "shield":
            await asyncio.shield(turns(number))
        case "timeout":
            async with asyncio.timeout(0.0001 * number):
                await asyncio.Event().wait()
        case "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(turns(number))
    return None


def settle(future: asyncio.Future[int], outcome: int | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


async def cancellation(op: str) -> Any:
    """One of the ways to meet a cancellation."""
    task = asyncio.current_task()
    assert task is not None
    if op == "cancel self":
        task.cancel()
        return None
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return "shrugged" if op == "stubborn" else task.uncancel()
    return None


async def script(ops: list[Op], seen: list[Any]) -> Any:
    """Do what the script says, noting what happens."""
    task = asyncio.current_task()
    assert task is not None
    VARIABLE.set(VARIABLE.get() + 1)
    for op, number in ops:
        seen.append((op, number))
        try:
            if op == "raise":
                raise KeyError("raised")
            if op == "return":
                return len(seen)
            seen.append(await (cancellation(op) if op in MEETINGS else waits(op, number)))
        except (TimeoutError, Marked) as error:
            seen.append(repr(error))
        finally:
            seen.append(("after", op, task.cancelling()))
    return ("end", VARIABLE.get())


async def plainly(running: Coroutine[Any, Any, Any]) -> Any:
    return await running


async def by_hand(running: Coroutine[Any, Any, Any]) -> Any:
    outcome = step(running)
    if isinstance(outcome, Waiting):
        return await resume(running, outcome)
    return outcome


async def outcome_of(how: Any, ops: list[Op], cancel_at: list[int]) -> tuple[Any, ...]:
    seen: list[Any] = []
    running = script(ops, seen)
    task = asyncio.ensure_future(how(running))
    for turn in range(14):
        if turn in cancel_at:
            seen.append(("cancelled", task.cancel()))
        await asyncio.sleep(0)
    await asyncio.wait({task})
    running.close()  # cancelled before it began, it was never awaited
    if task.cancelled():
        return "cancelled", seen
    error = task.exception()
    return ("raised", type(error), str(error), seen) if error else ("returned", task.result(), seen)


@settings(max_examples=300, deadline=None)
@given(OPS, st.lists(st.integers(0, 6), max_size=2))
def test_it_is_the_same_as_await(ops: list[Op], cancel_at: list[int]) -> None:
    """Any script of waits, failures, clean-ups and cancellations gives the same value, failure and trail."""
    # Timers of real time race with the turns that cancellations count: only one of both in a script.
    if cancel_at:
        ops = [op for op in ops if op[0] not in ("future", "timeout")]

    async def compare() -> None:
        assert await outcome_of(by_hand, ops, cancel_at) == await outcome_of(plainly, ops, cancel_at)

    asyncio.run(compare())


def test_a_coroutine_that_never_waits_is_done_in_one_step() -> None:
    """Its value comes at once, a failure is raised at once, and nothing is left to close."""

    async def value() -> int:
        return 7

    async def failure() -> int:
        raise Marked

    assert step(value()) == 7
    with pytest.raises(Marked):
        step(failure())


def test_none_and_waiting_are_told_apart() -> None:
    """A coroutine that returns None is done; one that yields None (``sleep(0)``) waits."""

    async def nothing() -> None: ...

    async def yields() -> str:
        await asyncio.sleep(0)
        return "after"

    assert step(nothing()) is None
    running = yields()
    waiting = step(running)
    assert isinstance(waiting, Waiting)
    assert waiting.yielded is None
    resumed = resume(running, waiting)
    assert resumed.send(None) is None
    with pytest.raises(StopIteration) as done:
        resumed.send(None)
    assert done.value.value == "after"


def test_what_is_dropped_is_closed() -> None:
    """A coroutine that nobody resumes, or whose resumption is closed, runs its ``finally`` and says nothing."""
    ends: list[str] = []

    async def cleans_up(name: str) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            ends.append(name)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        running = cleans_up("dropped")
        assert isinstance(step(running), Waiting)
        del running
        gc.collect()
        running = cleans_up("closed")
        waiting = step(running)
        assert isinstance(waiting, Waiting)
        resumed = resume(running, waiting)
        resumed.send(None)
        resumed.close()
    assert ends == ["dropped", "closed"]


def test_a_failure_has_the_coroutines_frames_and_no_strange_context() -> None:
    """The traceback leads into the handler's code; a cancellation is not the context of what comes after."""

    async def handler() -> None:
        await asyncio.sleep(0)
        raise Marked("late")

    async def main() -> None:
        with pytest.raises(Marked) as failure:
            await by_hand(handler())
        assert failure.traceback[-1].name == "handler"
        assert failure.value.__context__ is None

    asyncio.run(main())
