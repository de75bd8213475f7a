"""Several revisions of one function at once: made ready, routed, warmed, drained."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bff.errors import FunctionNotLoaded, GatewayDraining
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing, everything_to
from bff.revisions.store.records import Change
from bff.revisions.traffic import Traffic, TrafficInvalid, parsed
from bff.runtime.function import Function
from bff.runtime.lives import READY_FOR
from bff.runtime.mover import Mover
from bff.runtime.warmup import read
from bff.testing import ManualClock
from tests.runtime.conftest import Gate, Runtime, loaded, running, settings, split, until

pytestmark = pytest.mark.anyio


def version(number: object, body: str = "") -> str:
    return f"{body}\nasync def handle(): return '{number}'\n"


INSIDE = """
    import gate
    async def handle():
        gate.see("in {0}")
        await gate.wait()
        return "{0}"
"""


async def published(runtime: Runtime, source: str, **changed: object) -> Revision:
    """A revision of home that nobody has loaded."""
    runtime.write(home=source)
    taken = await read(runtime.root, "home", settings(**changed), runtime.workshop)
    return await runtime.named(taken)


async def moved(runtime: Runtime, function: Function, traffic: Traffic) -> None:
    """Traffic as somebody put it."""
    mover = Mover(runtime.publisher, clock=runtime.clock)
    await mover.move(function, Change(function="home", what="traffic", who="ann", traffic=traffic))


async def answers(runtime: Runtime, calls: int = 200) -> set[str]:
    return {await runtime.body() for _ in range(calls)}


async def test_a_split_is_answered_by_each(runtime: Runtime) -> None:
    """Each revision by its own code; the call says which it was."""
    first, second = await published(runtime, version(1)), await published(runtime, version(2))
    function = runtime.function()
    function.route(split(first, second))
    assert await answers(runtime) == {"1", "2"}
    assert set(function.lives) == {"home-dev-1", "home-dev-2"}
    assert function.lives.only is None


async def test_the_cold_revision_of_a_split_gets_its_share(runtime: Runtime) -> None:
    """A call whose revision is cold waits for that one; it is not drawn again."""
    first, second = await published(runtime, version(1)), await published(runtime, version(2))
    function = runtime.function()
    function.route(everything_to(first))
    await runtime.body()
    function.route(split(first, second, percent=(1, 99)))
    assert await runtime.body() == "2" or await runtime.body() == "2"


async def test_all_of_it_to_one_is_one_attribute_read(runtime: Runtime) -> None:
    """No choice is made where there is none."""
    function = runtime.function()
    function.route(everything_to(await published(runtime, version(1))))
    assert function.lives.only is function.live
    assert await runtime.body() == "1"


async def test_admission_loads_and_moves_nothing(runtime: Runtime, clock: ManualClock) -> None:
    """It is warm afterwards, gets no call, and gets traffic without a warm-up."""
    function = runtime.function()
    first, second = await published(runtime, version(1)), await published(runtime, version(2))
    function.route(everything_to(first))
    assert await runtime.body() == "1"
    await function.admit(second)
    live = function.lives["home-dev-2"]
    assert live.instance is not None
    assert await answers(runtime) == {"1"}
    function.route(everything_to(second))
    assert function.live is live
    assert await runtime.body() == "2"
    assert set(function.lives) == {"home-dev-2"}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def (", None),
        ("1/0", "ZeroDivisionError"),
        (version(2, "def check(): raise ValueError('no stock')"), "check() raised ValueError: no stock"),
        (version(2, "async def check(): return False, 'no stock'"), "check() said no: no stock"),
        (version(2, "def check(): return False"), "check() said no"),
        (version(2, "def check(): raise SystemExit"), "check() raised SystemExit"),
        (
            version(2, "def check(ctx, *, deep): 1/0"),
            "is called without arguments, and needs ctx, deep: give",
        ),
    ],
)
async def test_what_cannot_serve_is_not_admitted(runtime: Runtime, source: str, why: str | None) -> None:
    """The reason is told; what was stays, and nothing of the new one is left."""
    function = runtime.function()
    function.route(everything_to(await published(runtime, version(1))))
    await runtime.body()
    before = loaded()
    with pytest.raises(FunctionNotLoaded) as refused:
        await function.admit(await published(runtime, source))
    if why is not None:
        assert why in refused.value.report()
        assert "functions/home.py" in refused.value.where
    await until(lambda: loaded() == before)
    assert (await runtime.body(), set(function.lives)) == ("1", {"home-dev-1"})


async def test_a_check_that_hangs_is_refused(runtime: Runtime, gate: Gate, clock: ManualClock) -> None:
    """Within warm_up_timeout."""
    function = runtime.function(warm_up_timeout=5.0)
    hangs = "import gate\nasync def check():\n    gate.see('check')\n    await gate.wait()\n"
    admitting = asyncio.create_task(function.admit(await published(runtime, version(1, hangs))))
    await until(lambda: gate.seen)
    await clock.advance(5.0)
    with pytest.raises(FunctionNotLoaded) as refused:
        await admitting
    assert "check() did not end within 5 s" in refused.value.report()


@pytest.mark.parametrize(
    "hook",
    [
        "from shutil import which as check",
        "check = 3",
        "def check(): return None",
        "def check(n=1): return n",
    ],
)
async def test_what_is_no_check_is_not_called(runtime: Runtime, hook: str) -> None:
    """An imported name, no function; and saying nothing is a yes."""
    function = runtime.function()
    await function.admit(await published(runtime, version(1, hook)))
    assert set(function.lives) == {"home-dev-1"}


async def test_a_revision_that_does_not_fit_the_routes_is_not_admitted(runtime: Runtime) -> None:
    """All routes are checked without a byte of traffic."""
    function = runtime.function(routes=(("/x/{user}", ("user",)),))
    with pytest.raises(FunctionNotLoaded) as refused:
        await function.admit(await published(runtime, version(1)))
    assert "user" in refused.value.report()


async def test_a_check_runs_in_the_process_of_a_process_function(tmp_path: Path) -> None:
    """Where its answers come from, too."""
    from bff.clock import SystemClock

    async with running(tmp_path / "functions", clock=SystemClock()) as runtime:
        function = runtime.function(isolation="process", env={})
        check = "import os\ndef check(): return False, os.getpid()"
        with pytest.raises(FunctionNotLoaded) as refused:
            await function.admit(await published(runtime, version(1, check), isolation="process"))
        pid = int(refused.value.why.rpartition(" ")[2])
        assert pid != os.getpid()
        await function.admit(await published(runtime, version(2), isolation="process"))
        assert set(function.lives) == {"home-dev-2"}
        await function.close()
        await function._making._forkserver.close()


async def test_calls_inside_finish_on_their_revision(runtime: Runtime, gate: Gate) -> None:
    """Traffic moves at once for the next call; the old revision goes with its last one."""
    function = runtime.function()
    first, second = await published(runtime, INSIDE.format(1)), await published(runtime, version(2))
    function.route(everything_to(first))
    inside = runtime.calling()
    await until(lambda: gate.seen)
    old = function.live
    function.route(everything_to(second))
    assert await runtime.body() == "2"
    assert old is not None
    assert old.in_flight == 1
    assert len(loaded()) == 4, "two packages of one module each"
    gate.open.set()
    assert (await inside).body == b"1"
    await old.gone()
    assert len(loaded()) == 2


async def test_what_waits_for_traffic_in_vain_goes(runtime: Runtime, clock: ManualClock) -> None:
    """Its instance is not kept for ever."""
    function = runtime.function()
    function.route(everything_to(await published(runtime, version(1))))
    await function.admit(await published(runtime, version(2)))
    await clock.advance(READY_FOR - 1)
    function.consider(clock.now())
    assert set(function.lives) == {"home-dev-1", "home-dev-2"}
    await clock.advance(1)
    function.consider(clock.now())
    assert set(function.lives) == {"home-dev-1"}


async def test_only_the_newest_wait_for_traffic(runtime: Runtime) -> None:
    """Deploys without traffic, one after the other, do not pile up."""
    function = runtime.function()
    for number in range(1, 5):
        await function.admit(await published(runtime, version(number)))
    assert set(function.lives) == {"home-dev-3", "home-dev-4"}


async def test_a_routed_revision_is_warmed_before_a_flip(runtime: Runtime) -> None:
    """So that the first call after it waits for nothing."""
    function = runtime.function()
    first, second = await published(runtime, version(1)), await published(runtime, version(2))
    function.route(split(first, second, percent=(0, 100)))
    await function.admit(first, is_known=True)
    assert function.lives["home-dev-1"].instance is not None


async def test_every_revision_goes_when_idle_and_comes_back(runtime: Runtime, clock: ManualClock) -> None:
    """Scale to zero is each revision's own."""
    function = runtime.function()
    first, second = await published(runtime, version(1)), await published(runtime, version(2))
    function.route(split(first, second))
    await answers(runtime)
    await clock.advance(3600)
    function.consider(clock.now())
    assert not function.lives.are_warm
    assert await answers(runtime) == {"1", "2"}


