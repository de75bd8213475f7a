"""What a service's section asks holds for calls on connections that are at hand too, where a plain call is begun at
once: none of it is passed by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bff.sdk.failures import ServiceOverloaded
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]
MakeInvocation = Callable[..., Invocation]
LEFT = "x-envoy-expected-rq-timeout-ms"


def where(url: str) -> str:
    return url.removeprefix("http://")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def test_the_time_that_is_left_is_told(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """85 % of the page's, or the service's own where that is less; the second call has the first one's connection."""
    clock, there = ManualClock(), await upstream()
    for seconds, left in ((2.0, "1700"), (60.0, "9000")):
        users = service(there.url, invocation(clock=clock, seconds=seconds), clock=clock, timeout="9s")
        for _ in range(2):
            await users.get("/users")
        assert [each.headers[LEFT] for each in there.requests[-2:]] == [left, left]


async def test_rules_on_headers_are_obeyed(upstream: MakeUpstream, service: MakeService) -> None:
    there = await upstream()
    users = service(there.url, request_headers={"set": {"x-fixed": "1"}})
    for _ in range(2):
        await users.get("/users")
    assert [each.headers.get("x-fixed") for each in there.requests] == ["1", "1"]


async def test_a_service_that_is_full_of_calls_that_wait_refuses(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Before its next attempt a call holds its place and no connection: the idle one is nobody's to take."""
    mood = {"status": 200}

    async def behave(talk: Any) -> None:
        await talk.answer(mood["status"], retry_after="1")

    clock, there = ManualClock(), await upstream(behave)
    call = invocation(clock=clock, seconds=60)
    retries = {"on": ["rate-limited"]}  # which say nothing bad of the endpoint
    users = service(there.url, call, clock=clock, max_connections=1, max_pending=0, retries=retries)
    await users.get("/users")
    mood["status"] = 429
    waiting = asyncio.ensure_future(users.get("/users").run())
    await until(lambda: len((call.calls or [])[-1].tries or []) == 1)
    with pytest.raises(ServiceOverloaded):
        await users.get("/users")
    mood["status"] = 200
    await clock.advance(1.0)
    assert (await waiting).status_code == 200
    assert len(there.requests) == 3


async def test_one_that_was_ejected_is_asked_again_in_time(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Though the others have connections at hand: the first call after its time is its probe."""
    mood = {"status": 503}

    async def behave(talk: Any) -> None:
        await talk.answer(mood["status"])

    clock, sick, well = ManualClock(), await upstream(behave), await upstream()
    users = service(
        "http://users.internal",
        invocation(clock=clock, seconds=600),
        clock=clock,
        endpoints=[where(sick.url), where(well.url)],
        retries={"attempts": 0},
    )
    async with asyncio.timeout(60):
        while len(sick.requests) < 5:
            await users.get("/users", check=False)
    for _ in range(20):
        assert (await users.get("/users")).status_code == 200
    assert len(sick.requests) == 5
    mood["status"] = 200
    await clock.advance(30)
    await users.get("/users")
    assert len(sick.requests) == 6


async def test_an_attempt_has_its_own_time(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Where routes.yaml gives it some: one that hangs is given up, and another is sent."""
    turns: list[Any] = []

    async def behave(talk: Any) -> None:
        await (turns.pop() if turns else talk.answer)()

    clock, there = ManualClock(), await upstream(behave)
    users = service(
        there.url,
        invocation(clock=clock, seconds=60),
        clock=clock,
        retries={"per_try_timeout": "300ms", "backoff": "1ms"},
    )
    await users.get("/users")
    turns.append(asyncio.Event().wait)
    asking = asyncio.ensure_future(_of(users))
    await until(lambda: len(there.requests) == 2)
    async with asyncio.timeout(60):
        while not asking.done():
            await clock.advance(0.05)
            await asyncio.sleep(0.001)
    assert asking.result().status_code == 200
    assert [each.headers[LEFT] for each in there.requests] == ["300"] * 3


async def _of(users: Service) -> Any:
    return await users.get("/users")
