"""Knative's garbage collection, as a pure decision over every side of its four keys."""

from __future__ import annotations

import pytest

from bff.revisions.store.records import Published
from bff.revisions.store.retention import HOUR, Retention, collectable

NOW = 1_000 * HOUR


def version(number: int, *, age: float, idle: float | None = None) -> Published:
    """Made ``age`` hours ago, without traffic for ``idle`` hours; None: never had any."""
    return Published(
        function="home",
        number=number,
        name=f"home-{number:05d}",
        digest=str(number),
        created=NOW - age * HOUR,
        last_active=0.0 if idle is None else NOW - idle * HOUR,
    )


def gone(versions: list[Published], policy: Retention, kept: frozenset[str] = frozenset()) -> list[int]:
    return [each.number for each in collectable(versions, kept, policy, NOW)]


OLD = [version(number, age=200 - number, idle=100 - number) for number in range(1, 31)]


def test_the_defaults_are_knatives() -> None:
    assert Retention() == Retention(since_create=48 * 3600, since_active=15 * 3600, least=20, most=1000)


def test_twenty_stay_however_old_and_the_longest_idle_go_first() -> None:
    assert gone(OLD, Retention()) == list(range(1, 11))
    assert gone(OLD[:20], Retention()) == []


@pytest.mark.parametrize(
    ("age", "idle", "goes"),
    [
        (48, 15, True),
        (47.9, 15, False),
        (48, 14.9, False),
        (48, None, True),
        (47.9, None, False),
        (500, 0, False),
    ],
)
def test_a_revision_is_old_by_both_times(age: float, idle: float | None, goes: bool) -> None:
    assert gone([version(1, age=age, idle=idle)], Retention(least=0)) == [1] * goes


def test_a_bound_that_is_off_does_not_count_and_with_both_off_age_never_does() -> None:
    young, idle = version(1, age=1, idle=1), version(2, age=1, idle=20)
    assert gone([young, idle], Retention(since_create=None, least=0)) == [2]
    old = version(3, age=50, idle=1)
    assert gone([young, old], Retention(since_active=None, least=0)) == [3]
    assert gone(OLD, Retention(since_create=None, since_active=None, least=0)) == []


def test_what_is_kept_neither_goes_nor_counts() -> None:
    """Routed, tagged and newest ones are no part of the twenty."""
    kept = frozenset(each.name for each in OLD[:5])
    assert gone(OLD, Retention(least=20), kept) == [6, 7, 8, 9, 10]


def test_beyond_the_most_even_young_ones_go() -> None:
    young = [version(number, age=2 - number / 100) for number in range(1, 31)]
    assert gone(young, Retention(least=0, most=25)) == [1, 2, 3, 4, 5]
    assert gone(young, Retention(least=0, most=None)) == []
    assert gone(young, Retention(least=28, most=25)) == [1, 2], "the least wins"
    assert gone(young, Retention(least=0, most=0)) == list(range(1, 31))