async def test_a_broken_canary_does_not_hold_up_the_others(runtime: Runtime) -> None:
    """Backing off is each revision's own."""
    function = runtime.function()
    first, broken = await published(runtime, version(1)), await published(runtime, "1/0")
    function.route(split(first, broken, percent=(50, 50)))
    results = await asyncio.gather(*(runtime.call() for _ in range(100)), return_exceptions=True)
    good = [each for each in results if not isinstance(each, BaseException)]
    assert {each.body for each in good} == {b"1"}
    assert 20 <= len(good) <= 80


async def test_what_a_revision_froze_stays_with_it(runtime: Runtime) -> None:
    """Concurrency is part of a revision: an older one keeps its own, whatever routes.yaml says now."""
    function = runtime.function(concurrency=7)
    first = await published(runtime, version(1), concurrency=3)
    second = await published(runtime, version(2), concurrency=7)
    function.route(split(first, second))
    limits = {name: live.settings.concurrency for name, live in function.lives.items()}
    assert limits == {"home-dev-1": 3, "home-dev-2": 7}
    function.reconfigure(settings(concurrency=7, stop_timeout=9.0))
    assert {live.settings.concurrency for live in function.lives.values()} == {3, 7}
    assert {live.settings.stop_timeout for live in function.lives.values()} == {9.0}


