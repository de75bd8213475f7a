"""Flights belong to nobody who waits: they are shared, survive each caller, and end when all have left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.sdk.failures import ServiceUnreachable
from bff.services.coalesce import Flight, Flights

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


class Exchange:
    """What a flight does: it waits to be let go. ``begun`` and ``cancelled`` count."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun = self.cancelled = 0
        self.failure: Exception | None = None

    async def run(self) -> str:
        self.begun += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        return "answer"


async def led(flights: Flights[str], flight: Flight[str], exchange: Exchange) -> str:
    """What whoever begins a flight does."""
    try:
        outcome = await exchange.run()
    except BaseException as failure:
        flights.failed(flight, failure, exchange.run)
        raise
    flights.landed(flight, outcome)
    return outcome


def ask(flights: Flights[str], exchange: Exchange) -> asyncio.Task[str]:
    async def caller() -> str:
        flight = flights.find("key")
        if flight is not None:
            return await flight.wait()
        return await led(flights, flights.begin("key"), exchange)

    return asyncio.ensure_future(caller())


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_at_the_same_time_share_one_flight() -> None:
    flights, exchange = Flights[str](), Exchange()
    callers = [ask(flights, exchange) for _ in range(100)]
    await turn()
    assert (exchange.begun, len(flights)) == (1, 1)
    exchange.gate.set()
    assert await asyncio.gather(*callers) == ["answer"] * 100
    assert len(flights) == 0


async def test_who_comes_after_the_landing_may_still_have_the_outcome() -> None:
    flights, exchange = Flights[str](), Exchange()
    exchange.gate.set()
    flight = flights.begin("key")
    assert await led(flights, flight, exchange) == "answer"
    assert flights.find("key") is None
    assert await flight.wait() == "answer"


@pytest.mark.parametrize("leaving", [0, 1])
async def test_whoever_leaves_takes_nobody_along(leaving: int) -> None:
    flights, exchange = Flights[str](), Exchange()
    callers = [ask(flights, exchange) for _ in range(2)]
    await turn()
    callers[leaving].cancel()
    await turn()
    assert callers[leaving].cancelled()
    exchange.gate.set()
    assert await callers[1 - leaving] == "answer"
    # Who ran it is gone: somebody else does what is left of it (the wire tells what that is).
    assert exchange.begun == (2 if leaving == 0 else 1)
    assert len(flights) == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
async def test_the_last_to_leave_cancels_it_and_the_next_begins_anew(order: tuple[int, ...]) -> None:
    flights, exchange = Flights[str](), Exchange()
    callers = [ask(flights, exchange) for _ in range(3)]
    await turn()
    for at in order:
        callers[at].cancel()
        await turn()
    assert (exchange.cancelled, len(flights)) == (exchange.begun, 0)
    late = ask(flights, exchange)
    exchange.gate.set()
    assert await late == "answer"


async def test_who_comes_in_the_turn_of_the_cancellation_gets_a_flight_of_his_own() -> None:
    flights, exchange = Flights[str](), Exchange()
    first = ask(flights, exchange)
    await turn()
    first.cancel()
    second = ask(flights, exchange)
    await turn()
    exchange.gate.set()
    assert await second == "answer"


async def test_a_failure_is_everybodys_and_each_has_his_own() -> None:
    flights, exchange = Flights[str](), Exchange()
    exchange.failure = ServiceUnreachable("users")
    callers = [ask(flights, exchange) for _ in range(3)]
    await turn()
    exchange.gate.set()
    failures: list[Any] = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(failure) for failure in failures} == {ServiceUnreachable}
    assert len({id(failure) for failure in failures}) == 3
    assert {str(failure) for failure in failures} == {str(exchange.failure)}
    assert {failure.service for failure in failures} == {"users"}


async def test_closing_ends_what_is_carried_on() -> None:
    flights, exchange = Flights[str](), Exchange()
    leading, waiting = ask(flights, exchange), ask(flights, exchange)
    await turn()
    leading.cancel()
    await turn()
    await flights.close()
    await asyncio.wait([waiting])
    assert waiting.cancelled() or waiting.exception() is not None
    assert exchange.cancelled == 2
    assert len(flights) == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ask", "leave", "turn", "land"]), st.integers(0, 5)), max_size=25))
def test_whatever_they_do_who_stays_is_answered(steps: list[tuple[str, int]]) -> None:
    async def story() -> None:
        flights, exchange = Flights[str](), Exchange()
        callers: list[asyncio.Task[str]] = []
        left: set[int] = set()
        for what, number in steps:
            if what == "ask":
                callers.append(ask(flights, exchange))
            elif what == "leave" and callers:
                at = number % len(callers)
                if callers[at].cancel():
                    left.add(at)
            elif what == "turn":
                await asyncio.sleep(0)
            elif what == "land":
                exchange.gate.set()
                await turn()
                exchange.gate.clear()
        exchange.gate.set()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        for at, outcome in enumerate(outcomes):
            if at not in left:
                assert outcome == "answer"
        await turn()
        assert len(flights) == 0

    asyncio.run(story())
