"""The engine's promises for those who come at the same time and are written by the same sentences."""

from __future__ import annotations

import asyncio

import pytest

from bff.events.engine import StoreEngine
from bff.events.records import Accepted, Claimed, Sought, State
from bff.sdk.eventfailures import BacklogFull
from tests.events.conftest import Open, incoming, settled, wanted

pytestmark = pytest.mark.anyio
PLENTY = 1000


async def take(engine: StoreEngine) -> tuple[Claimed, ...]:
    return (await engine.take(wanted(), looks_first=False)).claimed


async def test_who_comes_together_is_counted_together(open_engine: Open) -> None:
    """Of those that are written in one transaction the first have the room, and the others are refused whole; the same
    event twice among them is one.
    """
    engine = open_engine()
    asked = [[incoming(n, "mail", "log")] for n in range(3)]
    asked.insert(1, [incoming(0, "mail", "log", key="again")])
    said = await asyncio.gather(
        *(engine.enqueue(each, backlog=6) for each in asked), engine.enqueue([incoming(9)], backlog=6),
        return_exceptions=True,
    )  # fmt: skip
    assert said[:3] == [
        [Accepted(key="k0000", is_new=True)],
        [Accepted(key="k0000", is_new=False)],
        [Accepted(key="k0001", is_new=True)],
    ]
    assert isinstance(said[3], BacklogFull)
    assert said[4] == [Accepted(key="k0009", is_new=True)]
    assert len(await take(engine)) == 4


async def test_a_moment_whose_predecessor_has_not_ended_is_left_out(open_engine: Open) -> None:
    """`overlap: skip`: its event is stored, so that it is known, and nothing is delivered; also where both come at the
    same time, and on whichever gateway.
    """
    engine, other = open_engine(), open_engine()
    first, second = [
        engine.enqueue([incoming(n, "schedule/warm")], backlog=PLENTY, unless_open="schedule/warm")
        for n in (1, 2)
    ]
    assert [each.is_new for (each,) in await asyncio.gather(first, second)] == [True, True]
    (claimed,) = await take(engine)
    assert claimed.event == "k0001"
    await other.enqueue([incoming(3, "schedule/warm")], backlog=PLENTY, unless_open="schedule/warm")
    assert await take(other) == ()
    await engine.settle(settled(claimed))
    await other.enqueue([incoming(4, "schedule/warm")], backlog=PLENTY, unless_open="schedule/warm")
    assert [each.event for each in await take(other)] == ["k0004"]
    shown = await engine.status("k0002")
    assert shown is not None
    assert shown.deliveries == ()


async def test_ends_that_come_together_are_each_heard_or_not(open_engine: Open) -> None:
    """Written by the same sentences: one that is not ours any more, or comes twice, changes nothing, beside others that
    count.
    """
    engine = open_engine()
    await engine.enqueue([incoming(n, "mail") for n in (1, 2, 3)], backlog=PLENTY)
    one, two, three = await take(engine)
    await engine.cancel("k0002")
    said = await asyncio.gather(
        engine.settle(settled(one, published=(incoming(7),))),
        engine.settle(settled(one, State.DEAD)),
        engine.settle(settled(two, published=(incoming(8),))),
        engine.settle(settled(three, holder="stranger")),
        engine.settle(settled(three, State.WAITING, delay=1000.0)),
    )
    assert said == [True, False, False, False, True]
    states = {kept.key: [str(each.state) for each in of] for kept, of in await engine.list(Sought())}
    assert states == {"k0007": [], "k0003": ["waiting"], "k0002": ["cancelled"], "k0001": ["delivered"]}
