"""Process instances as a pool: no call is lost, none meets a stopped instance, limits are never exceeded.

Exhaustively with instances in memory, which come, end, crash and linger when a story says so; and the same
promises, shorter, with real processes.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bff.errors import DeadlineExceeded, FunctionCrashed, FunctionNotLoaded, GatewayDraining
from bff.measured import WarmUp
from bff.revisions.revision import Revision
from bff.runtime.autoscaler import Metric, Policy
from bff.runtime.function import Function
from bff.runtime.maker import Maker
from bff.runtime.making import Making
from bff.runtime.pool import Pool
from bff.runtime.settings import Settings
from bff.sdk.invocation import Invocation
from bff.sdk.reply import Answer
from bff.signals import Evicted, WarmedUp
from bff.testing import ManualClock
from bff.testing.clock import settle
from tests.runtime.conftest import AtOnce, Runtime, nothing_is_to_be_done_before, running, until

pytestmark = pytest.mark.anyio

CONCURRENCY, MOST = 3, 2
POLICY = Policy(max=MOST, initial=2, target=2, window=6, idle=3)
HELLO = "async def handle(): return 'hello'\n"


class Fake:
    """An instance in memory, with the face of one in a process; it knows what must not happen to it."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.is_alive = True
        self.is_over = False
        self.lingering = self.inside = self.bytes_returned = 0
        self.on_gone: Any = None
        self.on_settled: Any = None
        self.on_stuck: Any = None
        self.on_first_call: Any = None
        self._guests: set[asyncio.Future[None]] = set()
        self._lost = False

    async def call(self, _invocation: Invocation) -> Answer:
        assert not self.is_over, "a call on a stopped instance"
        assert not self._lost, "a call on an instance that had ended"
        self.inside += 1
        assert self.inside <= CONCURRENCY, "the limit was exceeded"
        stay: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._guests.add(stay)
        lingers = False
        try:
            await stay
        except asyncio.CancelledError:
            lingers = not self._lost and self.story.random.random() < 0.5
            self.lingering += lingers
            raise
        finally:
            self._guests.discard(stay)
            self.inside -= not lingers
        if self._lost:
            raise GatewayDraining if self.is_over else FunctionCrashed("home", "crashed")
        return Answer(body=b"ok")

    def let_go(self) -> None:
        for stay in [each for each in self._guests if not each.done()][:1]:
            stay.set_result(None)

    def settle(self) -> None:
        if self.lingering and not self._lost:
            self.lingering -= 1
            self.inside -= 1
            self.on_settled()

    def retire(self) -> None:
        self.is_alive = False
        if self.lingering and self.on_stuck is not None:
            self.on_stuck()

    def crash(self) -> None:
        if not self._lost and not self.is_over and self.on_gone is not None:
            self._end()
            self.on_gone("it crashed")

    def _end(self) -> None:
        self._lost, self.is_alive = True, False
        self.inside -= self.lingering
        self.lingering = 0
        for stay in [each for each in self._guests if not each.done()]:
            stay.set_result(None)

    async def approve(self, limit: float) -> None:
        """It has no ``check()``."""

    async def stop(self, _limit: float) -> str | None:
        assert not self.is_over, "stopped twice"
        assert self.story.is_closing or not self.inside, "stopped under a call"
        self.is_over, self.is_alive = True, False
        if self.story.random.random() < 0.5:
            self._end()  # whoever is inside hears of it, and leaves before we do
        await self.story.pause()
        self._end()
        return None


DONE_TO_ONE: dict[str, Callable[[Fake], None]] = {
    "let go": Fake.let_go,
    "settle": Fake.settle,
    "crash": Fake.crash,
    "retire": Fake.retire,
}


