"""The one door: deadlines, whose fault they are, and no call that is lost or left behind."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bff.errors import BffError, DeadlineExceeded, Fault, FunctionFailed, FunctionNotLoaded, Overloaded
from bff.revisions.revision import Revision
from bff.runtime.activator import Activator
from bff.runtime.keeper import Keeper
from bff.runtime.lifecycle import State
from bff.sdk.invocation import current
from bff.sdk.reply import Answer
from bff.signals import Evicted, WarmedUp
from bff.testing import ManualClock
from bff.testing.clock import settle
from tests.runtime.conftest import (
    AtOnce,
    Gate,
    Runtime,
    nothing_is_to_be_done_before,
    running,
    settings,
    split,
    until,
)

pytestmark = pytest.mark.anyio

SLOW_START = """
    import gate
    class Handler:
        async def start(self):
            gate.see("start")
            await gate.wait()
        async def handle(self): return "ok"
    def new(): return Handler()
"""

WAITS = """
    import gate
    async def handle():
        gate.see("in")
        try:
            await gate.wait()
        finally:
            gate.see("out")
        return "ok"
"""


async def test_nobody_of_that_name(runtime: Runtime) -> None:
    """A route to a function this gateway does not have."""
    with pytest.raises(FunctionNotLoaded) as caught:
        await runtime.call("nobody")
    assert caught.value.why == "it is not known to this gateway"


async def test_the_record_of_a_call(runtime: Runtime, clock: ManualClock, gate: Gate) -> None:
    """Revision, phases on a cold call only, the handler's seconds; it is the current one inside."""
    gate.current = current  # type: ignore[attr-defined]
    runtime.write(
        home="import gate\nasync def handle():\n    gate.see('in')\n    await gate.clock.sleep(1.5)\n    return gate.current.get().request_id"
    )
    gate.clock = clock  # type: ignore[attr-defined]
    runtime.function()
    records = []
    for _ in range(2):
        invocation = runtime.invocation()
        answers: list[Answer] = []

        async def respond(answer: Answer, answers: list[Answer] = answers) -> None:
            answers.append(answer)

        calling = asyncio.create_task(runtime.invoker.invoke(invocation, respond))
        await until(lambda: gate.seen)
        gate.seen.clear()
        await clock.advance(1.5)
        await calling
        assert answers[0].body == b"r"
        records.append(invocation)
    assert [record.revision for record in records] == ["home-dev-1"] * 2
    assert [record.handler_seconds for record in records] == [1.5, 1.5]
    assert set(records[0].phases or ()) == {
        "queue",
        "read",
        "compile",
        "imports",
        "construct",
        "start",
        "first_call",
    }
    assert records[1].phases is None


async def test_time_runs_out_while_it_warms_up(runtime: Runtime, clock: ManualClock, gate: Gate) -> None:
    """504, the function's fault; the warm-up goes on for the next caller."""
    runtime.write(home=SLOW_START)
    function = runtime.function(warm_up_timeout=60.0)
    caller = runtime.calling(seconds=2.0)
    await until(lambda: gate.seen)
    await clock.advance(1.9)
    assert not caller.done()
    await clock.advance(0.1)
    with pytest.raises(DeadlineExceeded) as caught:
        await caller
    assert (caught.value.status, caught.value.fault) == (504, Fault.FUNCTION)
    assert str(caught.value) == "The function did not answer within 2 s."
    gate.open.set()
    assert await runtime.body() == "ok"
    assert (gate.seen, function.live.in_flight if function.live else None) == (["start"], 0)


async def test_time_runs_out_while_it_handles(runtime: Runtime, clock: ManualClock, gate: Gate) -> None:
    """The handler is cancelled where it waits, and the call has left."""
    runtime.write(home=WAITS)
    function = runtime.function()
    caller = runtime.calling(seconds=2.0)
    await until(lambda: gate.seen)
    await clock.advance(2.0)
    with pytest.raises(DeadlineExceeded) as caught:
        await caller
    assert caught.value.fault is Fault.FUNCTION
    assert gate.seen == ["in", "out"]
    assert function.live is not None
    assert function.live.in_flight == 0


async def test_the_services_it_waited_for_are_named(runtime: Runtime, clock: ManualClock, gate: Gate) -> None:
    """And the fault is theirs; those that had answered are not named."""
    runtime.write(
        home="""
            import gate
            async def handle(ctx):
                done = ctx.invocation.open_call("users", "GET", "/")
                done.ended = gate.clock.now()
                ctx.invocation.open_call("designs", "GET", "/")
                ctx.invocation.open_call("notices", "GET", "/")
                ctx.invocation.open_call("designs", "GET", "/2")
                gate.see("in")
                await gate.wait()
        """
    )
    gate.clock = clock  # type: ignore[attr-defined]
    runtime.function()
    caller = runtime.calling(seconds=2.0)
    await until(lambda: gate.seen)
    await clock.advance(2.0)
    with pytest.raises(DeadlineExceeded) as caught:
        await caller
    assert str(caught.value) == "The function did not answer within 2 s, waiting for designs, notices."
    assert caught.value.fault is Fault.SERVICE


