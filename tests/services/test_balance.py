"""Who gets the next call: fewer calls first, weights kept, newcomers gently."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services.balance import (
    Algorithm,
    BalancePolicy,
    Balancer,
    RoundRobin,
    effective_weight,
    least_request,
)


@dataclass(eq=False)
class One:
    name: str
    weight: float = 1.0
    active: int = 0
    joined: float = 0.0


LEAST, TURNS = BalancePolicy(), BalancePolicy(algorithm=Algorithm.ROUND_ROBIN)
ONES = st.lists(
    st.builds(One, st.just("x"), st.floats(0.1, 100), st.integers(0, 50), st.floats(0, 100)),
    min_size=1,
    max_size=12,
)


def test_in_turn_means_in_turn() -> None:
    """Equals alternate, none twice before the others."""
    ones, turns = [One("a"), One("b"), One("c")], RoundRobin()
    names = [turns.next(ones, TURNS, 0.0).name for _ in range(9)]
    assert Counter(names) == {"a": 3, "b": 3, "c": 3}
    assert all(len(set(names[at : at + 3])) == 3 for at in range(7))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_turns_are_as_many_as_weights(weights: list[int]) -> None:
    """In as many turns as the weights' sum, everybody has exactly its weight of them."""
    ones, turns = [One(str(at), float(weight)) for at, weight in enumerate(weights)], RoundRobin()
    if len(set(weights)) > 1:
        got = Counter(turns.next(ones, TURNS, 0.0).name for _ in range(sum(weights)))
        assert [got[one.name] for one in ones] == weights


def test_weights_are_spread_not_bunched() -> None:
    """nginx's example: 5, 1, 1 gives a a b a c a a, and not five of a first."""
    ones, turns = [One("a", 5.0), One("b"), One("c")], RoundRobin()
    assert "".join(turns.next(ones, TURNS, 0.0).name for _ in range(7)) == "aabacaa"


def test_of_two_the_idler_one_is_chosen() -> None:
    """With two there is nothing random about it."""
    busy, idle = One("busy", active=3), One("idle", active=2)
    assert {least_request([busy, idle], LEAST, 0.0, Random(seed)).name for seed in range(20)} == {"idle"}


def test_a_heavier_one_carries_more_at_a_time() -> None:
    """Weight 4 with five calls is idler than weight 1 with two."""
    big, small = One("big", weight=4.0, active=5), One("small", active=2)
    assert least_request([big, small], LEAST, 0.0, Random(1)).name == "big"


@given(ONES, st.integers(), st.floats(0, 200), st.floats(0, 60))
def test_a_choice_is_always_one_of_them_and_never_the_worst_of_all(
    ones: list[One], seed: int, now: float, slow_start: float
) -> None:
    """Two distinct ones are compared, so the single busiest one is never taken where there is another."""
    policy = BalancePolicy(slow_start=slow_start)
    chosen = least_request(ones, policy, now, Random(seed))
    assert chosen in ones

    def load(one: One) -> float:
        return (one.active + 1) / effective_weight(one, policy, now)

    if len(ones) > 1:
        others = [load(one) for one in ones if one is not chosen]
        assert load(chosen) <= max(others) * (1 + 1e-9)


def test_two_choices_keep_lines_short() -> None:
    """A thousand calls that never end, over a hundred endpoints: the longest line is near the mean of ten."""
    ones, random = [One(str(at)) for at in range(100)], Random(5)
    for _ in range(1000):
        least_request(ones, LEAST, 0.0, random).active += 1
    assert max(one.active for one in ones) <= 13


@pytest.mark.parametrize(
    ("age", "share"), [(0, 0.1), (2, 0.1), (15, 0.5), (29.9, 0.997), (30, 1.0), (1000, 1.0)]
)
def test_a_new_endpoint_begins_with_a_tenth(age: float, share: float) -> None:
    """And has all of its weight after slow_start."""
    policy = BalancePolicy(slow_start=30.0)
    assert effective_weight(One("new", 2.0, joined=100.0), policy, 100.0 + age) == pytest.approx(
        2 * share, rel=0.01
    )


def test_slow_start_is_seen_in_the_turns() -> None:
    """One that has just joined gets about a tenth of what the others get."""
    policy = BalancePolicy(algorithm=Algorithm.ROUND_ROBIN, slow_start=30.0)
    ones = [One("old"), One("new", joined=1000.0)]
    turns = RoundRobin()
    got = Counter(turns.next(ones, policy, 1000.0).name for _ in range(110))
    assert got == {"old": 100, "new": 10}


def test_endpoints_come_and_go_between_turns() -> None:
    """Credits of those who left are forgotten, and nobody starves."""
    turns = RoundRobin()
    for turn in range(200):
        ones = [One("a", 3.0), One("b", 1.0)] + ([One("c", 2.0)] if turn % 2 else [])
        turns.next(ones, TURNS, 0.0)
    assert len(turns._credit) <= 3


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_balancer_follows_its_policy_and_its_seed(algorithm: Algorithm) -> None:
    """The same seed gives the same choices: a failure can be repeated."""
    ones = [One(name) for name in "abcde"]

    def choices() -> str:
        balancer = Balancer(BalancePolicy(algorithm=algorithm), Random(11))
        return "".join(balancer.choose(ones, 0.0).name for _ in range(50))

    assert choices() == choices()
    assert set(choices()) == set("abcde")
