"""Faults made on purpose in what passes through, as a rehearsal and as a developer's header want them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from bff.clock import SystemClock
from bff.config import ServiceConfig
from bff.sdk.failures import ServiceConnectionLost
from bff.services.client import ServiceClient
from bff.services.faultyway import FaultyWay
from bff.services.passing import Onward
from bff.services.transport import Transports
from bff.testing.clock import ManualClock, settle
from tests.services.test_calmway import PlayedExchange

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]


class PlayedWay:
    """Answers each request with 200 and ``ok``; ``opened`` are its exchanges."""

    def __init__(self) -> None:
        self.opened: list[PlayedExchange] = []

    async def open(self, onward: Onward) -> Any:
        self.opened.append(
            PlayedExchange(101 if onward.upgrade else 200, "h:1", switches=bool(onward.upgrade))
        )
        return self.opened[-1]


def asks(fault: str, flags: list[str], **more: Any) -> Onward:
    return Onward(method="GET", path=b"/", fields=[], fault=fault, flag=flags.append, **more)


def faulty(inner: PlayedWay, clock: ManualClock) -> FaultyWay:
    return FaultyWay(inner, (), "users", clock=clock, random=Random(1))


async def body_of(exchange: Any) -> bytes:
    return b"".join([piece async for piece in exchange.parts()])


async def test_nothing_is_spoilt_that_nobody_wants_to_be() -> None:
    inner, flags = PlayedWay(), list[str]()
    exchange = await faulty(inner, ManualClock()).open(asks("", flags))
    assert exchange is inner.opened[0]
    assert flags == []


async def test_an_abort_is_answered_instead_of_sent() -> None:
    inner, flags = PlayedWay(), list[str]()
    exchange = await faulty(inner, ManualClock()).open(asks("abort:418", flags))
    assert (exchange.status, exchange.whole(), await body_of(exchange)) == (418, b"", b"")
    assert (b"cache-control", b"no-store") in exchange.fields
    await exchange.aclose()
    assert (inner.opened, flags) == ([], ["FI"])


async def test_a_reset_has_had_its_effect_and_leaves_no_connection() -> None:
    inner, flags = PlayedWay(), list[str]()
    with pytest.raises(ServiceConnectionLost):
        await faulty(inner, ManualClock()).open(asks("reset", flags))
    assert [each.is_closed for each in inner.opened] == [True]
    assert flags == ["FI"]


async def test_a_cut_body_never_looks_whole() -> None:
    inner = PlayedWay()
    exchange = await faulty(inner, ManualClock()).open(asks("cut-body", []))
    parts = exchange.parts()
    assert (exchange.whole(), await anext(parts)) == (None, b"o")
    with pytest.raises(ServiceConnectionLost):
        await anext(parts)


@pytest.mark.parametrize("kind", ["delay", "slow-body"])
async def test_a_delay_passes_on_the_clock_of_the_house(kind: str) -> None:
    async def whole() -> bytes:
        return await body_of(await way.open(asks(f"{kind}:2s", flags)))

    inner, clock, flags = PlayedWay(), ManualClock(), list[str]()
    way = faulty(inner, clock)
    asking = asyncio.ensure_future(whole())
    await settle()
    assert len(inner.opened) == (0 if kind == "delay" else 1)
    await clock.advance(1.9)
    assert not asking.done()
    await clock.advance(0.2)
    assert (await asking, flags) == (b"ok", ["DI"])


async def test_a_conversation_is_left_alone_once_it_has_begun() -> None:
    inner = PlayedWay()
    exchange = await faulty(inner, ManualClock()).open(asks("cut-body", [], upgrade=b"websocket"))
    assert exchange is inner.opened[0]


async def test_a_service_with_faults_has_them_in_what_passes_through(upstream: MakeUpstream) -> None:
    """Those whose header the request carries, by routes.yaml."""
    there, clock = await upstream(), SystemClock()
    section = {
        "url": there.url,
        "timeout": "60s",
        "faults": [{"type": "abort", "status": 418, "match": {"x-rehearsal": "yes"}}],
    }
    client = ServiceClient(
        "users", ServiceConfig.model_validate(section), clock=clock, make_transport=Transports(clock).make
    )
    statuses = []
    for fields in ([], [(b"x-rehearsal", b"no")], [(b"x-rehearsal", b"yes")]):
        exchange = await client.open(Onward(method="GET", path=b"/", fields=fields))
        statuses.append(exchange.status)
        await exchange.aclose()
    await client.aclose()
    assert (statuses, len(there.requests)) == ([200, 200, 418], 2)
