"""Calls by the second: counted once, whoever looks, and quantiles that are near enough."""

from __future__ import annotations

import random

import pytest

from bff.console.charting import columns
from bff.console.meter import MOST_AT_ONCE, SHOWN, Cell, Meter
from bff.errors import FunctionFailed
from bff.telemetry.failure import Witness
from bff.telemetry.identity import Callers
from bff.telemetry.recorder import Recorder
from bff.testing import ManualClock
from tests.admin.test_recordings import ended

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Witness(lambda _module, _file: None), Callers(), memory=2**24, slow=0.5)


async def test_every_call_is_counted_once_however_often_one_looks(
    clock: ManualClock, recorder: Recorder
) -> None:
    meter = Meter(recorder)
    for _ in range(3):
        for _ in range(10):
            recorder.keep(ended(clock, function="home"))
        recorder.keep(ended(clock, function="cart", status=500, error=FunctionFailed("cart", ValueError())))
        for _ in range(4):
            meter.catch_up(clock.now())
        await clock.advance(1.0)
    meter.catch_up(clock.now())
    whole = meter.over(10, clock.now())
    assert (whole.count, whole.errors) == (33, 3)
    assert {name: cell.count for name, cell in meter.by_function(10, clock.now()).items()} == {
        "home": 30,
        "cart": 3,
    }
    assert meter.over(10, clock.now(), "cart").error_share == 1
    assert [cell.count if cell else 0 for cell in meter.each(4, clock.now())] == [0, 11, 11, 11]


async def test_the_present_second_is_shown_once_it_is_over(clock: ManualClock, recorder: Recorder) -> None:
    """Else every chart would end with a fall."""
    meter = Meter(recorder)
    recorder.keep(ended(clock))
    meter.catch_up(clock.now())
    assert meter.over(10, clock.now()).count == 0
    await clock.advance(1.0)
    assert meter.over(10, clock.now()).count == 1


async def test_what_came_before_the_first_look_is_there_as_far_as_it_is_shown(
    clock: ManualClock, recorder: Recorder
) -> None:
    recorder.keep(ended(clock))
    await clock.advance(SHOWN + 1.0)
    recorder.keep(ended(clock))
    await clock.advance(1.0)
    meter = Meter(recorder)
    meter.catch_up(clock.now())
    assert meter.over(SHOWN, clock.now()).count == 1
    await clock.advance(SHOWN + 1.0)
    meter.catch_up(clock.now())
    assert meter.over(SHOWN, clock.now()).count == 0


async def test_what_was_too_much_to_look_at_is_counted(clock: ManualClock, recorder: Recorder) -> None:
    meter = Meter(recorder)
    recorder.keep(ended(clock))
    meter.catch_up(clock.now())
    for _ in range(MOST_AT_ONCE + 500):
        recorder.keep(ended(clock))
    meter.catch_up(clock.now())
    await clock.advance(1.0)
    assert meter.over(10, clock.now()).count == MOST_AT_ONCE + 501


async def test_quantiles_are_within_a_twentieth(clock: ManualClock, recorder: Recorder) -> None:
    """Merged from cells of several seconds, as they are shown."""
    chance = random.Random(7)
    seconds = [chance.lognormvariate(-4, 1.5) for _ in range(4000)]
    whole = Cell()
    for place in range(0, 4000, 1000):
        cell = Cell()
        for took in seconds[place : place + 1000]:
            recorder.keep(ended(clock, seconds=took))
            cell.add(next(recorder.newest(recorder.last - 1)))
        whole.merge(cell)
    seconds.sort()
    for share in (0.01, 0.5, 0.99, 1.0):
        true = seconds[max(0, round(share * 4000) - 1)] * 1000
        assert whole.quantile(share) == pytest.approx(true, rel=0.051)
    assert Cell().quantile(0.5) is None
    assert Cell().error_share == 0


async def test_charts_have_a_place_for_every_second(clock: ManualClock, recorder: Recorder) -> None:
    """Calls are 0 where there were none, times are unknown there; the last time is that of the last whole second."""
    meter = Meter(recorder)
    recorder.keep(ended(clock, seconds=0.1))
    await clock.advance(2.5)
    meter.catch_up(clock.now())
    (times, calls, errors), (same, medians, slowest) = columns(meter, clock.now(), 5000.25)
    assert len(times) == len(calls) == len(errors) == len(medians) == len(slowest) == SHOWN
    assert times == same
    assert times[-1] == 4998
    assert calls[-2:] == [1, 0]
    assert errors[-2:] == [0, 0]
    assert medians[-1] is None
    assert slowest[-2] == pytest.approx(100, rel=0.051)
