"""What served before, as a stack: over moves, releases and going back."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bff.revisions.past import MOST, Shares, after, last_good

ONE, TWO, THREE = {"1": 100}, {"2": 100}, {"3": 100}
SPLIT = {"1": 50, "2": 50}
ALL = ("1", "2", "3")


def moved(*states: Shares, past: tuple[Shares, ...] = ()) -> tuple[Shares, ...]:
    """The past after each of these came into force, by hand."""
    for before, now in pairwise(states):
        past = after(past, before, now, was_settled=True, goes_back=False)
    return past


def test_what_was_in_force_is_the_past() -> None:
    """Shares and all; what did not change is no step."""
    assert moved(ONE, SPLIT, SPLIT, TWO) == (ONE, SPLIT)
    assert moved({}, ONE) == ()


def test_a_step_of_a_release_is_no_past() -> None:
    """It was under suspicion all the time."""
    past = moved(ONE, {"2": 10, "1": 90})
    assert after(past, {"2": 10, "1": 90}, TWO, was_settled=False, goes_back=False) == (ONE,)


def test_going_back_twice_goes_further_back() -> None:
    """What was fled from is forgotten; so is what lies between it and where one went."""
    past = moved(ONE, TWO, THREE)
    once = after(past, THREE, TWO, was_settled=True, goes_back=True)
    assert once == (ONE,)
    assert after(once, TWO, ONE, was_settled=True, goes_back=True) == ()
    assert after(past, THREE, ONE, was_settled=True, goes_back=True) == ()


def test_going_where_one_never_was_keeps_the_way_back() -> None:
    assert after((ONE, TWO), THREE, {"7": 100}, was_settled=True, goes_back=True) == (ONE, TWO)


def test_what_is_gone_back_to_could_serve_again() -> None:
    """Nothing condemned, nothing that was collected, not what is in force already."""

    def found(now: Shares, *, kept: tuple[str, ...] = ALL, condemned: str = "") -> Mapping[str, int] | None:
        return last_good((ONE, SPLIT, THREE), now, kept=kept, condemned=condemned)

    assert found(TWO) == THREE
    assert found(THREE) == SPLIT
    assert found(TWO, condemned="3") == SPLIT
    assert found(TWO, condemned="32") == ONE
    assert found(TWO, kept=("1",)) == ONE
    assert found(TWO, condemned="123") is None
    assert last_good((), TWO, kept=ALL, condemned="") is None


@given(st.lists(st.sampled_from([ONE, TWO, THREE, SPLIT]), max_size=120))
def test_the_past_is_bounded(states: list[Shares]) -> None:
    assert len(moved(*states)) <= MOST
