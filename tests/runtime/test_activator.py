"""One warm-up for everybody who waits, and no call on an instance that is leaving."""

from __future__ import annotations

import asyncio

import pytest

from bff.errors import FunctionNotLoaded, GatewayDraining
from bff.revisions import snapshot
from bff.runtime import maker
from bff.runtime.activator import Activator
from bff.runtime.lifecycle import State
from bff.signals import Evicted, WarmedUp, WarmUpFailed
from tests.runtime.conftest import Gate, Runtime, loaded, settings, tasks, until

pytestmark = pytest.mark.anyio

GATED = """
    import gate
    class Handler:
        async def start(self):
            gate.see("start")
            await gate.wait()
            gate.see("started")
        async def stop(self): gate.see("stop")
        async def handle(self): return "ok"
    def new(): return Handler()
"""


@pytest.fixture
async def activator(runtime: Runtime, gate: Gate) -> Activator:
    """Of a function whose start waits for the gate."""
    runtime.write(home=GATED)
    revision = await runtime.named(snapshot.take(runtime.root, "home"))
    making = maker.inline(runtime.workshop, runtime.signals, lambda revision: False)
    return Activator(revision, settings(), making)


async def test_one_warm_up_serves_all_who_wait(activator: Activator, runtime: Runtime, gate: Gate) -> None:
    """A hundred callers, one start, one instance for all of them."""
    waiters = [asyncio.create_task(activator.warm()) for _ in range(100)]
    await until(lambda: gate.seen)
    assert activator.state is State.WARMING
    gate.open.set()
    instances = await asyncio.gather(*waiters)
    assert len(set(map(id, instances))) == 1
    assert activator.state is State.IDLE  # warm, and nobody inside
    assert (gate.seen, len(runtime.of(WarmedUp))) == (["start", "started"], 1)
    await activator.close()


async def test_a_waiter_that_leaves_cancels_nothing(activator: Activator, gate: Gate) -> None:
    """Neither for the others, nor when all have left: the warm-up is finished for those to come."""
    first, second = (asyncio.create_task(activator.warm()) for _ in range(2))
    await until(lambda: gate.seen)
    for waiter in (first, second):
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
    third = asyncio.create_task(activator.warm())
    gate.open.set()
    assert await third is activator.instance
    assert gate.seen == ["start", "started"]
    await activator.close()


async def test_a_failed_warm_up_is_told_to_all(activator: Activator, runtime: Runtime, gate: Gate) -> None:
    """Once as a signal, to each waiter as an error; it is cold again, and the next call tries again."""
    gate.fail = OSError("no database")
    waiters = [asyncio.create_task(activator.warm()) for _ in range(10)]
    await until(lambda: gate.seen)
    gate.open.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert all(isinstance(result, FunctionNotLoaded) for result in results)
    assert activator.state is State.COLD
    assert len(runtime.of(WarmUpFailed)) == 1
    assert loaded() == []
    gate.fail = None
    assert await activator.warm() is activator.instance
    assert gate.seen == ["start", "start", "started"]
    await activator.close()


async def test_a_failure_nobody_waited_for_is_no_accident(
    activator: Activator, runtime: Runtime, gate: Gate
) -> None:
    """It is told as a signal; no exception goes unretrieved."""
    gate.fail = OSError("no database")
    waiter = asyncio.create_task(activator.warm())
    await until(lambda: gate.seen)
    waiter.cancel()
    await asyncio.wait({waiter})
    gate.open.set()
    await until(lambda: runtime.of(WarmUpFailed))
    await until(lambda: activator.state is State.COLD)


async def test_draining_waits_for_the_calls_inside(
    activator: Activator, runtime: Runtime, gate: Gate
) -> None:
    """The last one out ends the instance; from the beginning of draining nobody finds it any more."""
    gate.open.set()
    await activator.warm()
    inside = activator.enter_now()
    assert inside is activator.enter_now() is not None
    activator.drain()
    assert (activator.state, activator.instance) == (State.DRAINING, None)
    with pytest.raises(GatewayDraining):
        await activator.warm()
    activator.leave(inside, 0.0)
    await asyncio.sleep(0)
    assert activator.state is State.DRAINING
    activator.leave(inside, 0.0)
    await activator.gone()
    assert activator.state is State.EVICTED
    assert gate.seen == ["start", "started", "stop"]
    assert len(runtime.of(Evicted)) == 1
    with pytest.raises(GatewayDraining):
        await activator.warm()


