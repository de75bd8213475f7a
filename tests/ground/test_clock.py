"""Time limits that never swallow somebody else's cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.clock import Deadline, Expiry, Ringing, SystemClock, cpu_of_this_thread
from bff.testing.clock import ManualClock, settle

pytestmark = pytest.mark.anyio


async def until_expiry(clock: ManualClock, *limits: float, then: Any = None) -> str:
    """Wait for ever inside nested expiries (outermost first); says which of them turned it into a timeout."""
    if not limits:
        await (then or asyncio.Event().wait())
        return "done"
    try:
        with Expiry(clock, clock.now() + limits[0]):
            return await until_expiry(clock, *limits[1:], then=then)
    except TimeoutError:
        return f"timed out at {limits[0]:g}"


async def test_what_ends_in_time_is_left_alone() -> None:
    """A block that is quick enough gives its value, and no timer stays behind."""
    clock = ManualClock()
    with Expiry(clock, clock.now() + 5):
        await clock_sleep(clock, 1)
    assert repr(clock) == "<ManualClock at +1 s: 0 timers>"


async def clock_sleep(clock: ManualClock, seconds: float) -> None:
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    await clock.advance(seconds)
    await sleeping


async def test_what_takes_too_long_is_a_timeout() -> None:
    """Exactly at the instant; the task is not left cancelled."""
    clock = ManualClock()
    running = asyncio.ensure_future(until_expiry(clock, 2))
    await clock.advance(1.999)
    assert not running.done()
    await clock.advance(0.001)
    assert await running == "timed out at 2"

    async def goes_on() -> int:
        task = asyncio.current_task()
        assert task is not None
        assert await until_expiry(clock, 0) == "timed out at 0"
        await asyncio.sleep(0)
        return task.cancelling()

    assert await goes_on() == 0


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [
        ((1, 2), "timed out at 1"),
        ((2, 1), "timed out at 1"),
        ((3, 2, 1), "timed out at 1"),
        ((1, 1), "timed out at 1"),
    ],
)
async def test_of_nested_expiries_the_one_that_passed_ends_it(
    limits: tuple[float, ...], outcome: str
) -> None:
    """The earliest, whether it is the outer or the inner one."""
    clock = ManualClock()
    running = asyncio.ensure_future(until_expiry(clock, *limits))
    await clock.advance(5)
    assert await running == outcome


class Bell:
    """A clock whose timers all ring in one turn of the loop, when told to."""

    def __init__(self) -> None:
        self.waiting: list[Ringing] = []

    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0

    def call_at(self, when: float, callback: Any, *args: Any) -> Any:
        raise AssertionError

    def set(self, alarm: Ringing, when: float) -> None:
        self.waiting.append(alarm)
        alarm.company = {}

    async def sleep(self, seconds: float) -> None:
        raise AssertionError

    def ring(self) -> None:
        for alarm in self.waiting:
            alarm.ring()


async def test_two_that_pass_at_once_end_as_the_outer_one() -> None:
    """Both cancelled the task in one turn: the inner gives way, so that the whole is out of time."""
    bell, seen = Bell(), []

    async def body() -> None:
        try:
            with Expiry(bell, 1):
                try:
                    with Expiry(bell, 1):
                        await asyncio.Event().wait()
                except TimeoutError:
                    seen.append("inner")
        except TimeoutError:
            seen.append("outer")

    running = asyncio.ensure_future(body())
    await settle()
    bell.ring()
    await running
    assert seen == ["outer"]


@pytest.mark.parametrize("order", ["alone", "before", "after"])
async def test_a_cancellation_from_elsewhere_is_never_swallowed(order: str) -> None:
    """Alone, before, or after the expiry in the same turn: it stays a cancellation."""
    bell = Bell()

    async def body() -> None:
        with Expiry(bell, 1):
            await asyncio.Event().wait()

    running = asyncio.ensure_future(body())
    await settle()
    if order == "after":
        bell.ring()
    running.cancel()
    if order == "before":
        bell.ring()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_other_failures_go_through_unchanged() -> None:
    """A block's own error is its own, even when time ran out as well."""
    clock = ManualClock()

    async def fails_late() -> None:
        with Expiry(clock, clock.now() + 1):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise KeyError("own") from None

    running = asyncio.ensure_future(fails_late())
    await clock.advance(1)
    with pytest.raises(KeyError):
        await running


