"""The first good answer of several ways to the same part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bff import any_of, gather, optional
from bff.sdk.failures import ServiceUnreachable
from bff.sdk.invocation import Invocation, current

pytestmark = pytest.mark.anyio


class Way:
    """An answer, or a failure, after so many turns of the loop; ``ended`` tells how it went."""

    def __init__(self, outcome: Any, turns: int = 1) -> None:
        self.outcome, self.turns, self.ended = outcome, turns, "not begun"

    def __await__(self) -> Any:
        return self._run().__await__()

    async def _run(self) -> Any:
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "done"
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


async def test_the_first_good_answer_is_taken_and_the_others_have_ended() -> None:
    """Before it returns."""
    slow, quick = Way("slow", 50), Way("quick", 2)
    assert await any_of(slow, quick) == "quick"
    assert (slow.ended, quick.ended) == ("cancelled", "done")


async def test_a_failure_leaves_it_to_the_others() -> None:
    """However quick it was."""
    assert await any_of(Way(ServiceUnreachable("a")), Way(TimeoutError()), Way("late", 9)) == "late"


async def test_when_all_fail_the_last_failure_is_raised_with_the_others_noted() -> None:
    """It says all that happened."""
    with pytest.raises(ServiceUnreachable, match="Service b") as failure:
        await any_of(Way(ServiceUnreachable("b"), 5), Way(ServiceUnreachable("a")))
    assert failure.value.__notes__ == [
        "another part failed too: ServiceUnreachable: Service a could not be reached."
    ]


async def test_a_bug_is_raised_at_once_and_ends_the_others() -> None:
    """It is nobody's fault but the function's."""
    slow = Way("slow", 50)
    with pytest.raises(KeyError):
        await any_of(slow, Way(KeyError("x")))
    assert slow.ended == "cancelled"


async def test_cancelling_the_caller_cancels_every_way() -> None:
    """And waits for them."""
    ways = [Way("a", 1000), Way("b", 1000)]
    asking = asyncio.ensure_future(gather(any_of(*ways)))
    for _ in range(5):
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [way.ended for way in ways] == ["cancelled"] * 2


async def test_it_is_a_part_like_any_other(invocation: Callable[..., Invocation]) -> None:
    """Inside optional and gather; what is missing is named, and why."""
    made = invocation()
    current.set(made)
    parts = await gather(
        any_of(Way("good")), optional(any_of(Way(ServiceUnreachable("prices"))), default="none", name="price")
    )
    assert parts == ("good", "none")
    assert made.missing == ["price"]
    assert made.reasons == {"price": {"code": "service-unreachable", "status": 503, "service": "prices"}}


async def test_one_that_is_never_awaited_begins_nothing() -> None:
    """And nothing at all is a mistake."""
    way = Way("a")
    any_of(way)
    await asyncio.sleep(0)
    assert way.ended == "not begun"
    with pytest.raises(TypeError, match="at least one"):
        any_of()
