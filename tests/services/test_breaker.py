"""A breaker's states are a table, and what moves it is told here."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bff.services.breaker import NEXT, Breaker, BreakerPolicy, Event, State, after


def fail(breaker: Breaker, times: int, now: float) -> bool:
    """So many failures one after the other, ejecting when it asks for it; whether it is out."""
    for _ in range(times):
        if breaker.failed(breaker.enter(now), 0.01, now):
            breaker.eject(now)
    return breaker.state is not State.CLOSED


@pytest.mark.parametrize(
    ("state", "event", "then"),
    [
        (State.CLOSED, Event.TRIPPED, State.OPEN),
        (State.CLOSED, Event.WAITED, State.CLOSED),
        (State.CLOSED, Event.SUCCEEDED, State.CLOSED),
        (State.CLOSED, Event.FAILED, State.CLOSED),
        (State.OPEN, Event.TRIPPED, State.OPEN),
        (State.OPEN, Event.WAITED, State.HALF_OPEN),
        (State.OPEN, Event.SUCCEEDED, State.CLOSED),
        (State.OPEN, Event.FAILED, State.OPEN),
        (State.HALF_OPEN, Event.TRIPPED, State.HALF_OPEN),
        (State.HALF_OPEN, Event.WAITED, State.HALF_OPEN),
        (State.HALF_OPEN, Event.SUCCEEDED, State.CLOSED),
        (State.HALF_OPEN, Event.FAILED, State.OPEN),
    ],
)
def test_the_table(state: State, event: Event, then: State) -> None:
    """Every state with every event."""
    assert after(state, event) is then


def test_every_state_can_be_left_and_reached() -> None:
    """Nothing is stuck: from each state a chain of events leads to each other one."""
    for start in State:
        reached, before = {start}, 0
        while len(reached) > before:
            before = len(reached)
            reached |= {after(state, event) for state in reached for event in Event}
        assert reached == set(State)
    assert set(NEXT) == set(State)


def test_five_failures_in_a_row_eject_and_four_do_not() -> None:
    """Envoy's consecutive_5xx."""
    assert not fail(Breaker(BreakerPolicy()), 4, 100.0)
    assert fail(Breaker(BreakerPolicy()), 5, 100.0)


def test_a_success_between_begins_the_row_anew() -> None:
    """In a row means in a row."""
    breaker = Breaker(BreakerPolicy())
    fail(breaker, 4, 100.0)
    breaker.succeeded(breaker.enter(100.0), 0.01, 100.0)
    assert breaker.is_spotless
    assert not fail(breaker, 4, 100.0)


def test_it_stays_out_for_its_time_and_then_admits_one_probe() -> None:
    """Thirty seconds; then one call, and no second one while that is on its way."""
    breaker = Breaker(BreakerPolicy())
    fail(breaker, 5, 100.0)
    assert not breaker.admits(129.9)
    assert breaker.admits(130.0)
    epoch = breaker.enter(130.0)
    assert breaker.state is State.HALF_OPEN
    assert not breaker.admits(130.0)
    breaker.succeeded(epoch, 0.01, 130.1)
    assert str(breaker.state) == "closed"
    assert breaker.admits(130.1)


def test_a_probe_that_fails_puts_it_out_for_longer() -> None:
    """Thirty seconds times how often in a row, five minutes at most."""
    breaker = Breaker(BreakerPolicy())
    fail(breaker, 5, 100.0)
    now, waits = 100.0, []
    for _ in range(12):
        waits.append(breaker.until - now)
        now = breaker.until
        breaker.failed(breaker.enter(now), 0.01, now)
    assert waits == [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]


def test_a_probe_that_is_cancelled_gives_its_turn_to_the_next() -> None:
    """A caller who leaves says nothing about the endpoint."""
    breaker = Breaker(BreakerPolicy())
    fail(breaker, 5, 100.0)
    breaker.leave(breaker.enter(130.0))
    assert breaker.state is State.HALF_OPEN
    assert breaker.admits(130.0)


def test_what_was_sent_before_it_moved_counts_no_more() -> None:
    """A hundred calls that were on their way when it opened end in time-outs: they do not put it out for longer,
    and none of them spoils, or is, the probe."""
    breaker = Breaker(BreakerPolicy())
    epochs = [breaker.enter(100.0) for _ in range(100)]
    for epoch in epochs[:50]:
        if breaker.failed(epoch, 5.0, 105.0):
            breaker.eject(105.0)
    assert (breaker.times, breaker.until) == (1, 135.0)
    probe = breaker.enter(135.0)
    breaker.failed(epochs[60], 40.0, 135.5)
    breaker.succeeded(epochs[61], 40.0, 135.5)
    breaker.leave(epochs[62])
    assert breaker.state is State.HALF_OPEN
    assert not breaker.admits(135.5)
    breaker.succeeded(probe, 0.01, 136.0)
    assert str(breaker.state) == "closed"


