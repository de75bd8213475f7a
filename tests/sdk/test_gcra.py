"""The rate algorithm, held against what a bucket of tokens would do, and against its own promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.sdk.gcra import ROUNDING, Rate, opens_in, room, take

RATES = st.builds(Rate, interval=st.sampled_from([0.01, 0.1, 0.25, 1.0, 7.5, 60.0]), burst=st.integers(1, 50))
PAUSES = st.lists(st.one_of(st.just(0.0), st.floats(0.0, 200.0)), min_size=1, max_size=80)


def played(rate: Rate, pauses: list[float]) -> list[tuple[float, bool]]:
    """When each call came, and whether it was let in."""
    now, full_at, seen = 1000.0, 0.0, []
    for pause in pauses:
        now += pause
        verdict = take(full_at, now, rate)
        full_at = verdict.full_at
        seen.append((now, verdict.is_allowed))
    return seen


@given(RATES, PAUSES)
def test_it_decides_as_a_bucket_of_tokens_would(rate: Rate, pauses: list[float]) -> None:
    """One token an interval, ``burst`` at the most; a call takes one or is refused."""
    tokens, before = float(rate.burst), 1000.0
    for now, is_allowed in played(rate, pauses):
        tokens = min(float(rate.burst), tokens + (now - before) / rate.interval)
        before = now
        if abs(tokens - 1) > 1e-6:  # at the very edge rounding decides
            assert is_allowed == (tokens > 1)
        if is_allowed:
            tokens -= 1


@given(RATES, PAUSES)
def test_no_stretch_of_time_sees_more_than_burst_and_rate(rate: Rate, pauses: list[float]) -> None:
    let_in = [now for now, is_allowed in played(rate, pauses) if is_allowed]
    for first in range(len(let_in)):
        for last in range(first, len(let_in)):
            length = let_in[last] - let_in[first]
            assert last - first + 1 <= rate.burst + length / rate.interval + 1e-6


@given(RATES, PAUSES)
def test_a_refused_call_takes_nothing_and_is_told_when_to_come_again(rate: Rate, pauses: list[float]) -> None:
    now, full_at = 1000.0, 0.0
    for pause in pauses:
        now += pause
        verdict = take(full_at, now, rate)
        if not verdict.is_allowed:
            assert verdict.full_at == max(full_at, now)
            assert not take(verdict.full_at, now + verdict.again_in * 0.99 - 1e-6, rate).is_allowed
            assert take(verdict.full_at, now + verdict.again_in + 1e-6, rate).is_allowed
        full_at = verdict.full_at


@given(RATES, PAUSES)
def test_what_remains_is_what_may_follow_at_once(rate: Rate, pauses: list[float]) -> None:
    now, full_at = 1000.0, 0.0
    for pause in pauses:
        now += pause
        verdict = take(full_at, now, rate)
        full_at = verdict.full_at
    room, trial = 0, full_at
    while (after := take(trial, now, rate)).is_allowed:
        room, trial = room + 1, after.full_at
    assert room == verdict.remaining
    assert (verdict.again_in > 0) == (room == 0)


def test_what_remains_of_a_slow_rate_may_follow_at_once() -> None:
    """Two milliseconds before an hour's next token nothing remains: a millionth of an hour is no rounding."""
    hourly = Rate(interval=3600.0, burst=2)
    verdict = take(0.002, 0.0, hourly)
    assert (verdict.is_allowed, verdict.remaining) == (True, 0)
    assert verdict.again_in == pytest.approx(0.002)
    assert not take(verdict.full_at, 0.0, hourly).is_allowed


@given(RATES)
def test_a_rest_fills_the_bucket(rate: Rate) -> None:
    now, full_at = 1000.0, 0.0
    for _ in range(rate.burst):
        verdict = take(full_at, now, rate)
        assert verdict.is_allowed
        full_at = verdict.full_at
    assert not take(full_at, now, rate).is_allowed
    assert abs(verdict.full_in - rate.depth) < 1e-6
    assert take(full_at, now + rate.depth, rate).remaining == rate.burst - 1


@given(RATES, PAUSES)
def test_how_many_and_how_soon_are_what_taking_them_would_tell(rate: Rate, pauses: list[float]) -> None:
    """As many as there is room for are let in one after the other, no more; and when it opens, one is."""
    full_at, now = 0.0, 1000.0
    for pause in pauses:
        now += pause
        verdict = take(full_at, now, rate)
        full_at = verdict.full_at
    for _ in range(left := room(full_at, now, rate)):
        full_at = take(full_at, now, rate).full_at
    assert left <= rate.burst
    assert not take(full_at, now, rate).is_allowed
    later = now + opens_in(full_at, now, rate) + 2 * ROUNDING
    assert room(full_at, later, rate) >= 1
    assert take(full_at, later, rate).is_allowed
