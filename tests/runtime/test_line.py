"""The line before a full function: in order, bounded, and no place is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.errors import Overloaded
from bff.runtime.line import Line


def run(story: Callable[[], Any]) -> Any:
    return asyncio.run(story())


def test_places_go_in_the_order_of_arrival() -> None:
    """First come, first served."""

    async def story() -> list[int]:
        line, served = Line[str](give_back=lambda _: None), []

        async def caller(number: int) -> None:
            await line.stand("home")
            served.append(number)

        callers = [asyncio.create_task(caller(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert len(line) == 5
        for _ in range(5):
            assert line.hand_over("a place")
            await asyncio.sleep(0)
        await asyncio.gather(*callers)
        assert not line.hand_over("a place")
        return served

    assert run(story) == [0, 1, 2, 3, 4]


def test_a_full_line_refuses_at_once() -> None:
    """503 with Retry-After, and those who stand keep standing."""

    async def story() -> None:
        line = Line[str](give_back=lambda _: None, longest=1)
        first = asyncio.create_task(line.stand("home"))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await line.stand("home")
        assert (refused.value.status, dict(refused.value.headers())) == (503, {"retry-after": "1"})
        line.hand_over("a place")
        await first

    run(story)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["come", "leave", "hand", "turn", "hand+leave"]), max_size=40))
def test_no_place_is_lost(script: list[str]) -> None:
    """Places handed out = places taken + places given back, whoever leaves in whatever turn."""

    async def story() -> None:
        handed = returned = taken = 0

        def give_back(_: str) -> None:
            nonlocal returned
            returned += 1

        line = Line[str](give_back=give_back)
        callers: list[asyncio.Task[str]] = []
        for what in script:
            living = [caller for caller in callers if not caller.done()]
            if what == "come":
                callers.append(asyncio.create_task(line.stand("home")))
            elif what == "leave" and living:
                living[0].cancel()
            elif what == "hand":
                handed += line.hand_over("a place")
            elif what == "hand+leave" and living:
                handed += line.hand_over("a place")
                living[0].cancel()
            elif what == "turn":
                await asyncio.sleep(0)
        while line.hand_over("a place"):
            handed += 1
        for _ in range(3):
            await asyncio.sleep(0)
        taken = sum(1 for caller in callers if caller.done() and not caller.cancelled())
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        assert handed == taken + returned
        assert line.waiting == 0

    run(story)
