"""How busy a function was: averages over seconds, whatever the clock does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.runtime.load import Load


def test_one_call_that_stays_is_a_concurrency_of_one() -> None:
    """Weighted by time, not by how often somebody looks."""
    load = Load(1000.0, keep=60.0)
    load.enter(1000.0)
    assert load.concurrency(1010.0, 6.0) == pytest.approx(1.0)
    load.leave(1010.0)
    assert load.concurrency(1020.0, 6.0) == 0.0


def test_a_burst_between_two_looks_is_not_missed() -> None:
    """A hundred calls of half a second are fifty at a time over that second."""
    load = Load(1000.0, keep=60.0)
    for _ in range(100):
        load.enter(1030.0)
    for _ in range(100):
        load.leave(1030.5)
    assert load.concurrency(1032.0, 60.0) == pytest.approx(50 / 32, rel=0.05)
    assert load.rate(1032.0, 60.0) == pytest.approx(100 / 32, rel=0.05)


@given(
    phase=st.floats(0, 1),
    window=st.sampled_from([1.0, 6.0, 60.0]),
    inside=st.integers(1, 20),
    every=st.sampled_from([0.05, 0.1, 0.5]),
)
def test_a_constant_load_reads_as_itself(phase: float, window: float, inside: int, every: float) -> None:
    """Wherever within a second one looks, and by the shortest window: else there is panic without a burst."""
    load = Load(1000.0, keep=window)
    for _ in range(inside):
        load.enter(1000.0)
    now = 1000.0 + window + phase
    assert load.concurrency(now, window) == pytest.approx(inside)
    calls = Load(1000.0, keep=window)
    for count in range(round((window + 1) / every)):
        calls.enter(1000.0 + count * every)
    assert calls.rate(1000.0 + window + 1, window) == pytest.approx(1 / every, rel=0.02)


def test_a_young_function_is_judged_by_its_own_age() -> None:
    """Else its first minute would look idle."""
    load = Load(1000.0, keep=60.0)
    load.enter(1000.0)
    assert load.concurrency(1002.0, 60.0) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.sampled_from(["in", "out", "look"]), st.floats(-1e7, 1e7)), max_size=40))
def test_a_clock_that_jumps_breaks_nothing(story: list[tuple[str, float]]) -> None:
    """Days forth, or back where no clock should go: averages stay finite, never below nothing, and bounded work."""
    now, load = 1000.0, Load(1000.0, keep=60.0)
    for what, jump in story:
        now += jump
        if what == "in":
            load.enter(now)
        elif what == "out" and load.inside:
            load.leave(now)
        for value in (load.concurrency(now, 60.0), load.rate(now, 60.0)):
            assert math.isfinite(value)
            assert value >= 0
        assert len(load._buckets) <= 70
