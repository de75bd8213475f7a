"""What is told of each service call: where it went, how often, how much came, how long it waited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import ServiceConnectionLost, ServiceError
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]


def only(call: Invocation) -> CallRecord:
    assert call.calls is not None
    (record,) = call.calls
    return record


@pytest.mark.parametrize("transport", ["bff", "httpx"])
async def test_a_call_says_where_it_went_and_what_came(
    upstream: MakeUpstream, service: MakeService, invocation: Callable[..., Invocation], transport: str
) -> None:
    """Endpoint, one attempt, the bytes of the body; by our transport and by stock httpx."""
    good = await upstream(lambda talk: talk.answer(200, b'{"a": 1}'))
    call = invocation()
    await service(f"{good.url}/v1", call, transport=transport).get("/users/7")
    record = only(call)
    assert (record.endpoint, record.attempts, record.bytes_in, record.how()) == (good.url, 1, 8, "")
    if transport == "bff":
        assert record.sent is not None
        assert record.ended is not None
        assert record.started <= record.sent <= record.ended


async def test_a_second_attempt_is_told(
    upstream: MakeUpstream, service: MakeService, invocation: Callable[..., Invocation]
) -> None:
    """An idle connection had died: the record, and so log and Server-Timing, say that it was sent twice."""

    async def answers_once_each(talk: Any) -> None:
        if talk.request.target == "/first" or flaky.accepted > 1:
            await talk.answer()
        else:
            talk.close()

    flaky = await upstream(answers_once_each)
    users = service(flaky.url, call := invocation())
    await users.get("/first")
    await users.get("/second")
    assert call.calls is not None
    assert [(record.attempts, record.how()) for record in call.calls] == [(1, ""), (2, "2 attempts")]


@pytest.mark.parametrize(
    ("method", "said", "attempts"),
    [("PUT", {}, 1), ("DELETE", {}, 1), ("PUT", {"idempotent": True}, 2), ("GET", {"idempotent": False}, 1)],
)
async def test_what_may_have_had_an_effect_is_repeated_on_its_authors_word_only(
    upstream: MakeUpstream,
    service: MakeService,
    invocation: Callable[..., Invocation],
    method: str,
    said: Any,
    attempts: int,
) -> None:
    """Also where nothing but an idle connection had died: whether the request had arrived, nobody knows."""

    async def answers_once_each(talk: Any) -> None:
        if talk.request.target == "/first" or flaky.accepted > 1:
            await talk.answer()
        else:
            talk.close()

    flaky = await upstream(answers_once_each)
    users = service(flaky.url, call := invocation())
    await users.get("/first")
    if attempts == 1:
        with pytest.raises(ServiceConnectionLost):
            await users.request(method, "/second", **said)
    else:
        await users.request(method, "/second", **said)
    assert call.calls is not None
    assert call.calls[-1].attempts == attempts
    assert [request.target for request in flaky.requests] == ["/first", *["/second"] * attempts]


async def test_a_failed_call_says_how_far_it_came(
    upstream: MakeUpstream, service: MakeService, invocation: Callable[..., Invocation]
) -> None:
    """Sent and lost, each time it was tried, or never sent at all."""
    bad = await upstream(lambda talk: talk.reset() or talk.hang())
    lost = invocation()
    with pytest.raises(ServiceError):
        await service(bad.url, lost).get("/")
    assert (only(lost).endpoint, only(lost).attempts, only(lost).sent is None) == (bad.url, 3, False)
    refused = invocation()
    with pytest.raises(ServiceError):
        await service("http://127.0.0.1:1", refused).get("/")
    assert (only(refused).endpoint, only(refused).attempts, only(refused).sent) == (
        "http://127.0.0.1:1",
        0,
        None,
    )


async def test_waiting_for_a_connection_is_told(
    upstream: MakeUpstream, service: MakeService, invocation: Callable[..., Invocation]
) -> None:
    """What stood in line was sent later than it was started."""
    gate = asyncio.Event()

    async def slow(talk: Any) -> None:
        await gate.wait()
        await talk.answer()

    busy = await upstream(slow)
    call = invocation()
    users = service(busy.url, call, max_connections=1)
    running = [asyncio.ensure_future(users.get("/")) for _ in range(2)]
    await busy.asked.wait()
    gate.set()
    await asyncio.gather(*running)
    assert call.calls is not None
    first, second = call.calls
    assert first.ended is not None
    assert second.sent is not None
    assert second.sent >= first.sent  # type: ignore[operator]


@pytest.mark.parametrize(
    ("unusual", "said"),
    [
        ({}, ""),
        ({"attempts": 1}, ""),
        ({"attempts": 3}, "3 attempts"),
        ({"cached": "hit"}, "cache hit"),
        ({"coalesced": True}, "shared"),
        ({"cached": "stale", "coalesced": True, "attempts": 2}, "cache stale, shared, 2 attempts"),
    ],
)
def test_the_unusual_in_a_few_words(unusual: dict[str, Any], said: str) -> None:
    """What Server-Timing, the log and ``bff invoke`` say; mostly nothing."""
    assert CallRecord("users", "GET", "/", 0.0, **unusual).how() == said
