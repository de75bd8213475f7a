"""What operators are told of a function's life: counts and percentiles that add up."""

from __future__ import annotations

import pytest

from bff.measured import WarmUp
from bff.runtime.tally import REMEMBERED, Tally


def warm_up(seconds: float, *, first: bool = False, revision: str = "home-00001") -> WarmUp:
    return WarmUp(function="home", revision=revision, phases={"start": seconds}, is_first_ever=first)


def test_warm_ups_are_counted_and_told_by_rank() -> None:
    """Milliseconds, nearest rank: of a hundred the 50th and the 99th, whatever their order."""
    tally = Tally()
    assert tally.warm_up() == {"count": 0, "p50_ms": None, "p99_ms": None}
    tally.warmed_up(warm_up(0.007))
    assert tally.warm_up() == {"count": 1, "p50_ms": 7.0, "p99_ms": 7.0}
    for number in range(100, 0, -1):
        tally.warmed_up(warm_up(number / 1000))
    assert tally.warm_up() == {"count": 101, "p50_ms": 50.0, "p99_ms": 99.0}


def test_old_warm_ups_are_counted_and_no_longer_told() -> None:
    """Percentiles are of the last ones: what was slow last month says nothing of today."""
    tally = Tally()
    tally.warmed_up(warm_up(60.0))
    for _ in range(REMEMBERED):
        tally.warmed_up(warm_up(0.001))
    assert tally.warm_up() == {"count": REMEMBERED + 1, "p50_ms": 1.0, "p99_ms": 1.0}


def test_bytes_returned_are_those_of_processes() -> None:
    """Nobody knows how many an eviction in the gateway itself gave back: null, and no 0 that looks measured."""
    tally = Tally()
    tally.evicted(None)
    assert (tally.evictions, tally.bytes_returned) == (1, None)
    for count in (0, 5, 7):
        tally.evicted(count)
    assert (tally.evictions, tally.bytes_returned) == (4, 12)


def test_the_soonest_is_of_this_revisions_later_warm_ups() -> None:
    """A first one paid for what stays; waiting for others depends on others; another revision is another story."""
    tally = Tally()
    tally.warmed_up(warm_up(9.0, first=True))
    assert tally.soonest("home-00001") == 0.0
    others = {"queue": 8.0, "fork": 1.0, "start": 2.0}
    tally.warmed_up(WarmUp(function="home", revision="home-00001", phases=others, is_first_ever=False))
    tally.warmed_up(warm_up(3.0))
    assert tally.soonest("home-00001") == pytest.approx(2.0)
    tally.warmed_up(warm_up(4.0, revision="home-00002"))
    assert (tally.soonest("home-00001"), tally.soonest("home-00002")) == (0.0, 4.0)
