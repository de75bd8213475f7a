"""What evicted functions leave is collected before there is much of it, and not with each of them."""

from __future__ import annotations

import gc
from collections.abc import Mapping

import pytest

from bff.runtime.function import Function
from bff.runtime.keeper import COLLECT_EVERY, MOST_GARBAGE, Keeper
from bff.signals import Evicted, Signals
from bff.testing import ManualClock

pytestmark = pytest.mark.anyio

NONE: Mapping[str, Function] = {}


@pytest.fixture
def collections(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made: list[float] = []
    monkeypatch.setattr(gc, "collect", lambda: made.append(1.0))
    return made


async def test_many_evictions_do_not_wait_for_the_next_look(collections: list[float]) -> None:
    """Ten thousand within seconds held what each had imported; a hundred do."""
    signals = Signals()
    keeper = Keeper(functions=lambda: NONE, clock=ManualClock(), signals=signals, max_warm=1)
    for number in range(2 * MOST_GARBAGE):
        assert len(collections) == number // MOST_GARBAGE
        signals.emit(Evicted(function="home", revision="home-00001"))
    assert len(collections) == 2
    keeper.look()
    assert len(collections) == 2, "nothing is left"


async def test_few_evictions_are_collected_at_a_look(collections: list[float]) -> None:
    """Not at every one: each collection stops the loop."""
    signals, clock = Signals(), ManualClock()
    keeper = Keeper(functions=lambda: NONE, clock=clock, signals=signals, max_warm=1)
    for seconds, wanted in ((0.0, 1), (1.0, 1), (COLLECT_EVERY, 2)):
        await clock.advance(seconds)
        signals.emit(Evicted(function="home", revision="home-00001"))
        keeper.look()
        assert len(collections) == wanted
