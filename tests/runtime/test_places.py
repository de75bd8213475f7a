"""Places of instances: the calmest first, never more than allowed, and one that becomes free is not lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from bff.runtime.places import Places
from bff.testing.clock import settle

pytestmark = pytest.mark.anyio


@dataclass(eq=False)
class Host:
    """An instance, as far as it is looked at."""

    is_alive: bool = True
    lingering: int = 0


@dataclass
class House:
    """Places with two open instances for two calls each, and what was told of them."""

    emptied: list[Host] = field(default_factory=list)
    missed: int = 0

    def __post_init__(self) -> None:
        self.places: Places[Host] = Places(2, emptied=self.emptied.append, missed=self.miss)
        self.first, self.second = Host(), Host()
        for host in (self.first, self.second):
            self.places.open_up(host)

    def miss(self) -> None:
        self.missed += 1

    def fill(self) -> None:
        while self.places.take() is not None:
            pass


@pytest.fixture
def house() -> House:
    return House()


def test_the_least_busy_one_is_taken_until_all_are_full(house: House) -> None:
    """Of two equally busy ones the older."""
    taken = [house.places.take() for _ in range(5)]
    assert taken == [house.first, house.second, house.first, house.second, None]
    house.places.give_back(house.second)
    assert house.places.calmest() == [house.second, house.first]
    assert house.places.take() is house.second


def test_without_a_limit_one_takes_whoever_comes() -> None:
    places: Places[Host] = Places(0, emptied=lambda _: None, missed=lambda: None)
    places.open_up(host := Host())
    assert {places.take() for _ in range(100)} == {host}
    assert (places.calls, places.busy) == (100, 1)


def test_one_that_parts_is_told_of_when_the_last_has_left(house: House) -> None:
    """And nobody gets into it meanwhile."""
    house.fill()
    house.places.part(house.first)
    house.places.give_back(house.first)
    assert (house.places.take(), house.emptied) == (None, [])
    house.places.give_back(house.first)
    assert house.emptied == [house.first]
    assert (list(house.places.open), list(house.places.parting)) == ([house.second], [house.first])
    house.places.forget(house.first)
    assert (list(house.places.parting), house.places.calls) == ([], 2)


def test_one_that_nobody_is_in_parts_at_once(house: House) -> None:
    """Also one that never was open."""
    late = Host()
    house.places.part(late)
    house.places.part(house.first)
    assert house.emptied == [late, house.first]


def test_the_dead_are_parted_with_when_somebody_would_be_sent_there(house: House) -> None:
    house.first.is_alive = False
    assert house.places.take() is house.second
    assert house.emptied == [house.first]


def test_a_place_is_held_until_its_handler_has_ended(house: House) -> None:
    """A caller that left frees nothing while its handler runs; an end that nobody waits for changes nothing."""
    house.fill()
    house.first.lingering = 1
    house.places.give_back(house.first)
    assert (house.places.calls, house.places.take()) == (4, None)
    house.first.lingering = 0
    house.places.settle(house.first)
    house.places.settle(house.first)
    assert (house.places.calls, house.places.take()) == (3, house.first)


async def test_a_place_goes_to_the_first_in_line(house: House) -> None:
    """It is handed over, not freed: nobody gets in between."""
    house.fill()
    first, second = (asyncio.create_task(house.places.line.stand("home")) for _ in range(2))
    await settle()
    house.places.give_back(house.second)
    assert house.places.take() is None
    await settle()
    assert (first.done(), second.done(), house.places.calls) == (True, False, 4)
    house.places.open_up(third := Host())
    house.places.let_in_everywhere()
    assert [await first, await second] == [house.second, third]


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_place_that_cannot_be_handed_on_is_told_of(house: House, *, is_known: bool) -> None:
    """Its instance is at its end, or has ended: who waits gets another's."""
    house.fill()
    waiting = asyncio.create_task(house.places.line.stand("home"))
    await settle()
    house.first.is_alive = False
    if not is_known:
        house.places.forget(house.first)
    house.places.give_back(house.first)
    assert (house.missed, house.places.calls, waiting.done()) == (1, 2 + is_known, False)
    house.places.give_back(house.second)
    assert await waiting is house.second
