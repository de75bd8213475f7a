"""How many endpoints may be out, and whose failure counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services.outlier import OutlierPolicy, is_endpoints_fault, is_panicking, may_eject
from bff.services.retry import Condition, Failed

PERCENT = st.floats(0, 100)


@pytest.mark.parametrize(
    ("total", "ejected", "allowed"),
    [
        (1, 0, True),
        (2, 1, False),
        (10, 0, True),
        (10, 1, False),
        (19, 1, False),
        (20, 1, True),
        (30, 3, False),
    ],
)
def test_a_tenth_but_at_least_one(total: int, ejected: int, allowed: bool) -> None:
    """Envoy's max_ejection_percent of 10."""
    assert may_eject(total, ejected, OutlierPolicy()) is allowed


@given(st.integers(1, 500), PERCENT)
def test_however_many_ask_the_percentage_holds(total: int, percent: float) -> None:
    """Ejecting as long as one may: never more than the share, or one."""
    policy, ejected = OutlierPolicy(max_ejection=percent), 0
    while ejected < total and may_eject(total, ejected, policy):
        ejected += 1
    assert ejected == 1 or ejected * 100 <= percent * total


@pytest.mark.parametrize(
    ("total", "admitted", "panics"),
    [(1, 0, False), (2, 1, False), (2, 0, True), (4, 2, False), (4, 1, True), (10, 4, True), (10, 5, False)],
)
def test_panic_begins_below_half(total: int, admitted: int, panics: bool) -> None:
    """Envoy's healthy_panic_threshold of 50; one alone never panics."""
    assert is_panicking(total, admitted, OutlierPolicy()) is panics


@given(st.integers(2, 500), st.integers(0, 500), PERCENT)
def test_where_nobody_is_left_there_is_panic_unless_it_is_switched_off(
    total: int, admitted: int, percent: float
) -> None:
    """A threshold of 0 switches it off; above it, nobody is ever left without an endpoint."""
    policy = OutlierPolicy(panic=percent)
    assert is_panicking(total, 0, policy) == (percent > 0)
    assert not is_panicking(total, total, policy)


@pytest.mark.parametrize("condition", Condition)
def test_whose_failure_counts(condition: Condition) -> None:
    """A 500 of one that stands alone does not: it may be one bad path of a whole load balancer."""
    failed = Failed(condition=condition)
    assert is_endpoints_fault(failed, alone=False) == (condition is not Condition.LIMITED)
    assert is_endpoints_fault(failed, alone=True) == (condition not in (Condition.LIMITED, Condition.SERVER))


def test_an_answer_is_nobodys_failure() -> None:
    """Whatever it says."""
    assert not is_endpoints_fault(None, alone=True)
    assert not is_endpoints_fault(None, alone=False)