class Story:
    """Makes instances, and remembers them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.made: list[Fake] = []
        self.fails = False
        self.is_closing = False
        self.room = 1000

    async def pause(self) -> None:
        for _ in range(self.random.randrange(5)):
            await asyncio.sleep(0)

    async def begin(self, revision: Revision, _settings: Settings) -> tuple[Fake, WarmUp]:
        await self.pause()
        if self.fails:
            raise FunctionNotLoaded("home", "the story says so")
        fake = Fake(self)
        self.made.append(fake)
        return fake, WarmUp(function="home", revision=revision.name, phases={"start": 0.001})

    def any(self) -> Fake | None:
        living = [each for each in self.made if not each._lost and not each.is_over]
        return self.random.choice(living) if living else None


class InMemory(Making):
    """Makes pools that have fakes for processes."""

    pools: list[Pool]
    story: Story

    def _live(self, revision: Revision, *, is_new_code: bool = False) -> Pool:
        story = self.story
        making: Any = Maker(
            clock=self._workshop.clock,
            signals=self._signals,
            begin=story.begin,
            end=Fake.stop,
            bytes_returned=lambda fake: fake.bytes_returned,
            room=lambda: story.room,
        )
        pool = Pool(revision, self._settings(), making)
        self.pools.append(pool)
        return pool


STEPS = st.lists(
    st.sampled_from(
        [
            *("call", "call", "call", "let go", "let go", "leave", "settle", "crash", "retire"),
            *("let go and crash", "let go and retire", "let go and evict", "die young"),
            *("evict", "consider", "dismiss", "save", "undo", "broken", "whole", "time", "sleep", "turn"),
        ]
    ),
    max_size=40,
)


class Teller:
    """Plays one sequence of steps, and then holds the pool to its promises."""

    def __init__(self, runtime: Runtime, clock: ManualClock, story: Story, policy: Policy = POLICY) -> None:
        self.runtime, self.clock, self.story = runtime, clock, story
        runtime.write(home=HELLO)
        changed = {"isolation": "process", "concurrency": CONCURRENCY, "scale": policy}
        runtime.function("home", **changed)  # its settings, its tools
        usual = runtime.invoker.functions["home"]
        self.function = Function(
            "home",
            usual.settings,
            root=runtime.root,
            dev=True,
            publisher=runtime.publisher,
            workshop=runtime.workshop,
            signals=runtime.signals,
            forkserver=usual._making._forkserver,
            making=InMemory,
        )
        making = self.function._making
        assert isinstance(making, InMemory)
        making.story, making.pools = story, []
        self.making = making
        runtime.invoker.functions = {"home": self.function}
        self.callers: list[asyncio.Task[Answer]] = []
        self.left: set[asyncio.Task[Answer]] = set()
        self.others: list[asyncio.Task[Any]] = []
        self.has_failed = self.dies_young = False
        runtime.signals.listen(WarmedUp, self.warmed_up)

    def warmed_up(self, _said: WarmedUp) -> None:
        """Some end in the very turn after they became warm."""
        if self.dies_young:
            asyncio.get_running_loop().call_soon(self.story.made[-1].crash)
            self.dies_young = False

    async def take(self, step: str) -> None:
        fake = self.story.any()
        for what in step.split(" and "):  # in one and the same turn
            if fake is not None and what in DONE_TO_ONE:
                DONE_TO_ONE[what](fake)
            else:
                await self.do(what)
        await asyncio.sleep(0)
        self.check()

    async def do(self, what: str) -> None:
        story = self.story
        match what:
            case "call":
                self.callers.append(self.runtime.calling(seconds=story.random.choice([1.0, 100.0])))
            case "die young":
                self.dies_young = True
            case "leave" if staying := [each for each in self.callers if not each.done()]:
                leaver = story.random.choice(staying)
                self.left.add(leaver)
                leaver.cancel()
            case "evict":
                self.function.rest()
            case "consider":
                self.function.consider(self.clock.now())
            case "dismiss" if (fake := story.any()) is not None:
                for pool in self.making.pools:
                    pool.dismiss(fake)  # type: ignore[arg-type]  # only its own pool knows it
            case "save" | "undo":
                self.runtime.write(home=HELLO + ("# again\n" if what == "save" else ""))
                self.others.append(asyncio.create_task(self.function.refresh()))
            case "broken" | "whole":
                story.fails = what == "broken"
                self.has_failed |= story.fails
            case "time" | "sleep":  # the whole machine, for a day
                await (self.clock.advance(0.6) if what == "time" else self.clock.leap(86_400))
            case "turn":
                await settle()

    def check(self) -> None:
        for pool in self.making.pools:
            assert pool.instances + len(pool._starting) <= MOST, "more instances than allowed"
            assert pool.in_flight >= 0
            assert all(count <= CONCURRENCY for count in pool.places._inside.values())
            stands = any(not place.done() for place in pool.places.line._waiting)
            assert not stands or pool.instances or pool._starting, "nobody comes for them"

    async def end(self) -> None:
        self.story.fails = False
        await asyncio.gather(*self.others)
        if self.story.random.random() < 0.3:
            self.story.is_closing = True
            await self.runtime.close()  # whoever is inside
        for _ in range(10_000):
            if all(caller.done() for caller in self.callers):
                break
            for fake in self.story.made:
                fake.settle()
                fake.let_go()
            await asyncio.sleep(0)
            self.check()
        results = await asyncio.wait_for(asyncio.gather(*self.callers, return_exceptions=True), 60)
        for caller, result in zip(self.callers, results, strict=True):
            if isinstance(result, asyncio.CancelledError):
                assert caller in self.left, "cancelled, though it did not leave"
            elif isinstance(result, FunctionNotLoaded):
                assert self.has_failed
            elif isinstance(result, BaseException):
                expected = (DeadlineExceeded, FunctionCrashed, *[GatewayDraining] * self.story.is_closing)
                assert isinstance(result, expected), repr(result)
        for fake in self.story.made:
            while fake.lingering:
                fake.settle()
        await settle()
        assert [pool.in_flight + pool.waiting for pool in self.making.pools] == [0] * len(self.making.pools)
        self.story.is_closing = True
        await self.runtime.close()
        assert all(fake.is_over or fake._lost for fake in self.story.made), "an instance was left behind"
        stopped = sum(fake.is_over for fake in self.story.made)
        assert len(self.runtime.of(Evicted)) == stopped, "one end told for each"
        assert len(self.runtime.of(WarmedUp)) <= len(self.story.made)
        assert [repr(each.error) for each in self.runtime.of(_unexpected())] == []


def _unexpected() -> type[Any]:
    from bff.signals import Unexpected

    return Unexpected


@given(STEPS, st.integers(0, 2**32))
@hypothesis_settings(max_examples=200, deadline=None)
def test_no_call_is_lost_and_no_limit_exceeded(steps: list[str], seed: int) -> None:
    """Whatever happens in whatever order: every caller is answered, told why not, or has left; no call runs on
    an instance that ended; never more inside, never more instances than allowed; each has one end.
    """

    asyncio.run(told(steps, seed))


def test_stories_have_instances_in_them() -> None:
    """Else the promises would be kept by pools in which nothing happens."""
    assert asyncio.run(told(["call", "turn", "dismiss"], seed=1))


async def told(steps: list[str], seed: int) -> int:
    """One sequence of steps, played to its end; how many instances were made before that."""
    clock, story = ManualClock(), Story(seed)
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder) / "functions", clock=clock, threads=AtOnce(story.pause)) as runtime:
            teller = Teller(runtime, clock, story)
            for step in steps:
                await teller.take(step)
            made = len(story.made)
            await teller.end()
    return made


def test_instances_follow_the_load_from_none_to_many_and_back(tmp_path: Path) -> None:
    """0 → N → 0: as many as the calls inside want, no more than ``max``, and none after ``idle``."""

    async def tell() -> None:
        clock, story = ManualClock(), Story(1)
        async with running(tmp_path / "functions", clock=clock, threads=AtOnce(story.pause)) as runtime:
            teller = Teller(
                runtime, clock, story, Policy(max=4, target=2, utilization=100, window=6, idle=10)
            )
            function = teller.function
            assert function.live is None
            teller.callers += [runtime.calling(seconds=1000) for _ in range(8)]
            await until(lambda: teller.making.pools)  # the store and the loader have threads of their own
            await settle()
            pool = teller.making.pools[0]
            assert pool.instances == 1  # the first of all; the others come with the first look
            for _ in range(3):
                await clock.advance(2)
                function.consider(clock.now())
                await settle()
            assert (pool.instances, pool.in_flight, pool.waiting) == (4, 8, 0)
            while any(fake.inside for fake in story.made):
                for fake in story.made:
                    fake.let_go()
                await settle()
            seen = []
            for _ in range(10):
                await clock.advance(2)
                function.consider(clock.now())
                seen.append(sum(pool.instances for pool in teller.making.pools))
            assert seen == sorted(seen, reverse=True)
            assert seen[0] >= 2, "never below half at once"
            assert seen[-1] == 0
            assert function.status()["state"] == "cold"

    asyncio.run(tell())


@pytest.mark.parametrize(("metric", "instances"), [(Metric.RPS, 4), (Metric.CONCURRENCY, 1)])
def test_the_number_follows_what_the_metric_says(tmp_path: Path, metric: Metric, instances: int) -> None:
    """Eight calls a second that take no time: four instances at two calls a second each, one at two at a time."""

    async def tell() -> None:
        clock, story = ManualClock(), Story(1)
        async with running(tmp_path / "functions", clock=clock, threads=AtOnce(story.pause)) as runtime:
            policy = Policy(metric=metric, target=2, utilization=100, window=6, idle=60)
            teller = Teller(runtime, clock, story, policy)
            await answered(teller, instances=1)
            for _ in range(8):
                for _ in range(8):
                    call = runtime.calling()
                    await settle()
                    for fake in story.made:
                        fake.let_go()
                    assert (await call).status == 200
                await clock.advance(1)
                teller.function.consider(clock.now())
                await settle()
            assert teller.function.status()["instances"] == instances

    asyncio.run(tell())


@pytest.mark.parametrize(("threshold", "instances"), [(200, 8), (1000, 2)])
def test_a_burst_is_met_within_the_short_window(tmp_path: Path, threshold: float, instances: int) -> None:
    """After a quiet minute the stable window hardly sees it; past the threshold the panic window decides."""

    async def tell() -> None:
        clock, story = ManualClock(), Story(1)
        async with running(tmp_path / "functions", clock=clock, threads=AtOnce(story.pause)) as runtime:
            policy = Policy(target=1, utilization=100, panic_threshold_percentage=threshold)
            teller = Teller(runtime, clock, story, policy)
            teller.callers.append(runtime.calling(seconds=1000))
            await until(lambda: any(fake.inside for fake in story.made))
            await clock.advance(60)
            teller.callers += [runtime.calling(seconds=1000) for _ in range(7)]
            await clock.advance(6)
            teller.function.consider(clock.now())
            await settle()
            assert len(story.made) == instances
            while not all(caller.done() for caller in teller.callers):
                for fake in story.made:
                    fake.let_go()
                await asyncio.sleep(0)

    asyncio.run(tell())


def test_who_waits_for_a_process_is_woken_and_does_not_look(tmp_path: Path) -> None:
    """Neither a turn of the loop nor a timer is spent before somebody's deadline; the place that comes wakes them."""

    async def tell() -> None:
        clock, story = ManualClock(), Story(1)
        async with running(tmp_path / "functions", clock=clock, threads=AtOnce(story.pause)) as runtime:
            teller = Teller(runtime, clock, story, Policy(max=1))
            teller.callers += [runtime.calling(seconds=1000) for _ in range(50)]
            await until(lambda: any(fake.inside for fake in story.made))
            await settle()
            assert teller.function.status()["waiting"] == 50 - CONCURRENCY
            assert nothing_is_to_be_done_before(clock, clock.now() + 1000)
            while not all(caller.done() for caller in teller.callers):
                for fake in story.made:
                    fake.let_go()
                await asyncio.sleep(0)
            assert {(await caller).status for caller in teller.callers} == {200}

    asyncio.run(tell())