async def test_a_block_that_shrugs_off_the_cancellation_is_not_cancelled_later() -> None:
    """Its value counts, and the next await is not cut."""
    clock = ManualClock()

    async def stubborn() -> int:
        task = asyncio.current_task()
        assert task is not None
        with Expiry(clock, clock.now() + 1), contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return task.cancelling()

    running = asyncio.ensure_future(stubborn())
    await clock.advance(1)
    assert await running == 0


async def test_an_expiry_in_the_past_ends_the_first_wait() -> None:
    """It needs no wait to be set, but a block that never waits is never cut."""
    clock = ManualClock()
    assert await until_expiry(clock, -1) == "timed out at -1"
    with Expiry(clock, clock.now() - 1):
        pass
    await settle()


@pytest.mark.parametrize(("first", "moved", "ends"), [(1, 5, 5), (5, 1, 1), (5, -1, 0)])
async def test_an_expiry_can_be_moved(first: float, moved: float, ends: float) -> None:
    """Later or sooner than first said."""
    clock = ManualClock()

    async def body() -> float:
        began = clock.now()
        try:
            with Expiry(clock, began + first) as expiry:
                expiry.move(began + moved)
                await asyncio.Event().wait()
        except TimeoutError:
            pass
        return clock.now() - began

    running = asyncio.ensure_future(body())
    await clock.advance(10)
    assert await running == pytest.approx(10 if ends > 10 else ends)


async def test_an_expiry_that_has_passed_cannot_be_moved_any_more() -> None:
    """Moving it in the clean-up neither saves the block nor cancels the task once more."""
    clock = ManualClock()

    async def body() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        try:
            with Expiry(clock, clock.now() + 1) as expiry:
                try:
                    await asyncio.Event().wait()
                finally:
                    expiry.move(clock.now())
                    for _ in range(3):
                        await asyncio.sleep(0)
        except TimeoutError:
            return "timed out", task.cancelling()
        return "done", task.cancelling()

    running = asyncio.ensure_future(body())
    await clock.advance(1)
    assert await running == ("timed out", 0)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 6),
    st.one_of(st.none(), st.integers(1, 6)),
)
async def test_nested_expiries_end_at_the_earliest_instant(
    limits: list[int], work: int, cancel_at: int | None
) -> None:
    """Nested in any way, with work that ends and a cancellation at any time: the first of them decides."""
    half = [limit + 0.5 for limit in limits]  # never the same instant as work or cancellation

    async def outcome(build: Any) -> str:
        clock = ManualClock()
        running = asyncio.ensure_future(build(clock))
        for second in range(1, 8):
            await settle()
            if second == cancel_at:
                running.cancel()
            await clock.advance(1)
        try:
            return str(await running)
        except asyncio.CancelledError:
            return "cancelled"

    expected = "done"
    ends = min([work or 0.0, *half] + ([cancel_at - 1.0] if cancel_at else []))
    if ends != work:
        expected = "cancelled" if cancel_at and ends == cancel_at - 1 else f"timed out at {min(half):g}"
    if cancel_at and ends == cancel_at - 1 and ends == work:
        return  # whichever comes first in that turn
    ours = await outcome(lambda clock: until_expiry(clock, *half, then=clock.sleep(work)))
    assert ours == expected


async def test_the_system_clock_is_the_real_time() -> None:
    """Monotonic and wall time, timers on the running loop, and sleep."""
    clock = SystemClock()
    assert abs(clock.wall() - time.time()) < 5
    assert abs(clock.now() - time.monotonic()) < 5
    rung = asyncio.Event()
    cancelled = clock.call_at(clock.now(), rung.set)
    cancelled.cancel()
    clock.call_at(clock.now() - 5, rung.set)
    began = clock.now()
    await asyncio.wait_for(rung.wait(), 60)
    await clock.sleep(0.01)
    assert clock.now() - began >= 0.009
    with pytest.raises(TimeoutError), Expiry(clock, clock.now() + 0.01):
        await asyncio.Event().wait()


