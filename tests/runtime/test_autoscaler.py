"""The pure half of scaling: Knative's KPA, case by case and as properties."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.runtime.autoscaler import Decision, Memory, Policy, Seen, decide

TEN = Policy(target=10, utilization=100)


def seen(ready: int, load: float, *, panic: float | None = None, last_call: float | None = 0.0) -> Seen:
    return Seen(
        ready=ready,
        stable=load,
        panic=load if panic is None else panic,
        in_flight=int(load),
        last_call=last_call,
    )


@pytest.mark.parametrize(
    ("ready", "load", "wanted"),
    [
        (1, 10, 1),  # exactly what one carries
        (1, 11, 2),
        (3, 25, 3),
        (3, 31, 4),
        (4, 15, 2),  # two would do, and halving is as fast as it may fall
        (8, 1, 4),
        (0, 5, 1),
    ],
)
def test_the_number_follows_the_load(ready: int, load: float, wanted: int) -> None:
    """ceil(load ÷ target), no faster down than by half (max-scale-down-rate 2)."""
    assert decide(seen(ready, load), TEN, now=100.0, memory=Memory()).instances == wanted


def test_the_default_target_is_seventy_calls_an_instance() -> None:
    """Knative's default: 70 % of 100."""
    assert Policy().per_instance == pytest.approx(70.0)
    assert decide(seen(1, 70), Policy(), 0.0, Memory()).instances == 1
    assert decide(seen(1, 71), Policy(), 0.0, Memory()).instances == 2


def test_a_burst_begins_panic_and_panic_never_falls() -> None:
    """At twice the capacity within the short window the number jumps, and stays until a stable window
    after the burst."""
    burst = decide(seen(2, 10, panic=45), TEN, 10.0, Memory())
    assert (burst.instances, burst.is_panicking) == (5, True)
    calm = decide(seen(5, 10, panic=1), TEN, 30.0, burst.memory)
    assert (calm.instances, calm.is_panicking) == (5, True)
    after = decide(seen(5, 10, panic=1), TEN, 70.0, calm.memory)
    assert (after.instances, after.is_panicking) == (2, False)


def test_the_last_instance_waits_for_idle() -> None:
    """No call for ``idle`` seconds, and nobody inside: then it goes; not a moment before."""
    policy = Policy(idle=60)
    assert decide(seen(1, 0, last_call=40.0), policy, 99.9, Memory()).instances == 1
    assert decide(seen(1, 0, last_call=40.0), policy, 100.0, Memory()).instances == 0
    busy = replace(seen(1, 0, last_call=0.0), in_flight=1)
    assert decide(busy, policy, 1000.0, Memory()).instances == 1


def test_idle_alone_decides_on_the_last_instance() -> None:
    """However long the window: what it still remembers keeps nobody warm whom nobody calls."""
    policy = replace(TEN, window=60, idle=2)
    remembered = replace(seen(1, 8), in_flight=0, last_call=10.0)
    assert decide(remembered, policy, 11.9, Memory()).instances == 1
    assert decide(remembered, policy, 12.0, Memory()).instances == 0


def test_many_go_by_halves_once_nobody_calls() -> None:
    """As fast as the rate allows, not all at once."""
    policy, ready, counts = replace(TEN, idle=2), 8, []
    while ready:
        ready = decide(seen(ready, 0, last_call=0.0), policy, 100.0, Memory()).instances
        counts.append(ready)
    assert counts == [4, 2, 1, 0]


@pytest.mark.parametrize(("activation", "ready"), [(2, 2), (3, 8), (5, 1)])
def test_activation_holds_while_there_is_load_and_no_longer(activation: int, ready: int) -> None:
    """Knative asks what the load wants, before the rates: without any, the last ones go."""
    policy = replace(TEN, activation=activation, idle=30)
    assert decide(seen(ready, 1), policy, 10.0, Memory()).instances == max(activation, ready // 2)
    for _ in range(5):
        ready = decide(seen(ready, 0, last_call=0.0), policy, 60.0, Memory()).instances
    assert ready == 0


def test_in_panic_the_larger_of_the_two_windows_counts() -> None:
    """At an end of a burst the stable window may ask for more than the short one."""
    decision = decide(seen(1, 700, panic=280), Policy(), 0.0, Memory())
    assert (decision.instances, decision.is_panicking) == (10, True)


def test_bounds_are_kept() -> None:
    """``min`` holds without any call, ``max`` under any load, ``activation`` once there is load."""
    assert decide(seen(1, 0, last_call=None), Policy(min=1), 1e6, Memory()).instances == 1
    assert decide(seen(1, 500), replace(TEN, max=3), 0.0, Memory()).instances == 3
    assert decide(seen(0, 1), replace(TEN, activation=3), 0.0, Memory()).instances == 3


def test_scale_down_waits_for_its_delay() -> None:
    """Fewer only when fewer were wanted for the whole ``scale_down_delay``."""
    policy = replace(TEN, scale_down_delay=30)
    first = decide(seen(4, 40), policy, 0.0, Memory())
    later = decide(seen(4, 21), policy, 20.0, first.memory)
    assert later.instances == 4
    assert decide(seen(4, 21), policy, 31.0, later.memory).instances == 3


loads = st.floats(0, 5000)
policies = st.builds(
    Policy,
    min=st.integers(0, 3),
    max=st.sampled_from([0, 3, 10]),
    target=st.floats(1, 200),
    scale_down_delay=st.sampled_from([0.0, 10.0]),
    activation=st.integers(1, 3),
    window=st.sampled_from([6.0, 60.0, 600.0]),
    idle=st.sampled_from([1.0, 60.0]),
    panic_window_percentage=st.sampled_from([1.0, 10.0, 100.0]),
    panic_threshold_percentage=st.sampled_from([110.0, 200.0]),
)


@given(policy=policies, ready=st.integers(1, 40), load=loads)
def test_without_calls_every_story_ends_at_min(policy: Policy, ready: int, load: float) -> None:
    """After a burst, in whatever mode it left the scaler, and whatever the policy."""
    start = decide(seen(ready, load, panic=load), policy, 0.0, Memory())
    ready, memory, now = start.instances, start.memory, 0.0
    for _ in range(20):  # by halves
        now += 700.0
        decision = decide(seen(ready, 0, last_call=0.0), policy, now, memory)
        ready, memory = decision.instances, decision.memory
    assert ready == policy.min


@given(policy=policies, story=st.lists(st.tuples(st.floats(0.1, 30), loads, loads), max_size=20))
def test_any_story_stays_within_bounds(policy: Policy, story: list[tuple[float, float, float]]) -> None:
    """min ≤ n ≤ max always; n never falls below half at once while there is load; panic never falls."""
    now, ready, memory = 0.0, 1, Memory()
    for gap, stable, panic in story:
        now += gap
        decision: Decision = decide(seen(ready, stable, panic=panic, last_call=now), policy, now, memory)
        assert decision.instances >= policy.min
        assert not policy.max or decision.instances <= policy.max
        if decision.is_panicking and not policy.max:
            assert decision.instances >= ready
        ready, memory = decision.instances, decision.memory


@given(policy=policies, load=loads, more=st.floats(0, 100))
def test_more_load_never_means_fewer(policy: Policy, load: float, more: float) -> None:
    """The decision grows with the load."""
    less = decide(seen(2, load), policy, 0.0, Memory()).instances
    assert decide(seen(2, load + more), policy, 0.0, Memory()).instances >= less
