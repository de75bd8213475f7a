"""Service calls side by side without a task each: begun at once, and as strict as tasks would be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.clock import Expiry
from bff.sdk.aggregate import fallback, gather, optional
from bff.sdk.call import Adapters, Call
from bff.sdk.failures import ServiceUnreachable
from bff.sdk.invocation import Invocation, current
from bff.sdk.part import RunningPart
from bff.testing.clock import ManualClock, settle

pytestmark = pytest.mark.anyio

Do = Callable[[], Awaitable[Any]]


@pytest.fixture(autouse=True)
def asked(invocation: Callable[..., Invocation]) -> Iterator[Invocation]:
    made = invocation()
    token = current.set(made)
    yield made
    current.reset(token)


class Doing:
    """A sender that does what a test says, and answers with ``"done"``."""

    name = "users"
    fast_path = None

    def __init__(self, do: Do) -> None:
        self._do = do

    async def send(self, *_: Any) -> httpx.Response:
        await self._do()
        return httpx.Response(200, content=b'"done"')

    def relays_credentials(self, _invocation: Invocation) -> bool:
        return False


def call(do: Do) -> Call[str]:
    return Call(Doing(do), current.get(), Adapters(), "GET", "/", options={}, into=str)


class Later:
    """An awaitable that is no call."""

    def __init__(self, do: Do) -> None:
        self._do = do

    def __await__(self) -> Any:
        return self._do().__await__()


async def test_all_begin_before_anybody_waits() -> None:
    """Each one's first step is taken in order, within the turn in which gather was awaited."""
    seen: list[str] = []

    def noting(name: str) -> Do:
        async def do() -> None:
            seen.append(name)
            await asyncio.sleep(0)

        return do

    asyncio.get_running_loop().call_soon(seen.append, "next turn")
    await gather(call(noting("a")), optional(call(noting("b"))), fallback(call(noting("c")), "d"))
    assert seen == ["a", "b", "c", "next turn"]


async def test_calls_have_no_tasks_and_anything_else_has_one() -> None:
    """Also a fallback that may run anything."""
    counts: list[int] = []

    async def count() -> None:
        counts.append(len(asyncio.all_tasks()))
        await asyncio.sleep(0)

    before = len(asyncio.all_tasks())
    await gather(call(count), optional(call(count)), fallback(call(count), call(count)))
    assert counts == [before] * 3
    counts.clear()
    await gather(count(), optional(count()), fallback(call(count), Later(count)))
    assert counts[-1] == before + 3


async def test_a_timeout_inside_one_is_its_own() -> None:
    """``asyncio.timeout`` and our own expiry end the part they are in; the others and the caller go on."""
    clock = ManualClock()

    async def asyncios() -> None:
        async with asyncio.timeout(0):
            await asyncio.sleep(60)

    async def ours() -> None:
        with Expiry(clock, clock.now() + 1):
            await asyncio.Event().wait()

    async def slow() -> None:
        await clock.sleep(2)

    running = asyncio.ensure_future(
        gather(optional(call(asyncios), "late"), optional(call(ours), "late too"), call(slow))
    )
    await settle()
    await clock.advance(1)
    assert not running.done()
    await clock.advance(1)
    assert await running == ("late", "late too", "done")
    assert running.cancelling() == 0


async def test_each_is_its_own_current_task_only_while_it_runs() -> None:
    """Inside, :func:`asyncio.current_task` is the part; outside it is the caller again."""
    inside: list[Any] = []

    async def look() -> None:
        inside.append(asyncio.current_task())
        await asyncio.sleep(0)
        inside.append(asyncio.current_task())

    me = asyncio.current_task()
    await gather(call(look), call(look))
    assert asyncio.current_task() is me
    first, second, first_again, second_again = inside
    assert first is first_again is not second is second_again is not me
    assert "done" in repr(first)


async def test_context_variables_are_each_ones_own() -> None:
    """As in tasks: what a part sets it sees itself, and nobody else does."""
    colour: ContextVar[str] = ContextVar("colour", default="none")
    seen: list[str] = []

    def setting(name: str) -> Do:
        async def do() -> None:
            seen.append(colour.get())
            colour.set(name)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(colour.get())

        return do

    await gather(call(setting("red")), call(setting("blue")))
    assert seen == ["none", "none", "red", "blue"]
    assert colour.get() == "none"


async def test_what_fails_at_once_keeps_the_rest_from_beginning() -> None:
    """Nothing was sent for them; what had begun is cancelled and waited for."""
    seen: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("slow ended")

    async def fails() -> None:
        raise ServiceUnreachable("users")

    async def never() -> None:
        seen.append("begun")

    with pytest.raises(ServiceUnreachable):
        await gather(call(slow), call(fails), call(never))
    assert seen == ["slow ended"]


async def test_a_cancellation_that_is_swallowed_is_not_lost() -> None:
    """A part that goes on although it was cancelled is waited for, and the caller's cancellation still counts."""
    ended = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        ended.append(True)

    running = asyncio.ensure_future(gather(call(stubborn), call(stubborn)))
    await settle()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == [True, True]