async def rung(clock: SystemClock, after: float = 0.0) -> None:
    """Return once every timer set so far for that many seconds from now has rung."""
    done = asyncio.Event()
    clock.call_at(clock.now() + after, done.set)
    async with asyncio.timeout(60):
        await done.wait()


async def test_timers_ring_in_the_order_of_their_instants() -> None:
    """Whatever the order in which they were set; those of one millisecond in that of their setting."""
    clock, heard = SystemClock(), list[str]()
    now = clock.now()
    for name, at in (("c", 0.03), ("a", 0.01), ("b", 0.02), ("b, too", 0.02)):
        clock.call_at(now + at, heard.append, name)
    await rung(clock, 0.04)
    assert heard == ["a", "b", "b, too", "c"]


async def test_a_cancelled_timer_never_rings_and_is_not_kept() -> None:
    """Ten thousand deadlines that did not come leave next to nothing behind; those that stay ring."""
    clock, heard = SystemClock(), list[int]()
    staying = clock.call_at(clock.now() + 0.05, heard.append, 0)
    for number in range(1, 10_001):
        clock.call_at(clock.now() + number % 7, heard.append, number).cancel()
    timers = repr(clock._timers)
    assert timers.startswith("<_Timers: 1 to come")
    assert int(timers.split()[-2]) <= 101  # ticks
    await rung(clock, 0.06)
    assert heard == [0]
    staying.cancel()  # it has rung: nothing to forget
    assert "0 to come" in repr(clock._timers)


async def test_a_timer_that_fails_stops_no_other() -> None:
    """Its failure is told as the loop tells those of its own timers."""
    clock, told, heard = SystemClock(), list[Any](), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    clock.call_at(clock.now(), lambda: 1 / 0)
    clock.call_at(clock.now(), heard.append, "next")
    await rung(clock, 0.01)
    assert heard == ["next"]
    assert [type(error) for error in told] == [ZeroDivisionError]


async def test_a_timer_may_set_and_cancel_others() -> None:
    """Also those that are due in the same turn."""
    clock, heard = SystemClock(), list[str]()
    now = clock.now()

    def first() -> None:
        victim.cancel()
        clock.call_at(now, heard.append, "set late, due at once")

    clock.call_at(now, first)
    victim = clock.call_at(now, heard.append, "cancelled in time")
    await rung(clock, 0.02)
    assert heard == ["set late, due at once"]


def test_one_clock_serves_two_loops() -> None:
    """Timers ring on the loop they were set on, though it is another one's turn to set."""
    clock, heard = SystemClock(), list[str]()
    one, two = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def set_one(name: str) -> None:
        clock.call_at(clock.now() + 0.01, heard.append, name)

    for loop, name in ((one, "one"), (two, "two"), (one, "one again")):
        loop.run_until_complete(set_one(name))
    for loop in (one, two):
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
    assert sorted(heard) == ["one", "one again", "two"]


def test_a_threads_cpu_can_be_asked_for_from_another() -> None:
    """It grows while that thread computes and stands still while it waits, whoever asks."""
    made: list[Any] = []
    may_compute, has_computed = threading.Event(), threading.Event()

    def work() -> None:
        cpu = cpu_of_this_thread()
        made.append(cpu)
        may_compute.wait(60)
        while cpu() < 0.02:
            pass
        has_computed.set()
        may_end.wait(60)

    may_end = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    try:
        may_compute.set()
        assert has_computed.wait(60)
        assert made[0]() >= 0.02
    finally:
        may_end.set()
        thread.join()


def test_a_deadlines_repr_is_readable() -> None:
    """For the person awake at three."""
    assert repr(Deadline(12.3456, 2)) == "<Deadline at 12.346, 2 s allowed>"