async def test_a_deadline_that_has_passed_already(runtime: Runtime, gate: Gate) -> None:
    """A handler that never waits still answers; one that waits is cancelled in the next turn."""
    runtime.write(home=WAITS, quick="async def handle(): return 'quick'")
    await runtime.live("quick")
    await runtime.live()
    assert await runtime.body("quick", seconds=-1.0) == "quick"
    with pytest.raises(DeadlineExceeded):
        await runtime.call(seconds=-1.0)
    assert gate.seen == ["in", "out"]


async def test_a_handlers_own_timeout_is_its_failure(runtime: Runtime) -> None:
    """A TimeoutError of its own making is no deadline."""
    runtime.write(
        home="import asyncio\nasync def handle():\n    async with asyncio.timeout(0): await asyncio.sleep(1)"
    )
    runtime.function()
    with pytest.raises(FunctionFailed):
        await runtime.call()


async def test_the_instance_is_held_until_the_answer_is_sent(runtime: Runtime, gate: Gate) -> None:
    """A stream that is still being sent keeps its revision from eviction."""
    runtime.write(home="async def handle():\n    yield 1\n    yield 2")
    function, first = await runtime.live()
    sending = asyncio.Event()

    async def respond(answer: Answer) -> None:
        assert answer.stream is not None
        await answer.stream.first()  # type: ignore[attr-defined]
        sending.set()
        await gate.wait()
        gate.see([item async for item in answer.stream])

    calling = asyncio.create_task(runtime.invoker.invoke(runtime.invocation(), respond))
    await sending.wait()
    runtime.write(home="async def handle(): return 'new'")
    await function.refresh()
    assert (first.state, first.in_flight) == (State.DRAINING, 1)
    assert await runtime.body() == "new"
    gate.open.set()
    await calling
    assert gate.seen == [[b"2\n"]]
    await first.gone()


@pytest.mark.parametrize("error", [OSError("gone"), asyncio.CancelledError(), SystemExit(1)], ids=repr)
async def test_a_send_that_fails_lets_go_of_the_instance(runtime: Runtime, error: BaseException) -> None:
    """Whatever happens to the answer, the call has left."""
    runtime.write(home="async def handle(): return 'ok'")
    _, activator = await runtime.live()

    async def respond(answer: Answer) -> None:
        raise error

    with pytest.raises(type(error)):
        await runtime.invoker.invoke(runtime.invocation(), respond)
    assert activator.in_flight == 0


async def test_a_thousand_callers_of_one_cold_function(runtime: Runtime, gate: Gate) -> None:
    """One warm-up, none lost."""
    runtime.write(home=SLOW_START)
    function = runtime.function()
    callers = [runtime.calling() for _ in range(1000)]
    await until(lambda: gate.seen)
    gate.open.set()
    assert {answer.body for answer in await asyncio.gather(*callers)} == {b"ok"}
    assert (gate.seen, len(runtime.of(WarmedUp))) == (["start"], 1)
    assert function.live is not None
    assert function.live.in_flight == 0


async def test_who_waits_is_woken_and_does_not_look(runtime: Runtime, clock: ManualClock, gate: Gate) -> None:
    """Before a warm-up and before a full instance: neither a turn of the loop nor a timer is spent until the
    warm-up, somebody who leaves, or the deadline wakes them.
    """
    runtime.write(home=SLOW_START.replace('"ok"', "await gate.wait()"))
    function = runtime.function(warm_up_timeout=500.0, concurrency=1)
    began = clock.now()
    callers = [runtime.calling(seconds=500) for _ in range(50)]
    await until(lambda: gate.seen and function.status()["waiting"] == 50)
    await settle()
    assert nothing_is_to_be_done_before(clock, began + 500)
    gate.open.set()
    gate.open.clear()  # who waits for the start goes on; the first inside finds the gate shut again
    await until(lambda: function.status()["in_flight"] == 1)
    await settle()
    assert function.status()["waiting"] == 49
    assert nothing_is_to_be_done_before(clock, began + 500)
    gate.open.set()
    assert {answer.status for answer in await asyncio.gather(*callers)} == {204}


# Any sequence of calls, leavings, saves and changed settings