def test_those_that_die_young_are_followed_later_and_later(tmp_path: Path) -> None:
    """``min`` instances, but no fork without end: at once, after 0.1 s, 0.2 s and so on, up to ten."""

    async def tell() -> None:
        clock, story = ManualClock(), Story(1)
        async with running(tmp_path / "functions", clock=clock, threads=AtOnce(story.pause)) as runtime:
            teller = Teller(runtime, clock, story, Policy(min=1, max=1))
            await teller.function.keep_warm()
            born = []
            for _ in range(8):
                count = len(story.made)
                story.made[-1].crash()
                began = clock.now()
                await settle()
                while len(story.made) == count:
                    await clock.jump()
                born.append(round(clock.now() - began, 3))
            assert born == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
            await settle()
            call = runtime.calling()
            await settle()
            story.made[-1].let_go()
            assert (await call).status == 200
            count = len(story.made)
            story.made[-1].crash()  # it has served: that was no death at birth
            await settle()
            assert len(story.made) == count + 1

    asyncio.run(tell())


def test_idle_ends_the_last_process_whatever_the_window_remembers(tmp_path: Path) -> None:
    """And the next call wakes it with `activation`, not with `initial`, which is for new revisions."""

    async def tell() -> None:
        clock, story = ManualClock(), Story(1)
        async with running(tmp_path / "functions", clock=clock, threads=AtOnce(story.pause)) as runtime:
            policy = Policy(initial=4, activation=2, window=600, idle=10)
            teller = Teller(runtime, clock, story, policy)
            await answered(teller, instances=4)
            for _ in range(5):
                await clock.advance(3)
                teller.function.consider(clock.now())
            await settle()
            assert teller.function.status()["state"] == "cold"
            await answered(teller, instances=2)

    asyncio.run(tell())


