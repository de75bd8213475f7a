"""A percentile of what calls took lately, within 4.5 %, in memory that does not grow."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services.latency import BUCKETS, SHORTEST, SLICES, STEPS, Latency, bucket_of, upper_bound

SECONDS = st.floats(SHORTEST, 150.0)


@given(SECONDS)
def test_a_bucket_holds_what_is_in_it(seconds: float) -> None:
    """The bound of the bucket is never below the latency, and less than a step above."""
    bound = upper_bound(bucket_of(seconds))
    assert seconds <= bound * (1 + 1e-9)
    assert bound <= seconds * 2 ** (1 / STEPS) * (1 + 1e-9)


@given(st.lists(SECONDS, min_size=1, max_size=200), st.floats(0, 1))
def test_a_percentile_is_the_one_of_the_sorted_list(took: list[float], share: float) -> None:
    """To within one bucket."""
    latency = Latency()
    for seconds in took:
        latency.note(seconds, 100.0)
    exact = sorted(took)[max(1, math.ceil(share * len(took))) - 1]
    estimate = latency.percentile(share, 100.0)
    assert estimate == upper_bound(bucket_of(exact))


def test_nothing_seen_is_nothing_known() -> None:
    """None, not zero."""
    latency = Latency()
    assert latency.percentile(0.5, 1.0) is None
    assert latency.count(1.0) == 0


def test_old_calls_are_forgotten() -> None:
    """A slow morning says nothing of the afternoon; what is younger than twelve seconds stays."""
    latency = Latency(window=15.0)
    latency.note(9.0, 99.0)
    latency.note(1.0, 110.0)
    assert latency.count(110.0) == 2
    assert latency.count(116.0) == 1
    assert latency.percentile(0.99, 116.0) == pytest.approx(1.0, rel=0.05)
    assert latency.count(1e9) == 0
    assert latency.percentile(0.99, 1e9) is None


def test_an_answer_follows_what_came_since() -> None:
    """It is kept only while the window stays nearly the same."""
    latency = Latency()
    for _ in range(100):
        latency.note(0.01, 100.0)
    assert latency.percentile(0.5, 100.0) == pytest.approx(0.01, rel=0.05)
    for _ in range(200):
        latency.note(1.0, 100.5)
    assert latency.percentile(0.5, 100.5) == pytest.approx(1.0, rel=0.05)


@given(st.floats() | st.sampled_from([0.0, -1.0, 1e-300, 1e300]))
def test_every_number_has_a_bucket(seconds: float) -> None:
    """Clocks do strange things; counting them must not fail."""
    if not math.isnan(seconds) and not math.isinf(seconds):
        assert 0 <= bucket_of(seconds) < BUCKETS


def test_memory_does_not_grow() -> None:
    """So many numbers for each slice, whatever is counted."""
    latency = Latency()
    for call in range(10_000):
        latency.note(call / 100, 100.0 + call)
    assert sum(len(each) for each in latency._slices) == SLICES * BUCKETS