STORY = """
    import story
    class Handler:
        def __init__(self):
            self.is_running, self.inside = False, 0
        async def start(self, cfg):
            await story.pause()
            self.is_running = True
            story.started.append({number})
        async def stop(self):
            assert self.is_running
            assert self.inside == 0, "stopped under a call"
            self.is_running = False
            story.stopped.append({number})
            await story.pause()
        async def handle(self):
            assert self.is_running, "a call on an instance that is not running"
            self.inside += 1
            assert not story.limit or self.inside <= story.limit, "more calls inside than allowed"
            try:
                await story.stay()
                assert self.is_running, "stopped under a call"
            finally:
                self.inside -= 1
            return "{number}"
    def new(): return Handler()
"""


@dataclass
class Story:
    """What functions import as ``story``: pauses of random length, and what has happened."""

    random: random.Random
    limit: int = 0
    started: list[int] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    guests: list[asyncio.Future[None]] = field(default_factory=list)

    async def pause(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)

    async def stay(self) -> None:
        """Until the story lets one of its guests go."""
        leaving = asyncio.get_running_loop().create_future()
        self.guests.append(leaving)
        await leaving

    def let_go(self) -> None:
        staying = [guest for guest in self.guests if not guest.done()]
        if staying:
            self.random.choice(staying).set_result(None)

    def let_all_go(self) -> None:
        for guest in self.guests:
            if not guest.done():
                guest.set_result(None)


STEPS = st.lists(
    st.sampled_from(
        [
            "call",
            "call",
            "call",
            "let go",
            "leave",
            "save",
            "broken save",
            "undo",
            "split",
            "admit",
            "settings",
            "evict",
            "crowd out",
            "crowd out",
            "time",
            "sleep",
            "turn",
            "turn",
        ]
    ),
    max_size=25,
)


class Teller:
    """Plays one sequence of steps, and then holds the runtime to its promises."""

    def __init__(self, runtime: Runtime, clock: ManualClock, story: Story) -> None:
        self.runtime, self.clock, self.story = runtime, clock, story
        self.number = 1
        self.has_slept = False
        self.callers: list[asyncio.Task[Answer]] = []
        self.left: set[asyncio.Task[Answer]] = set()
        self.others: list[asyncio.Task[Any]] = []
        self.activators: set[Activator] = set()
        self.revisions: dict[str, Revision] = {}
        self.write()
        runtime.write(away="async def handle(): return 'away'")
        runtime.function("away")
        self.function = runtime.function(concurrency=story.limit)
        self.keeper = Keeper(
            functions=lambda: runtime.invoker.functions, clock=clock, signals=runtime.signals, max_warm=1
        )

    def write(self, *, broken: bool = False) -> None:
        self.runtime.write(home=STORY.format(number=self.number) + ("\n1/0" if broken else ""))

    def known(self) -> list[Revision]:
        """Every revision the function ever had, as far as was seen between steps."""
        self.revisions.update({name: live.revision for name, live in self.function.lives.items()})
        return list(self.revisions.values())

    def other(self, work: Any) -> None:
        self.others.append(asyncio.create_task(work))

    def evict(self, *, by_cap: bool) -> None:
        """By the operator, or because another function becomes warm and only one may be."""
        if by_cap:
            self.runtime.invoker.functions["away"].rest()
            self.other(_quietly(self.runtime.call("away", seconds=100.0)))
        else:
            self.function.rest()

    async def take(self, step: str) -> None:
        match step:
            case "call":
                self.callers.append(self.runtime.calling(seconds=self.story.random.choice([1.0, 100.0])))
            case "let go":
                self.story.let_go()
            case "leave" if staying := [each for each in self.callers if not each.done()]:
                leaver = self.story.random.choice(staying)
                self.left.add(leaver)
                leaver.cancel()
            case "save" | "broken save":
                self.number += 1
                self.write(broken=step == "broken save")
                self.other(self.function.refresh())
            case "undo":
                self.number = max(1, self.number - 1)
                self.write()
                self.other(self.function.refresh())
            case "split" | "admit" if kept := self.known():
                chosen = self.story.random.sample(kept, min(len(kept), 3))
                if step == "admit":
                    self.other(_quietly(self.function.admit(chosen[0])))
                else:
                    self.function.route(split(*chosen))
            case "settings":
                self.function.reconfigure(
                    settings(
                        env={"N": str(self.number)},
                        timeout=float(len(self.others) + 1),
                        concurrency=self.story.limit,
                    )
                )
                self.other(self.function.remake())
            case "evict" | "crowd out":
                self.evict(by_cap=step == "crowd out")
            case "time" | "sleep" | "turn":
                await self.wait(step)
        await asyncio.sleep(0)
        self.note()

    async def wait(self, how: str) -> None:
        match how:
            case "time":
                await self.clock.advance(0.6)
            case "sleep":
                self.has_slept = True
                await self.clock.leap(86_400)  # the whole machine, for a day
            case _:
                await settle()

    def note(self) -> None:
        lives = self.function.lives
        self.activators |= {*lives.retired, *lives.values()}
        for activator in self.activators:
            assert 0 <= activator.in_flight <= (self.story.limit or len(self.callers))
            assert (activator.instance is not None) == (activator.state in (State.WARM, State.IDLE))
        over = (State.DRAINING, State.EVICTED)
        assert all(live.state not in over for live in lives.values())

    async def end(self) -> None:
        await asyncio.gather(*self.others)
        self.note()
        while not all(caller.done() for caller in self.callers):
            self.story.let_all_go()
            await asyncio.sleep(0.001)
        results = await asyncio.gather(*self.callers, return_exceptions=True)
        for caller, result in zip(self.callers, results, strict=True):
            if isinstance(result, asyncio.CancelledError):
                assert caller in self.left, "cancelled, though it did not leave"
            elif isinstance(result, BaseException):
                assert isinstance(result, DeadlineExceeded | FunctionNotLoaded), repr(
                    result.__cause__ or result
                )
            else:
                assert result.body.decode().isdigit()
        assert all(activator.in_flight == activator.waiting == 0 for activator in self.activators)
        breaks_off = any(activator.state is State.WARMING for activator in self.activators)
        await self.runtime.close()
        assert all(activator.state is State.EVICTED for activator in self.activators)
        assert sorted(self.story.started) == sorted(self.story.stopped), "each start has its stop"
        evicted = [each for each in self.runtime.of(Evicted) if each.function == "home"]
        warmed = [each for each in self.runtime.of(WarmedUp) if each.warm_up.function == "home"]
        assert len(evicted) == len(warmed), "one end told for each"
        if self.has_slept:  # a day is too long for a start that was under way, and for a stop
            assert len(warmed) <= len(self.story.started)
            assert {each.stop_error for each in evicted} <= {None, "stop did not end within 2 s"}
        else:
            assert len(self.story.started) - len(warmed) in ((0, 1) if breaks_off else (0,))
            assert [each.stop_error for each in evicted if each.stop_error] == []


