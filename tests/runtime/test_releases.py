"""A release from its first step to its end: real revisions, real calls, a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import sys

import pytest

from bff.config import ReleaseConfig
from bff.revisions.outcomes import Outcomes
from bff.revisions.release import Event, Release, State, begun
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing, everything_to
from bff.runtime.function import Function
from bff.runtime.releases import LEASE, TICK, Releases
from bff.runtime.warmup import read
from bff.sdk.cohort import Cohort, Side
from bff.signals import ReleaseTurned, Signal, Signals, TrafficMoved, Unexpected
from bff.testing import ManualClock
from tests.runtime.conftest import Runtime, settings
from tests.runtime.ledger import Memory

pytestmark = pytest.mark.anyio

GOOD = "async def handle(): return 'good'\n"
SAME = "async def handle(): return 'same'\n"
BAD = "async def handle(): raise ValueError('a bug')\n"
CONFIG = ReleaseConfig(strategy="canary", steps=(20, 50, 100), interval=60.0, min_requests=20)


class Scene:
    """One function in the middle of a release. Mutable state: what happens to it."""

    def __init__(self, runtime: Runtime, function: Function, ledger: Memory) -> None:
        self.runtime, self.function, self.ledger = runtime, function, ledger
        self.heard: list[Signal] = []
        for kind in (ReleaseTurned, TrafficMoved, Unexpected):
            runtime.signals.listen(kind, self.heard.append)
        self.releases = self.gateway("a")

    def gateway(self, name: str) -> Releases:
        return Releases(
            self.ledger,
            holder=name,
            config=lambda _: CONFIG,
            clock=self.runtime.clock,
            signals=self.runtime.signals,
        )

    @property
    def release(self) -> Release:
        return self.ledger.running["home"]

    async def calls(self, count: int) -> None:
        """As the gateway does it: called, ended, told."""
        for _ in range(count):
            invocation = self.runtime.invocation()

            async def respond(answer: object) -> None: ...

            try:
                await self.runtime.invoker.invoke(invocation, respond)
                invocation.status = 200
            except Exception as error:
                invocation.error, invocation.status = error, 500
            self.runtime.signals.emit(invocation)


async def revision(runtime: Runtime, source: str) -> Revision:
    runtime.write(home=source)
    return await runtime.named(await read(runtime.root, "home", settings(), runtime.workshop))


async def scene(runtime: Runtime, canary: str) -> Scene:
    """``good`` has all calls, and a release of the other revision begins."""
    function = runtime.function()
    first, second = await revision(runtime, GOOD), await revision(runtime, canary)
    function.route(everything_to(first))
    await function.admit(second)
    ledger = Memory(runtime.clock, lambda: [function])
    made = Scene(runtime, function, ledger)
    routing = Routing(
        traffic=everything_to(first).traffic,
        revisions={first.name: first, second.name: second},
        latest=first.name,
    )
    release = begun("home", main=routing.main, canary=second.name, config=CONFIG, now=runtime.clock.wall())
    function.route(Routing(traffic=routing.traffic, revisions=routing.revisions, latest=second.name))
    ledger.put(release)
    return made


async def test_a_good_canary_gets_everything_step_by_step(runtime: Runtime, clock: ManualClock) -> None:
    """Each step after its time and with enough calls; each is told with its numbers."""
    made = await scene(runtime, SAME)
    percents = []
    for _ in range(2):
        percents.append(made.release.percent)
        await made.calls(400)
        await made.releases.look()
        assert made.releases.verdicts["home"].outcome == "good"
        await clock.advance(60.0)
        await made.releases.look()
    assert (percents, made.release.state) == ([20, 50], State.PROMOTED)
    assert made.function.routing is not None
    assert made.function.routing.shares() == {"home-dev-2": 100}
    assert made.function.lives.only is made.function.live
    assert [line[1] for line in made.ledger.history] == ["running", "promoted"]
    first = made.ledger.history[0][3]
    assert first["outcome"] == "good"
    assert first["calls"]["canary"] >= 20
    turned = [signal for signal in made.heard if isinstance(signal, ReleaseTurned)]
    assert [(each.event, each.percent) for each in turned] == [("advance", 50), ("finish", 100)]


async def test_a_bad_canary_is_rolled_back_before_its_time(runtime: Runtime, clock: ManualClock) -> None:
    """As soon as the evidence is there, with the reason; callers get the old revision again."""
    made = await scene(runtime, BAD)
    await made.calls(200)
    await made.releases.look()
    assert made.release.state is State.ROLLED_BACK
    assert made.function.routing is not None
    assert made.function.routing.shares() == {"home-dev-1": 100}
    (_, state, why, numbers) = made.ledger.history[0]
    assert (state, why[:31]) == ("rolled-back", "The canary is worse: errors 1 a")
    assert numbers["errors"]["evidence"] > numbers["errors"]["needed"]
    assert {await runtime.body() for _ in range(50)} == {"good"}


async def test_a_canary_that_cannot_be_loaded_is_rolled_back(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that died in the warm-up counts for its cohort like any other."""
    once = "import sys\nif sys.modules.get('loaded_once'): raise ImportError('the package is gone')\n"
    made = await scene(runtime, once + SAME)
    made.function.lives.rest(made.function.lives["home-dev-2"])
    monkeypatch.setitem(sys.modules, "loaded_once", sys)
    await made.calls(200)
    await made.releases.look()
    assert made.release.state is State.ROLLED_BACK


async def test_too_few_calls_wait_for_more(runtime: Runtime, clock: ManualClock) -> None:
    """However long: nobody called, so nobody knows."""
    made = await scene(runtime, SAME)
    await made.calls(5)
    await clock.advance(6000.0)
    await made.releases.look()
    assert (made.release.percent, made.release.state) == (20, State.RUNNING)
    assert made.releases.verdicts["home"].outcome == "open"


