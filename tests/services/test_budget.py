"""Retries and hedges of a service take from one purse, and it is never overdrawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services.budget import BudgetPolicy, RetryBudget

STEPS = st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=300)


def drained(budget: RetryBudget, now: float) -> int:
    taken = 0
    while budget.withdraw(now):
        taken += 1
    return taken


def test_a_service_nobody_called_may_retry_three_times_a_second() -> None:
    """The reserve of a ten-second window is thirty, and it comes back once the window has passed."""
    budget = RetryBudget()
    assert drained(budget, 100.0) == 30
    assert drained(budget, 105.0) == 0
    assert drained(budget, 110.0) == 30


def test_a_fifth_of_the_calls_may_be_sent_again() -> None:
    """A thousand calls pay for two hundred retries, beside the reserve."""
    budget = RetryBudget()
    for call in range(1000):
        budget.deposit(100.0 + call / 1000)
    assert drained(budget, 101.0) == 230


def test_calls_are_forgotten_after_the_window() -> None:
    """A burst an hour ago pays for nothing today."""
    budget = RetryBudget()
    for _ in range(1000):
        budget.deposit(100.0)
    assert drained(budget, 109.9) == 230
    assert drained(budget, 3700.0) == 30


def test_a_budget_of_nothing_gives_nothing() -> None:
    """No ratio and no reserve: retries are off."""
    budget = RetryBudget(BudgetPolicy(ratio=0.0, per_second=0.0))
    budget.deposit(1.0)
    assert not budget.withdraw(1.0)


@given(STEPS, st.floats(0, 1), st.floats(0, 10))
def test_no_window_sees_more_retries_than_its_calls_paid_for(
    steps: list[tuple[float, bool]], ratio: float, per_second: float
) -> None:
    """Whatever the order and the pauses: of the last ten seconds' calls a share, and the reserve, no more."""
    policy = BudgetPolicy(ratio=ratio, per_second=per_second)
    budget, now = RetryBudget(policy), 50.0
    calls: list[float] = []
    retries: list[float] = []
    for pause, is_call in steps:
        now += pause
        if is_call:
            budget.deposit(now)
            calls.append(now)
        elif budget.withdraw(now):
            retries.append(now)
            # The nine whole slots before this one, and what there is of this one.
            since = (int(now) - 9) * policy.ttl / 10
            paid = sum(at >= since for at in calls)
            taken = sum(at >= since for at in retries)
            assert taken <= ratio * paid + policy.reserve + 1e-9


@given(STEPS)
def test_a_storm_is_bounded_over_any_length(steps: list[tuple[float, bool]]) -> None:
    """In all: a fifth of the calls, three a second, and one reserve more for the beginning and one for the end."""
    budget, now, called, retried = RetryBudget(), 50.0, 0, 0
    for pause, is_call in steps:
        now += pause
        if is_call:
            budget.deposit(now)
            called += 1
        retried += drained(budget, now)
    assert retried <= 0.2 * called + 3 * (now - 50.0) + 60


@pytest.mark.parametrize("rate", [200, 1000])
def test_a_service_that_always_fails_is_sent_a_quarter_more_at_most(rate: int) -> None:
    """Everybody wants two retries for every call, for a minute: 1.25 times the calls offered is the bound."""
    budget, sent = RetryBudget(), 0
    for call in range(rate * 60):
        now = 1000.0 + call / rate
        budget.deposit(now)
        sent += 1 + budget.withdraw(now) + budget.withdraw(now)
    assert sent <= 1.25 * rate * 60
    assert sent >= 1.19 * rate * 60  # and what there is may be used