def test_new_processes_are_bounded_by_the_room_there_is(tmp_path: Path) -> None:
    """Whatever the load wants; who waits stays in line, and a function without any gets its first all the same."""

    async def tell() -> None:
        clock, story = ManualClock(), Story(1)
        story.room = 2
        async with running(tmp_path / "functions", clock=clock, threads=AtOnce(story.pause)) as runtime:
            teller = Teller(runtime, clock, story, Policy(target=1, utilization=100))
            teller.callers += [runtime.calling(seconds=1000) for _ in range(30)]
            await until(lambda: story.made)
            for room, instances in ((2, 3), (0, 3), (5, 8)):
                story.room = room
                await clock.advance(2)
                teller.function.consider(clock.now())
                await settle()
                assert len(story.made) == instances
            assert teller.function.status()["waiting"] == 30 - 8 * CONCURRENCY
            while not all(caller.done() for caller in teller.callers):
                for fake in story.made:
                    fake.let_go()
                await asyncio.sleep(0)

    asyncio.run(tell())


async def answered(teller: Teller, *, instances: int) -> None:
    """One call, answered once so many instances are there."""
    before = len(teller.story.made)
    call = teller.runtime.calling()
    await until(lambda: len(teller.story.made) == before + instances)
    await until(lambda: any(fake.inside for fake in teller.story.made))
    for fake in teller.story.made:
        fake.let_go()
    assert (await call).status == 200