async def test_draining_an_idle_instance_ends_it(activator: Activator, gate: Gate) -> None:
    """At once."""
    gate.open.set()
    await activator.warm()
    activator.drain()
    await activator.gone()
    assert loaded() == []


async def test_draining_while_it_warms_up(activator: Activator, gate: Gate) -> None:
    """The warm-up is finished, serves nobody, and is stopped: what was started never stays behind."""
    waiter = asyncio.create_task(activator.warm())
    await until(lambda: gate.seen)
    activator.drain()
    assert activator.state is State.WARMING
    gate.open.set()
    with pytest.raises(GatewayDraining):
        await waiter
    await activator.gone()
    assert gate.seen == ["start", "started", "stop"]


async def test_draining_while_a_warm_up_fails(activator: Activator, gate: Gate) -> None:
    """There is nothing to stop; it is gone."""
    gate.fail = OSError()
    waiter = asyncio.create_task(activator.warm())
    await until(lambda: gate.seen)
    activator.drain()
    gate.open.set()
    with pytest.raises(FunctionNotLoaded):
        await waiter
    await activator.gone()
    assert activator.state is State.EVICTED


async def test_draining_before_anything(activator: Activator, runtime: Runtime, gate: Gate) -> None:
    """What never was warm is simply not warmed any more; nothing is told of it."""
    activator.drain()
    await activator.gone()
    with pytest.raises(GatewayDraining):
        await activator.warm()
    assert runtime.heard == []


async def test_closing_in_every_state(activator: Activator, gate: Gate) -> None:
    """Cold, or asked to warm up but not yet begun: it ends evicted, the waiter is told, no task is left."""
    waiter = asyncio.create_task(activator.warm())
    await asyncio.sleep(0)
    await activator.close()
    with pytest.raises(GatewayDraining):
        await waiter
    assert activator.state is State.EVICTED
    assert (tasks(), gate.seen) == (set(), [])
    await activator.close()


async def test_a_start_that_ended_as_the_gateway_did_has_its_stop(activator: Activator, gate: Gate) -> None:
    """In the very turn in which its warm-up was broken off: what was started never stays behind."""
    waiter = asyncio.create_task(activator.warm())
    await until(lambda: gate.seen)
    gate.open.set()
    await activator.close()
    with pytest.raises(GatewayDraining):
        await waiter
    assert gate.seen == ["start", "started", "stop"]
    assert (loaded(), tasks()) == ([], set())


async def test_closing_does_not_wait_for_calls(activator: Activator, gate: Gate) -> None:
    """Whoever is inside has been given its time before; leaving later is harmless."""
    gate.open.set()
    await activator.warm()
    inside = activator.enter_now()
    assert inside is not None
    await activator.close()
    assert activator.state is State.EVICTED
    activator.leave(inside, 0.0)
    assert (activator.in_flight, gate.seen) == (0, ["start", "started", "stop"])


async def test_who_is_cancelled_while_the_warm_up_is_too(activator: Activator, gate: Gate) -> None:
    """A caller's own cancellation stays one, whatever happened to the warm-up meanwhile."""
    waiter = asyncio.create_task(activator.warm())
    await until(lambda: gate.seen)
    closing = asyncio.create_task(activator.close())
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await closing


async def test_cancelling_a_close_does_not_cancel_the_eviction(
    activator: Activator, runtime: Runtime, gate: Gate
) -> None:
    """`stop` runs to its end though nobody waits."""
    gate.open.set()
    await activator.warm()
    closing = asyncio.create_task(activator.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    await activator.gone()
    assert gate.seen[-1] == "stop"
    assert runtime.of(Evicted)[0].stop_error is None


async def test_it_says_what_it_is(activator: Activator) -> None:
    """For the person awake at three."""
    assert repr(activator) == "<Activator home-dev-1: cold, 0 in flight>"
    await activator.close()