async def test_a_paused_release_stays_but_is_still_judged(runtime: Runtime, clock: ManualClock) -> None:
    """Until somebody says how it goes on, or it turns out bad."""
    made = await scene(runtime, SAME)
    assert await made.releases.turn(made.release, Event.PAUSE, "lunch", {})
    await made.calls(400)
    await clock.advance(600.0)
    await made.releases.look()
    assert (made.release.state, made.release.percent) == (State.PAUSED, 20)
    assert await made.releases.turn(made.release, Event.RESUME, "back", {})
    await made.releases.look()
    assert (made.release.state, made.release.percent) == (State.RUNNING, 50)
    assert await made.releases.turn(made.release, Event.PROMOTE, "it is fine", {})
    assert made.function.routing is not None
    assert made.function.routing.shares() == {"home-dev-2": 100}


async def test_somebody_was_faster(runtime: Runtime) -> None:
    """What has been turned already is not turned again."""
    made = await scene(runtime, SAME)
    seen = made.release
    assert await made.releases.turn(seen, Event.PAUSE, "one", {})
    assert not await made.releases.turn(seen, Event.ROLL_BACK, "two", {})
    assert made.release.state is State.PAUSED


async def test_one_gateway_judges_what_all_have_counted(runtime: Runtime, clock: ManualClock) -> None:
    """Who holds the lease; another one takes over when that falls silent."""
    made = await scene(runtime, SAME)
    other = Releases(
        made.ledger,
        holder="b",
        config=lambda _: CONFIG,
        clock=clock,
        signals=type(runtime.signals)(),
    )
    await made.releases.look()
    canary = Cohort("home", "home-dev-2", 20, Side.CANARY, "home-dev-2")
    baseline = Cohort("home", "home-dev-2", 20, Side.BASELINE, "home-dev-1")
    other._counts = {canary: Outcomes(calls=30, own=30), baseline: Outcomes(calls=30)}
    await other.look()
    assert other.verdicts == {}, "it only delivers"
    assert made.release.state is State.RUNNING
    await clock.advance(LEASE)
    await other.look()
    assert made.release.state is State.ROLLED_BACK


async def test_a_ledger_that_goes_away_loses_no_count(runtime: Runtime, clock: ManualClock) -> None:
    """Traffic flows on; what was counted is delivered once it is back; the failure is told once."""
    made = await scene(runtime, SAME)
    running = asyncio.create_task(made.releases.run())
    made.ledger.fail = ConnectionError("the database is gone")
    for _ in range(3):
        await made.calls(50)
        await clock.advance(TICK)
        await asyncio.sleep(0)
    assert len([signal for signal in made.heard if isinstance(signal, Unexpected)]) == 1
    assert made.ledger.counted == {}
    made.ledger.fail = None
    await clock.advance(TICK)
    await asyncio.sleep(0)
    total = sum(outcomes.calls for outcomes in made.ledger.counted.values())
    assert 20 <= total <= 150, "canary and as many of the baseline"
    running.cancel()
    await asyncio.wait({running})


async def test_calls_of_an_earlier_routing_count_for_that_one(runtime: Runtime) -> None:
    """A call that ends after the step has changed is no evidence about the new step."""
    made = await scene(runtime, SAME)
    invocation = runtime.invocation()
    invocation.cohort = Cohort("home", "home-dev-2", 1, Side.CANARY, "home-dev-2")
    invocation.status = 200
    runtime.signals.emit(invocation)
    await made.releases.look()
    assert await made.ledger.sums(made.release) == (Outcomes(), Outcomes())


async def test_a_newer_revision_takes_over_a_running_release(runtime: Runtime) -> None:
    """Compared with what the first was compared with."""
    made = await scene(runtime, BAD)
    third = await revision(runtime, "async def handle(): return 'third'\n")
    await made.function.admit(third)
    assert await made.releases.turn(made.release, Event.SUPERSEDE, "home-dev-3 takes over", {})
    routing = made.function.routing
    assert routing is not None
    assert routing.shares() == {"home-dev-1": 100}
    revisions = {**routing.revisions, third.name: third}
    both = Routing(traffic=routing.traffic, revisions=revisions, latest=third.name)
    release = begun("home", main=both.main, canary=third.name, config=CONFIG, now=runtime.clock.wall())
    made.function.route(both)
    made.ledger.put(release)
    assert made.function.routing is not None
    assert made.function.routing.shares() == {"home-dev-3": 20, "home-dev-1": 80}


async def test_a_release_that_cannot_be_turned_stops_no_other(clock: ManualClock) -> None:
    """Its baseline does not warm, say: the others are judged in the same look, and the failure is told."""
    judged: list[str] = []

    class Torn:
        """A ledger with two releases, of which the first fails whatever is asked of it."""

        async def lead(self, holder: str, seconds: float) -> bool:
            return True

        async def releases(self) -> list[Release]:
            now = clock.wall()
            return [
                begun(name, main=f"{name}-00001", canary=f"{name}-00002", config=CONFIG, now=now)
                for name in ("broken", "home")
            ]

        async def add(self, counted: object) -> None: ...

        async def sums(self, release: Release) -> tuple[Outcomes, Outcomes]:
            if release.function == "broken":
                raise OSError("no warmth")
            judged.append(release.function)
            return Outcomes(), Outcomes()

        async def turn(self, *_: object) -> bool:
            return True

    releases = Releases(Torn(), holder="a", config=lambda _: CONFIG, clock=clock, signals=Signals())
    with pytest.raises(OSError, match="no warmth"):
        await releases.look()
    assert judged == ["home"]
    assert set(releases.verdicts) == {"home"}