async def test_a_cancellation_meets_whoever_would_go_on() -> None:
    """Cancelled in the turn in which what it waits for is there: it hears of it before it goes on."""
    loop = asyncio.get_running_loop()
    gate: asyncio.Future[None] = loop.create_future()
    part = RunningPart(_waiting_for(gate), lambda _: None, loop)
    part.start(asyncio.current_task())
    gate.set_result(None)
    assert part.cancel()
    assert part.cancelling() == 1
    await settle()
    assert part.done()
    assert part.cancelled()
    assert not part.cancel()
    with pytest.raises(asyncio.CancelledError):
        part.result()


async def _waiting_for(gate: asyncio.Future[None]) -> None:
    await gate


async def test_what_is_no_future_cannot_be_waited_for() -> None:
    """As in a task: an error in the part, not a hang."""

    class Odd:
        def __await__(self) -> Any:
            yield "not a future"

    async def odd() -> None:
        await Odd()

    with pytest.raises(RuntimeError, match="no future"):
        await gather(call(odd))


async def test_a_future_of_another_loop_cannot_be_waited_for() -> None:
    """It would wake the part outside its own loop; a task refuses it with the same error."""
    other = asyncio.new_event_loop()
    try:

        async def do() -> None:
            await other.create_future()

        for part in (call(do), Later(do)):
            with pytest.raises(RuntimeError, match=r"another loop|different loop"):
                await asyncio.wait_for(gather(part), 60)
    finally:
        other.close()


@pytest.mark.parametrize("leaving", [SystemExit, KeyboardInterrupt])
async def test_who_ends_the_process_at_once_leaves_nothing_running(leaving: type[BaseException]) -> None:
    """In a first step, which is taken within gather: what was begun is cancelled and waited for, the rest never begins."""
    seen: list[str] = []

    async def waits() -> None:
        seen.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("ended")

    async def leaves() -> None:
        raise leaving

    async def late() -> None:
        seen.append("late")

    before = asyncio.all_tasks()
    with pytest.raises(leaving):
        await gather(call(waits), Later(waits), call(leaves), call(late))
    # A task that has not had its first turn has nothing to end.
    assert seen in (["begun", "ended"], ["begun", "begun", "ended", "ended"])
    assert asyncio.all_tasks() == before


async def test_a_cancellation_does_not_hide_who_ends_the_process() -> None:
    """As in a TaskGroup: whoever waits meanwhile and is cancelled hears of the exit."""

    async def insists() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            caller.cancel()
            await asyncio.sleep(0)

    async def leaves() -> None:
        raise SystemExit(3)

    async def gathers() -> Any:
        try:
            await gather(call(insists), call(leaves))
        except SystemExit as error:
            return error.code

    caller = asyncio.ensure_future(gathers())
    assert await caller == 3


async def test_gathers_of_calls_nest() -> None:
    """A call's sender may gather calls of its own: a retry in parallel, say."""

    async def outer() -> None:
        assert await gather(call(inner), call(inner)) == ("done", "done")

    async def inner() -> None:
        await asyncio.sleep(0)

    assert await gather(call(outer), call(outer)) == ("done", "done")


Script = list[tuple[int, str, bool]]


class Bug(Exception):
    pass


class Ward:
    """Makes parts and knows how many run."""

    def __init__(self) -> None:
        self.running = 0

    def doing(self, turns: int, kind: str) -> Do:
        async def do() -> str:
            self.running += 1
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
                if kind != "value":
                    raise ServiceUnreachable("s") if kind == "service" else Bug
                return "done"
            finally:
                self.running -= 1

        return do


async def outcome(running: Awaitable[Any], cancel_after: int | None) -> tuple[str, Any]:
    task = asyncio.ensure_future(running)
    if cancel_after is not None:
        for _ in range(cancel_after):
            await asyncio.sleep(0)
        task.cancel()
    try:
        return "value", await task
    except asyncio.CancelledError:
        assert cancel_after is not None
        return "cancelled", None
    except Exception as error:
        return "raised", type(error)


async def grouped(parts: list[Any]) -> Any:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in parts]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return tuple(task.result() for task in tasks)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["value", "service", "bug"]), st.booleans()), max_size=5
    ),
    st.none() | st.integers(0, 8),
)
async def test_parts_agree_with_a_task_group(script: Script, cancel_after: int | None) -> None:
    """Any mix of calls and coroutines, values, failures and a cancellation: as a TaskGroup, or cancelled; and
    nobody is left running.
    """
    ward = Ward()
    parts: list[Any] = [
        call(ward.doing(turns, kind)) if is_call else ward.doing(turns, kind)()
        for turns, kind, is_call in script
    ]
    mine = await outcome(gather(*parts), cancel_after)
    assert ward.running == 0, "a part runs on"
    for part in parts:
        if asyncio.iscoroutine(part):
            part.close()
    if mine[0] == "cancelled":
        return
    theirs = await outcome(grouped([ward.doing(turns, kind)() for turns, kind, _ in script]), None)
    # Which of two failures came first depends on the turn in which each part began.
    is_ambiguous = {"service", "bug"} <= {kind for _, kind, _ in script}
    assert mine[0] == theirs[0]
    assert is_ambiguous or mine == theirs
