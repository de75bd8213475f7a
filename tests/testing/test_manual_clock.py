"""A clock moved by hand: timers ring in order, at their own time, and nothing really waits."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.clock import Expiry
from bff.testing import ManualClock

pytestmark = pytest.mark.anyio


async def test_time_stands_still_until_it_is_moved() -> None:
    """Both readings move together, and only by advance."""
    clock = ManualClock(wall=100.0)
    began = clock.now()
    await asyncio.sleep(0)
    assert (clock.now(), clock.wall()) == (began, 100.0)
    await clock.advance(2.5)
    assert (clock.now() - began, clock.wall()) == (2.5, 102.5)


async def test_a_sleeper_wakes_when_its_time_has_come() -> None:
    """Not before, and without real time passing."""
    clock = ManualClock()
    asleep = asyncio.create_task(clock.sleep(3600))
    await clock.advance(3599.9)
    assert not asleep.done()
    await clock.advance(0.1)
    assert asleep.done()


async def test_what_a_timer_wakes_runs_before_the_next_one() -> None:
    """Each sees its own time, and may set timers that still ring on the way."""
    clock, seen = ManualClock(), []
    began = clock.now()

    async def tick(every: float, times: int) -> None:
        for _ in range(times):
            await clock.sleep(every)
            seen.append(round(clock.now() - began, 3))

    ticking = [asyncio.create_task(tick(2, 3)), asyncio.create_task(tick(3, 2))]
    await clock.advance(6)
    assert seen == [2, 3, 4, 6, 6]
    assert all(task.done() for task in ticking)


async def test_a_cancelled_timer_does_not_ring() -> None:
    """Cancelling is harmless before and after."""
    clock, rung = ManualClock(), []
    kept, cancelled = (
        clock.call_at(clock.now() + 1, rung.append, "kept"),
        clock.call_at(clock.now() + 1, rung.append, "no"),
    )
    cancelled.cancel()
    await clock.advance(1)
    kept.cancel()
    assert rung == ["kept"]
    assert repr(clock) == "<ManualClock at +1 s: 0 timers>"


async def test_a_timer_in_the_past_rings_in_the_next_turn() -> None:
    """As on the real clock: soon, but never inside of call_at."""
    clock, rung = ManualClock(), []
    clock.call_at(clock.now(), rung.append, 1)
    assert rung == []
    await asyncio.sleep(0)
    assert rung == [1]


async def test_jump_goes_to_the_next_timer() -> None:
    """And says whether there was one."""
    clock = ManualClock()
    began = clock.now()
    asleep = asyncio.create_task(clock.sleep(7))
    await asyncio.sleep(0)
    assert await clock.jump()
    await asleep
    assert clock.now() - began == 7
    assert not await clock.jump()


async def test_an_expiry_lives_by_it() -> None:
    """The gateway's own time limits are limits on this clock."""
    clock = ManualClock()

    async def limited() -> None:
        with Expiry(clock, clock.now() + 1):
            await clock.sleep(10)

    running = asyncio.create_task(limited())
    await clock.advance(1)
    with pytest.raises(TimeoutError):
        await running


@given(st.lists(st.floats(0.001, 100), max_size=20))
async def test_timers_ring_in_order_whatever_the_order_they_were_set_in(delays: list[float]) -> None:
    """Sorted by time, then by age; all that are due and no others."""
    clock, rung = ManualClock(), []
    for number, delay in enumerate(delays):
        clock.call_at(clock.now() + delay, rung.append, (delay, number))
    await clock.advance(50)
    assert rung == sorted((delay, number) for number, delay in enumerate(delays) if delay <= 50)
