"""A second request beside a slow one: after the usual time, for few calls, and never in vain."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bff.services.budget import RetryBudget
from bff.services.hedge import SHORTEST_DELAY, HedgePolicy, delay
from bff.services.latency import Latency


def seen(*took: float) -> Latency:
    latency = Latency()
    for seconds in took:
        latency.note(seconds, 100.0)
    return latency


def test_a_hedge_waits_for_the_latency_that_all_but_its_share_keep() -> None:
    """1 % of extra load: after the 99th percentile."""
    latency = seen(*[0.01] * 990, *[1.0] * 10)
    wait = delay(HedgePolicy(max_extra_load=0.01), latency, 100.0, remaining=5.0)
    assert wait is not None
    assert 0.01 <= wait < 0.0105


def test_nobody_hedges_on_a_guess() -> None:
    """99 calls do not show a 99th percentile."""
    assert delay(HedgePolicy(), seen(*[0.01] * 99), 100.0, remaining=5.0) is None
    assert delay(HedgePolicy(), seen(*[0.01] * 100), 100.0, remaining=5.0) is not None


def test_a_hedge_that_could_not_answer_in_time_is_not_sent() -> None:
    """It would begin after the usual time and take as long again."""
    latency = seen(*[0.4] * 200)
    assert delay(HedgePolicy(), latency, 100.0, remaining=1.0) is not None
    assert delay(HedgePolicy(), latency, 100.0, remaining=0.7) is None


def test_no_hedge_comes_sooner_than_a_millisecond() -> None:
    """Timers are not finer, and a service that fast needs none."""
    assert delay(HedgePolicy(), seen(*[0.00002] * 200), 100.0, remaining=5.0) == SHORTEST_DELAY


@given(st.floats(0.005, 0.5), st.lists(st.floats(0.0001, 30.0), max_size=300), st.floats(0, 30))
def test_a_delay_is_always_half_of_what_is_left_at_most(
    share: float, took: list[float], remaining: float
) -> None:
    """Whatever was seen."""
    wait = delay(HedgePolicy(max_extra_load=share), seen(*took), 100.0, remaining=remaining)
    assert wait is None or SHORTEST_DELAY <= wait < remaining


def test_a_bimodal_service_loses_its_tail_for_the_share() -> None:
    """1.5 % of the calls take 200 ms instead of 5: hedged at 2 %, p99 is halved and more, for 2 % more calls.

    Simulated call by call with the real delay, histogram and budget; a call's hedge is as likely to be slow.
    """
    policy, random = HedgePolicy(max_extra_load=0.02), Random(3)
    latency, budget, now = Latency(), RetryBudget(HedgePolicy(max_extra_load=0.02).budget), 100.0

    def once() -> float:
        return random.uniform(0.18, 0.22) if random.random() < 0.015 else random.uniform(0.004, 0.006)

    plain, hedged, extra, count = [], [], 0, 20_000
    for _ in range(count):
        now += 0.002
        budget.deposit(now)
        first = once()
        plain.append(first)
        wait = delay(policy, latency, now, remaining=2.0)
        if wait is not None and first > wait and budget.withdraw(now):
            extra += 1
            hedged.append(min(first, wait + once()))
        else:
            hedged.append(first)
        latency.note(hedged[-1], now)
    assert sorted(hedged)[int(count * 0.99)] <= sorted(plain)[int(count * 0.99)] / 2
    assert extra <= 0.02 * count
