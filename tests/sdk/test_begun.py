"""Awaiting a call that was begun without a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bff.sdk.begun import Begun, wait_for

pytestmark = pytest.mark.anyio


class Departing:
    """A call that cannot end without a coroutine, which begins by giving way for a turn."""

    def __init__(self) -> None:
        self.told: Callable[[Begun], object] = lambda _: None
        self.has_ended = False
        self.seen: list[str] = []

    def result(self) -> Any:
        raise AssertionError("it has not ended")

    def rest(self) -> Coroutine[Any, Any, Any]:
        async def rest() -> str:
            self.seen.append("begins")
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                self.seen.append("cancelled")
                raise
            return "rest"

        return rest()


class Awaited:
    def __init__(self, begun: Begun) -> None:
        self._begun = begun

    def __await__(self) -> Any:
        return wait_for(self._begun)


async def test_what_is_left_to_do_is_done_by_who_awaits_it() -> None:
    begun = Departing()
    awaiting = asyncio.ensure_future(Awaited(begun))
    await asyncio.sleep(0)
    begun.told(begun)
    assert await awaiting == "rest"


async def test_a_cancellation_in_the_turn_in_which_it_departs_reaches_what_is_left() -> None:
    """Even if that gives way without waiting for anything, as a retry at once does."""
    begun = Departing()
    awaiting = asyncio.ensure_future(Awaited(begun))
    await asyncio.sleep(0)
    begun.told(begun)
    awaiting.cancel()
    await asyncio.wait({awaiting})
    assert awaiting.cancelled()
    assert begun.seen == ["begins", "cancelled"]