async def _quietly(work: Awaitable[object]) -> None:
    """A machine that sleeps for a day meanwhile is in time for nobody."""
    with suppress(FunctionNotLoaded, DeadlineExceeded):
        await work


@given(STEPS, st.integers(0, 2**32), st.integers(0, 3))
@hypothesis_settings(max_examples=120, deadline=None)
def test_no_call_is_lost_and_none_meets_an_evicted_instance(steps: list[str], seed: int, limit: int) -> None:
    """Whatever happens in whatever order: every caller is answered, told why not, or has left; no handler
    runs before its start or after its stop, or beside more than ``concurrency`` allows; every start has one
    stop, whether traffic, the operator or the cap on warm functions ended it; counts return to nothing.
    """

    async def tell() -> None:
        clock, story = ManualClock(), Story(random.Random(seed), limit)
        sys.modules["story"] = story  # type: ignore[assignment]
        try:
            with tempfile.TemporaryDirectory() as folder:
                root, threads = Path(folder) / "functions", AtOnce(story.pause)
                async with running(root, clock=clock, threads=threads) as runtime:
                    teller = Teller(runtime, clock, story)
                    for step in steps:
                        await teller.take(step)
                    await teller.end()
        finally:
            del sys.modules["story"]

    asyncio.run(tell())


@pytest.mark.timeout(240)
async def test_ten_thousand_calls_at_once_to_a_cold_function(runtime: Runtime, gate: Gate) -> None:
    """One warm-up and all of them answered; those beyond the line's end are refused at once."""
    runtime.write(home=SLOW_START)
    function = runtime.function(concurrency=50)
    calls = [runtime.calling(seconds=1000) for _ in range(10_000)]
    await until(lambda: gate.seen and function.status()["waiting"] == 10_000, 100)
    with pytest.raises(Overloaded):
        await runtime.call()
    gate.open.set()
    answers = await asyncio.gather(*calls)
    assert {answer.body for answer in answers} == {b"ok"}
    assert gate.seen == ["start"]
    assert function.status()["waiting"] == 0


async def test_errors_of_the_door_are_ours(runtime: Runtime) -> None:
    """Whatever comes out of it can be made a problem document."""
    runtime.write(home="def handle(): return object()")
    runtime.function()
    with pytest.raises(BffError):
        await runtime.call()