def test_good_behaviour_shortens_the_next_ejection() -> None:
    """Each interval of ten seconds that it stayed in takes one time back, as in Envoy."""
    breaker, now = Breaker(BreakerPolicy()), 100.0
    fail(breaker, 5, now)
    for _ in range(3):
        now = breaker.until
        breaker.failed(breaker.enter(now), 0.01, now)
    assert breaker.times == 4
    now = breaker.until
    breaker.succeeded(breaker.enter(now), 0.01, now)
    fail(breaker, 5, now + 25)
    assert breaker.times == 3
    breaker.succeeded(breaker.enter(now + 200), 0.01, now + 200)
    fail(breaker, 5, now + 2000)
    assert breaker.times == 1


def test_in_panic_an_answer_brings_it_back_at_once() -> None:
    """Called although it is out, because too few others are left."""
    breaker = Breaker(BreakerPolicy())
    fail(breaker, 5, 100.0)
    breaker.failed(breaker.enter(101.0), 0.01, 101.0)
    assert (breaker.state, breaker.until) == (State.OPEN, 130.0)
    breaker.succeeded(breaker.enter(102.0), 0.01, 102.0)
    assert str(breaker.state) == "closed"


@pytest.mark.parametrize(("failures", "out"), [(24, False), (25, True)])
def test_a_failure_rate_trips_it_too(failures: int, out: bool) -> None:
    """Half of fifty calls, no five of them in a row."""
    breaker = Breaker(BreakerPolicy(consecutive=0, failure_rate=0.5))
    for call in range(50):
        if call % 2 == 0 and call // 2 < failures:
            wants_out = breaker.failed(breaker.enter(100.0), 0.01, 100.0)
        else:
            breaker.succeeded(breaker.enter(100.0), 0.01, 100.0)
            wants_out = breaker.wants_out
        assert wants_out == (out and call == 49)


def test_slow_answers_trip_it_where_that_is_asked_for() -> None:
    """An answer after more than ``slow_call`` is an answer, and still too slow."""
    breaker = Breaker(BreakerPolicy(slow_call_rate=0.8, slow_call=0.2, min_calls=10))
    for call in range(10):
        assert not breaker.wants_out
        breaker.succeeded(breaker.enter(100.0), 0.3 if call else 0.1, 100.0)
    assert breaker.wants_out


def test_rates_are_of_one_interval() -> None:
    """Forty-nine failures ten seconds ago and one today are no rate."""
    breaker = Breaker(BreakerPolicy(consecutive=0, failure_rate=0.5))
    for _ in range(49):
        breaker.failed(breaker.enter(100.0), 0.01, 100.0)
    assert not breaker.failed(breaker.enter(110.0), 0.01, 110.0)


class BreakerStory(RuleBasedStateMachine):
    """Any interleaving of calls, outcomes and time."""

    @initialize(rates=st.booleans())
    def begin(self, rates: bool) -> None:
        self.breaker = Breaker(BreakerPolicy(failure_rate=0.5 if rates else 0.0, min_calls=8))
        self.now = 100.0
        self.running: list[tuple[int, bool]] = []

    @rule(seconds=st.floats(0, 60))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_enters(self) -> None:
        if self.breaker.admits(self.now):
            epoch = self.breaker.enter(self.now)
            self.running.append((epoch, self.breaker.state is State.HALF_OPEN))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 100), how=st.sampled_from(["good", "bad", "cancelled"]))
    def a_call_ends(self, which: int, how: str) -> None:
        epoch, _ = self.running.pop(which % len(self.running))
        if how == "good":
            self.breaker.succeeded(epoch, 0.1, self.now)
        elif how == "cancelled":
            self.breaker.leave(epoch)
        elif self.breaker.failed(epoch, 0.1, self.now):
            self.breaker.eject(self.now)

    @invariant()
    def one_probe_at_a_time(self) -> None:
        if self.breaker.state is State.HALF_OPEN:
            probes = [is_probe for epoch, is_probe in self.running if epoch == self.breaker.epoch]
            assert len(probes) == self.breaker.probing <= 1

    @invariant()
    def an_open_one_comes_back(self) -> None:
        if self.breaker.state is State.OPEN:
            assert self.breaker.admits(self.now + 300.0)

    @invariant()
    def a_spotless_one_is_closed(self) -> None:
        assert not self.breaker.is_spotless or self.breaker.state is State.CLOSED


TestBreakerStory = BreakerStory.TestCase
TestBreakerStory.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


@given(st.integers(1, 10_000))
def test_no_ejection_is_longer_than_five_minutes(times: int) -> None:
    """Envoy's max_ejection_time."""
    assert 30.0 <= BreakerPolicy().ejection(times) <= 300.0