async def test_a_save_in_dev_takes_everything_but_leaves_tags(runtime: Runtime) -> None:
    """What somebody tagged keeps its address."""
    function = runtime.function()
    first, second = await published(runtime, version(1)), await published(runtime, version(2))
    await moved(runtime, function, split(first, second, tags={"home-dev-1": "old"}).traffic)
    runtime.write(home=version(3))
    assert await function.refresh()
    assert await answers(runtime, 20) == {"3"}
    assert function.routing is not None
    assert function.routing.tags() == {"old": "home-dev-1"}
    assert set(function.lives) == {"home-dev-1", "home-dev-3"}


async def test_outside_dev_a_new_revision_gets_what_the_latest_had(tmp_path: Path) -> None:
    """Pinned shares stay where somebody put them."""
    async with running(tmp_path / "functions", dev=False) as runtime:
        function = runtime.function()
        for number in (1, 2):
            await published(runtime, version(number))
        block = [
            {"revisionName": "home-00001", "percent": 99},
            {"latestRevision": True, "percent": 1},
        ]
        await moved(runtime, function, parsed(block))
        runtime.write(home=version(3))
        assert await function.refresh()
        assert function.routing is not None
        assert function.routing.shares() == {"home-00003": 1, "home-00001": 99}
        assert set(function.lives) == {"home-00001", "home-00003"}


async def test_a_traffic_block_of_what_is_not_there(runtime: Runtime) -> None:
    """Is refused before anything moves."""
    first = await published(runtime, version(1))
    with pytest.raises(TrafficInvalid, match="There is no revision home-dev-9"):
        Routing(
            traffic=parsed([{"revisionName": "home-dev-9", "percent": 100}]),
            revisions={first.name: first},
            latest=first.name,
        )


async def test_after_closing_nothing_is_admitted_or_routed(runtime: Runtime) -> None:
    """The gateway is going."""
    function: Function = runtime.function()
    revision = await published(runtime, version(1))
    await function.close()
    with pytest.raises(GatewayDraining):
        await function.admit(revision)
    with pytest.raises(GatewayDraining):
        function.route(everything_to(revision))
    assert loaded() == []
