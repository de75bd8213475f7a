"""A function that cannot be warmed is left alone for longer and longer; hopeless calls are refused at once."""

from __future__ import annotations

import pytest

from bff.errors import DeadlineExceeded, FunctionNotLoaded
from bff.runtime.backoff import Backoff
from bff.runtime.keeper import Keeper
from bff.testing import ManualClock
from tests.runtime.conftest import Gate, Runtime, until

pytestmark = pytest.mark.anyio

BROKEN = """
    import gate
    gate.see("tried")
    if gate.fail: raise gate.fail
    async def handle(): return "ok"
"""
SLOW = """
    import gate
    class Handler:
        async def start(self):
            gate.see("start")
            await gate.wait()
        async def handle(self): return "ok"
    def new(): return Handler()
"""


def test_it_waits_twice_as_long_each_time() -> None:
    """At once after the first failure, which may have been bad luck; ten seconds at most."""
    backoff, waits = Backoff(), []
    for _ in range(12):
        backoff = backoff.after_failure(100.0)
        waits.append(round(backoff.until - 100.0, 3))
    assert waits == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0, 10.0]
    assert backoff.forbids(109.9)
    assert not backoff.forbids(110.0)
    assert not Backoff().forbids(0.0)


def kept(runtime: Runtime, clock: ManualClock) -> Keeper:
    """Who hears of warm-ups and their failures."""
    return Keeper(
        functions=lambda: runtime.invoker.functions, clock=clock, signals=runtime.signals, max_warm=100
    )


async def test_its_callers_get_the_failure_without_another_try(
    runtime: Runtime, clock: ManualClock, gate: Gate
) -> None:
    """Until the time is over; one good warm-up forgets it all."""
    kept(runtime, clock)
    runtime.write(home=BROKEN)
    runtime.function()
    gate.fail = OSError("no database")
    for tries in (1, 2, 2, 2):
        with pytest.raises(FunctionNotLoaded) as caught:
            await runtime.call()
        assert "no database" in caught.value.why
        assert gate.seen == ["tried"] * tries
    await clock.advance(0.1)
    gate.fail = None
    assert await runtime.body() == "ok"
    assert len(gate.seen) == 3


async def test_what_cannot_be_in_time_is_refused_at_once(
    runtime: Runtime, clock: ManualClock, gate: Gate
) -> None:
    """A cold function that takes five seconds to be warm again refuses a call that has two, and gets warm for
    those after it; while it does, nobody is refused, for it may be done any moment.
    """
    kept(runtime, clock)
    runtime.write(home=SLOW)
    function = runtime.function()
    await warmed_in(5, runtime, clock, gate)
    function.rest()
    await warmed_in(5, runtime, clock, gate)  # the first one says nothing of those to come
    function.rest()
    with pytest.raises(DeadlineExceeded, match="it is cold, and being warmed, which takes 5 s or more"):
        await runtime.call(seconds=2)
    await until(lambda: len(gate.seen) == 3)
    waiting = runtime.calling(seconds=2)
    await clock.advance(1)
    gate.open.set()
    assert (await waiting).body == b"ok"
    assert gate.seen == ["start"] * 3


async def test_a_slow_first_warm_up_refuses_nobody_later(
    runtime: Runtime, clock: ManualClock, gate: Gate
) -> None:
    """It paid for what stays: imports, compiled code, a place behind others."""
    kept(runtime, clock)
    runtime.write(home=SLOW)
    function = runtime.function()
    await warmed_in(5, runtime, clock, gate)
    function.rest()
    gate.open.set()
    assert await runtime.body(seconds=2) == "ok"


async def warmed_in(seconds: float, runtime: Runtime, clock: ManualClock, gate: Gate) -> None:
    """By a call, whose warm-up takes so long."""
    gate.open.clear()
    before = len(gate.seen)
    first = runtime.calling(seconds=60)
    await until(lambda: len(gate.seen) > before)
    await clock.advance(seconds)
    gate.open.set()
    assert (await first).body == b"ok"
    gate.open.clear()


async def test_a_clock_that_jumps_evicts_the_idle_and_nobody_else(
    runtime: Runtime, clock: ManualClock, gate: Gate
) -> None:
    """A machine that slept for a day: who is inside stays and is answered, what idles goes once, what was last
    used is told in the wall's time, wherever that has gone.
    """
    keeper = kept(runtime, clock)
    runtime.write(home=SLOW, other="async def handle(): return 'other'")
    runtime.write(
        home="import gate\nasync def handle():\n    gate.see('in')\n    await gate.wait()\n    return 'ok'\n"
    )
    home, other = runtime.function("home"), runtime.function("other")
    inside = runtime.calling("home", seconds=10_000_000)
    assert await runtime.body("other") == "other"
    await until(lambda: gate.seen)
    clock._now += 86_400
    keeper.look()
    assert (home.status()["state"], other.status()["state"]) == ("warm", "cold")
    clock._wall -= 1_000_000  # somebody sets the machine's time
    assert str(other.status()["last_used"]).startswith("2025-12-2")
    keeper.look()
    await until(lambda: other.entrance.tally.evictions == 1)
    gate.open.set()
    assert (await inside).body == b"ok"
    keeper.look()
    assert home.status()["state"] == "idle"
