"""What happens to a call when its service misbehaves, over real sockets: counted where it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest

from bff.sdk.aggregate import gather
from bff.sdk.call import Call
from bff.sdk.failures import (
    NoHealthyEndpoint,
    ServiceAnswered,
    ServiceConnectionLost,
    ServiceOverloaded,
    ServiceTimedOut,
    ServiceUnreachable,
)
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.testing.clock import ManualClock, settle

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]
MakeInvocation = Callable[..., Invocation]

NOBODY = "http://127.0.0.1:9"
NO_BREAKER = {"consecutive_5xx": 0}
AT_ONCE = {"backoff": "1ms"}


def answers(*statuses: int, then: int = 200, **headers: str) -> Callable[[Any], Awaitable[None]]:
    """A behaviour that gives these statuses one after the other, and ``then`` for ever."""
    left = list(statuses)

    async def behave(talk: Any) -> None:
        status = left.pop(0) if left else then
        await talk.answer(status, b'"good"' if status < 400 else b"{}", **(headers if status >= 400 else {}))

    return behave


async def reset(talk: Any) -> None:
    talk.reset()


async def hang(talk: Any) -> None:
    await talk.hang()


def where(url: str) -> str:
    return url.removeprefix("http://")


# Retries.


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_gateways_trouble_is_tried_again(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation, status: int
) -> None:
    """Twice at most; the record says how often, where, and nothing of trouble that is over; each sending is told."""
    flaky, call = await upstream(answers(status, status)), invocation()
    assert await service(flaky.url, call, retries=AT_ONCE).get("/", into=str) == "good"
    [record] = call.calls or []
    tries = record.tries or []
    assert [(each.status, each.error) for each in tries] == [(status, None), (status, None), (200, None)]
    assert [each.span_id for each in tries] == [
        request.headers["traceparent"].split("-")[2] for request in flaky.requests
    ]
    assert all(before.ended <= after.started for before, after in pairwise(tries))
    assert (record.attempts, record.endpoint, record.flags) == (3, flaky.url, "")
    assert len(flaky.requests) == 3


async def test_each_attempt_is_a_span_of_its_own_and_says_what_time_is_left(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """One trace, three span ids; fewer milliseconds each time."""
    flaky = await upstream(answers(503, 503))
    await service(flaky.url, timeout="40s", retries=AT_ONCE).get("/")
    traces = [each.headers["traceparent"].split("-") for each in flaky.requests]
    assert len({each[1] for each in traces}) == 1
    assert len({each[2] for each in traces}) == 3
    left = [int(each.headers["x-envoy-expected-rq-timeout-ms"]) for each in flaky.requests]
    assert left == sorted(left, reverse=True)
    assert 1000 < left[0] <= 40_000


async def test_the_last_answer_is_handed_over_when_no_retry_is_left(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """As it came, and with Envoy's flag for it."""
    down, call = await upstream(answers(then=503)), invocation()
    with pytest.raises(ServiceAnswered, match="answered 503"):
        await service(down.url, call, retries=AT_ONCE).get("/")
    assert len(down.requests) == 3
    assert (call.calls or [])[0].flags == call.flags == "URX"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("behaviour", [answers(then=503), reset])
async def test_what_may_have_had_an_effect_arrives_once(
    upstream: MakeUpstream, service: MakeService, method: str, behaviour: Any
) -> None:
    """Counted where it arrives: an answer and a lost answer alike."""
    down = await upstream(behaviour)
    with pytest.raises((ServiceAnswered, ServiceConnectionLost)):
        await service(down.url, retries=AT_ONCE).request(method, "/")
    assert len(down.requests) == 1


@pytest.mark.parametrize(
    ("config", "options", "arrives"),
    [
        ({}, {}, 1),
        ({"idempotent": True}, {}, 3),
        ({}, {"idempotent": True}, 3),
        ({"idempotent": True}, {"idempotent": False}, 1),
        ({}, {"headers": {"Idempotency-Key": "k1"}}, 3),
    ],
)
async def test_whoever_vouches_for_a_post_gets_it_sent_again(
    upstream: MakeUpstream, service: MakeService, config: Any, options: Any, arrives: int
) -> None:
    """The service's section, the call itself, which knows better, or its key."""
    down = await upstream(answers(then=503))
    with pytest.raises(ServiceAnswered):
        await service(down.url, retries=AT_ONCE, **config).post("/", json={"a": 1}, **options)
    assert len(down.requests) == arrives
    assert {each.body for each in down.requests} == {b'{"a":1}'}


async def test_a_body_that_is_read_once_is_sent_once(upstream: MakeUpstream, service: MakeService) -> None:
    """Even if it may arrive twice: there is nothing left to send."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async def refuse(talk: Any) -> None:
        await talk.answer(503)
        talk.close()

    for once in ({"content": parts()}, {"files": {"picture": BytesIO(b"x")}}):
        down = await upstream(refuse)
        sending: Any = service(down.url, retries=AT_ONCE).post
        with pytest.raises(ServiceAnswered):
            await sending("/", **once, idempotent=True)
        assert len(down.requests) == 1


async def test_a_call_that_never_arrived_is_tried_again_whatever_it_is(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """A POST to an endpoint where nobody listens goes to the other one."""
    good, call = await upstream(), invocation()
    orders = service(
        "http://orders.internal",
        call,
        endpoints=["127.0.0.1:9", where(good.url)],
        retries=AT_ONCE,
        outlier_detection=NO_BREAKER,
    )
    for _ in range(20):
        await orders.post("/", json=1)
    assert len(good.requests) == 20
    records = call.calls or []
    assert {record.endpoint for record in records} == {good.url}
    assert {record.flags for record in records} == {"", "UF"}


async def test_retry_after_is_waited_for_and_a_long_one_is_not(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """A second is waited for on the clock; ten are the page's to know of."""
    clock = ManualClock()
    soon = await upstream(answers(503, retry_after="1"))
    waiting = asyncio.ensure_future(
        service(soon.url, invocation(clock=clock, seconds=60), clock=clock, timeout="9s").get("/", into=str)
    )
    await soon.asked.wait()
    await arrived(soon, 1)
    await clock.advance(0.9)
    assert len(soon.requests) == 1
    await clock.advance(0.2)
    assert await waiting == "good"
    late = await upstream(answers(503, retry_after="10"))
    with pytest.raises(ServiceAnswered) as failure:
        await service(late.url, retries=AT_ONCE).get("/")
    assert failure.value.headers() == {"retry-after": "10"}
    assert len(late.requests) == 1


async def arrived(upstream: Any, count: int) -> None:
    """Wait until so many requests are there and their answers are on their way."""
    while len(upstream.requests) < count:
        await asyncio.sleep(0.001)
    for _ in range(5):
        await settle()
        await asyncio.sleep(0.002)


async def test_an_attempt_has_a_time_of_its_own_where_that_is_asked_for(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """The first hangs and is given up after per_try_timeout; the second answers."""
    turns = iter([hang])

    async def behave(talk: Any) -> None:
        await next(turns, answers())(talk)

    clock, slow = ManualClock(), await upstream(behave)
    call = invocation(clock=clock, seconds=60)
    asking = asyncio.ensure_future(
        service(
            slow.url, call, clock=clock, timeout="5s", retries={"per_try_timeout": "300ms", **AT_ONCE}
        ).get("/", into=str)
    )
    await slow.asked.wait()
    assert slow.requests[0].headers["x-envoy-expected-rq-timeout-ms"] == "300"
    await clock.advance(0.31)
    assert await asking == "good"
    assert (call.calls or [])[0].attempts == 2


async def test_a_storm_is_bounded_by_the_budget(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Five hundred calls at once to a service that only fails: a fifth more arrive, and the reserve of thirty."""
    clock, down = ManualClock(), await upstream(answers(then=503))
    users = service(
        down.url, invocation(clock=clock), clock=clock, retries=AT_ONCE, outlier_detection=NO_BREAKER
    )
    for _ in range(50):
        calls = asyncio.gather(*[_result(users.get("/")) for _ in range(10)])
        while not calls.done():
            await asyncio.sleep(0.001)
            await clock.advance(0.001)
        assert {type(each) for each in calls.result()} == {ServiceAnswered}
    assert len(down.requests) == 500 + 100 + 30


# Breaker and ejection.


async def test_a_dead_service_is_left_alone_after_five_failures_and_found_again_by_one_probe(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """While it is open nothing arrives; after a second one call goes through, and with its answer all do."""
    mood = {"status": 503}

    async def behave(talk: Any) -> None:
        await talk.answer(mood["status"], b'"good"')

    clock, sick = ManualClock(), await upstream(behave)
    call = invocation(clock=clock, seconds=600)
    users = service(sick.url, call, clock=clock, retries={"attempts": 0})
    for _ in range(5):
        with pytest.raises(ServiceAnswered):
            await users.get("/")
    with pytest.raises(NoHealthyEndpoint) as refused:
        await users.get("/")
    assert (refused.value.status, refused.value.headers()) == (503, {"retry-after": "1"})
    assert (call.calls or [])[-1].flags == "UH"
    assert len(sick.requests) == 5
    mood["status"] = 200
    await clock.advance(1.0)
    assert await users.get("/", into=str) == "good"
    results = await gather(*[users.get("/", into=str) for _ in range(10)])
    assert results == ("good",) * 10


async def test_half_open_lets_one_call_through_at_a_time(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Twenty come when the second is over: one arrives, nineteen are refused."""
    gate, mood = asyncio.Event(), {"dead": True}

    async def behave(talk: Any) -> None:
        if mood["dead"]:
            talk.reset()
            return
        await gate.wait()
        await talk.answer(200, b'"good"')

    clock, sick = ManualClock(), await upstream(behave)
    users = service(sick.url, invocation(clock=clock, seconds=600), clock=clock, retries={"attempts": 0})
    for _ in range(5):
        with pytest.raises(ServiceConnectionLost):
            await users.get("/")
    mood["dead"] = False
    await clock.advance(1.0)
    before = len(sick.requests)
    calls = [asyncio.ensure_future(_result(users.get("/", into=str))) for _ in range(20)]
    await arrived(sick, before + 1)
    assert len(sick.requests) == before + 1
    gate.set()
    results = await asyncio.gather(*calls)
    assert sorted(map(str, results)).count("good") == 1
    assert sum(isinstance(each, NoHealthyEndpoint) for each in results) == 19


async def _result(call: Call[Any]) -> Any:
    try:
        return await call
    except Exception as error:
        return error


async def test_a_500_of_a_single_service_closes_no_other_path(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """One bad path is one bad path."""

    async def behave(talk: Any) -> None:
        await talk.answer(500 if talk.request.target == "/bad" else 200)

    there = await upstream(behave)
    users = service(there.url)
    for _ in range(20):
        with pytest.raises(ServiceAnswered, match="500"):
            await users.get("/bad")
    assert (await users.get("/good")).status_code == 200


async def test_one_bad_endpoint_of_several_is_ejected_and_nobody_notices(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Safe calls are answered by the others all along, and soon the bad one gets none."""
    bad, *good = await upstream(answers(then=500)), await upstream(), await upstream()
    clock = ManualClock()
    call = invocation(clock=clock, seconds=600)
    users = service(
        "http://users.internal",
        call,
        clock=clock,
        endpoints=[where(each.url) for each in (bad, *good)],
        retries={"on": ["5xx"], "backoff": "1ms"},
    )
    for _ in range(60):
        asking = asyncio.ensure_future(_result(users.get("/")))
        while not asking.done():
            await clock.advance(0.01)
            await asyncio.sleep(0.001)
        assert asking.result().status_code == 200
    assert len(bad.requests) == 5
    assert {each.headers["host"] for each in bad.requests} == {"users.internal"}
    assert abs(len(good[0].requests) - len(good[1].requests)) < 50


async def test_each_retry_goes_to_one_that_was_not_asked_yet(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """Of three endpoints one is well: two retries find it every time."""
    bad, worse, good = await upstream(answers(then=503)), await upstream(answers(then=503)), await upstream()
    users = service(
        "http://users.internal",
        endpoints=[where(each.url) for each in (bad, worse, good)],
        retries={**AT_ONCE, "budget": {"percent": "100%", "min_per_second": 10}},
        outlier_detection=NO_BREAKER,
    )
    for _ in range(30):
        assert (await users.get("/")).status_code == 200
    assert len(good.requests) == 30
    assert len(bad.requests) > 5 < len(worse.requests)


# Bulkhead, hedge, time.


@pytest.mark.parametrize("transport", ["bff", "httpx"])
async def test_a_full_service_refuses_at_once(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation, transport: str
) -> None:
    """max_connections under way, max_pending in line, the next one refused; the line is served all the same."""
    gate = asyncio.Event()

    async def behave(talk: Any) -> None:
        await gate.wait()
        await talk.answer(200, b'"good"')

    slow, call = await upstream(behave), invocation()
    users = service(slow.url, call, max_connections=2, max_pending=3, transport=transport)
    calls = [asyncio.ensure_future(_result(users.get("/", into=str))) for _ in range(8)]
    await arrived(slow, 2)
    refused = [each.result() for each in calls if each.done()]
    assert [type(each) for each in refused] == [ServiceOverloaded] * 3
    assert {record.flags for record in call.calls or [] if record.ended} == {"UO"}
    gate.set()
    assert [await each for each in calls if each.result is not None][:5] == ["good"] * 5
    assert len(slow.requests) == 5


async def test_a_slow_call_is_hedged_and_the_loser_is_gone(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """After a hundred quick calls one hangs: a second is sent, its answer is taken, the first is hung up on."""
    turns: list[Any] = []

    async def behave(talk: Any) -> None:
        await (turns.pop() if turns else answers())(talk)

    clock, there = ManualClock(), await upstream(behave)
    call = invocation(clock=clock, seconds=60)
    users = service(there.url, call, clock=clock, hedge={"max_extra_load": "2%"})
    for _ in range(120):
        await users.get("/")
    turns.append(hang)
    slow = asyncio.ensure_future(_result(users.get("/", into=str)))
    await arrived(there, 121)
    assert not slow.done()
    await clock.advance(0.002)
    assert await slow == "good"
    record = (call.calls or [])[-1]
    assert record.attempts == 2
    assert len(there.requests) == 122
    told = {each.span_id: each.error for each in record.tries or []}
    first, second = (request.headers["traceparent"].split("-")[2] for request in there.requests[-2:])
    assert told == {first: "cancelled", second: None}
    while there.gone < 1:  # the connection of the loser, which nobody waits for
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_caller_who_leaves_ends_every_attempt(
    service: MakeService, invocation: MakeInvocation, attempts: int
) -> None:
    """Before a hedge is sent and after it: the service is hung up on, each time."""
    asked, gone = list[bytes](), list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(asked) < 50:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        gone.append(await reader.read())
        writer.close()

    async def until(count: int, of: list[bytes]) -> None:
        async with asyncio.timeout(60):
            while len(of) < count:
                await asyncio.sleep(0.001)

    clock = ManualClock()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        call = invocation(clock=clock, seconds=60)
        users = service(url, call, clock=clock, hedge={"max_extra_load": "10%"})
        for _ in range(50):
            await users.get("/")
        leaving = asyncio.ensure_future(_result(users.get("/")))
        await until(51, asked)
        if attempts == 2:
            await clock.advance(0.01)
            await until(52, asked)
        leaving.cancel()
        await asyncio.wait({leaving})
        await until(attempts, gone)
    assert (len(asked), gone) == (50 + attempts, [b""] * attempts)
    assert [each.error for each in (call.calls or [])[-1].tries or []] == ["cancelled"] * attempts


async def test_a_hedge_goes_to_another_endpoint(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Although the slow one has nearly all of the weight, and it would be its turn."""
    mood = {"hangs": False}

    async def behave(talk: Any) -> None:
        await (talk.hang() if mood["hangs"] else talk.answer(200, b'"good"'))

    clock, heavy, light = ManualClock(), await upstream(behave), await upstream(answers())
    users = service(
        "http://users.internal",
        invocation(clock=clock, seconds=60),
        clock=clock,
        endpoints=[{"address": where(heavy.url), "weight": 1000}, where(light.url)],
        balance="round_robin",
        hedge={"max_extra_load": "10%"},
    )
    for _ in range(50):
        await users.get("/")
    assert len(light.requests) == 0
    mood["hangs"] = True
    assert await answered(users, clock) == "good"
    assert (len(heavy.requests), len(light.requests)) == (51, 1)


async def test_a_hedge_that_fails_first_does_not_win(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """The slow first attempt may still bring what was asked for."""
    turns: list[Any] = []
    goes_on = asyncio.Event()

    async def late(talk: Any) -> None:
        await goes_on.wait()
        await talk.answer(200, b'"late"')

    async def behave(talk: Any) -> None:
        await (turns.pop() if turns else answers())(talk)

    clock, there = ManualClock(), await upstream(behave)
    users = service(
        there.url,
        invocation(clock=clock, seconds=60),
        clock=clock,
        hedge={"max_extra_load": "10%"},
        retries={"attempts": 0},
    )
    for _ in range(50):
        await users.get("/")
    turns += [answers(503), late]
    asking = asyncio.ensure_future(_result(users.get("/", into=str)))
    await arrived(there, 51)
    await clock.advance(0.01)
    await arrived(there, 52)
    assert not asking.done()
    goes_on.set()
    assert await asking == "late"


@pytest.mark.parametrize(("budget", "arrive"), [({}, 52), ({"percent": "0.01%", "min_per_second": 0}, 51)])
async def test_hedges_take_from_the_budget_of_retries(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation, budget: Any, arrive: int
) -> None:
    """Where that is empty a slow call is waited for."""
    turns: list[Any] = []

    async def behave(talk: Any) -> None:
        await (turns.pop() if turns else answers())(talk)

    clock, there = ManualClock(), await upstream(behave)
    users = service(
        there.url,
        invocation(clock=clock, seconds=60),
        clock=clock,
        timeout="1s",
        hedge={"max_extra_load": "10%"},
        retries={"attempts": 0, "budget": budget},
    )
    for _ in range(50):
        await users.get("/")
    turns.append(hang)
    outcome = await answered(users, clock)
    assert len(there.requests) == arrive
    assert outcome == "good" if arrive == 52 else isinstance(outcome, ServiceTimedOut)


async def test_a_retry_that_would_come_too_late_is_not_sent(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Calls take a second, as hedging has measured; one that fails after half of its 1.2 s is not sent again."""
    clock, fails = ManualClock(), False

    async def behave(talk: Any) -> None:
        await clock.sleep(0.6 if fails else 1.0)
        await talk.answer(503 if fails else 200, b'"good"')

    there, call = await upstream(behave), invocation(clock=clock, seconds=60)
    users = service(there.url, call, clock=clock, coalesce=False, hedge={"max_extra_load": "50%"})
    calls = [asyncio.ensure_future(_result(users.get("/"))) for _ in range(20)]
    await arrived(there, 20)
    await settle()
    await clock.advance(1.0)
    await asyncio.gather(*calls)
    fails = True
    late = asyncio.ensure_future(_result(users.get("/", timeout=1.2, check=False)))
    await arrived(there, 21)
    await settle()
    await clock.advance(0.6)
    assert (await late).status_code == 503
    assert (len(there.requests), call.flags) == (21, "URX")


async def answered(users: Service, clock: ManualClock) -> Any:
    """The outcome of one GET, whatever time it takes."""
    asking = asyncio.ensure_future(_result(users.get("/", into=str)))
    async with asyncio.timeout(60):
        while not asking.done():
            await asyncio.sleep(0.001)
            await clock.advance(0.01)
    return asking.result()


async def test_a_black_hole_is_ejected_though_hedges_answer_all_its_calls(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Five calls that lost after the usual time are five failures; later one probe, hedged too, and no more."""
    mood = {"hangs": False}

    async def behave(talk: Any) -> None:
        await (talk.hang() if mood["hangs"] else talk.answer(200, b'"good"'))

    clock, hole, good = ManualClock(), await upstream(behave), await upstream(answers())
    users = service(
        "http://users.internal",
        invocation(clock=clock, seconds=600),
        clock=clock,
        endpoints=[where(hole.url), where(good.url)],
        balance="round_robin",
        hedge={"max_extra_load": "10%"},
    )
    for _ in range(120):
        await users.get("/")
    before, mood["hangs"] = len(hole.requests), True
    for _ in range(20):
        assert await answered(users, clock) == "good"
    assert len(hole.requests) == before + 5
    await clock.advance(20)
    for _ in range(120):
        await users.get("/")
    await clock.advance(10)
    for _ in range(10):
        assert await answered(users, clock) == "good"
    assert len(hole.requests) == before + 6


async def test_half_open_lets_one_call_through_with_hedges_too(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """The probe of an endpoint that stands alone has no second beside it, and the others are refused."""
    mood = {"status": 200}

    async def behave(talk: Any) -> None:
        await (talk.hang() if mood["status"] == 0 else talk.answer(mood["status"], b'"good"'))

    clock, sick = ManualClock(), await upstream(behave)
    users = service(
        sick.url,
        invocation(clock=clock, seconds=600),
        clock=clock,
        timeout="2s",
        retries={"attempts": 0},
        hedge={"max_extra_load": "10%"},
    )
    for _ in range(100):
        await users.get("/")
    mood["status"] = 503
    for _ in range(5):
        assert isinstance(await answered(users, clock), ServiceAnswered)
    await clock.advance(1.0)
    before, mood["status"] = len(sick.requests), 0
    calls = [asyncio.ensure_future(_result(users.get("/"))) for _ in range(10)]
    await arrived(sick, before + 1)
    await clock.advance(1.5)  # the usual time is long over
    await arrived(sick, before + 1)
    assert len(sick.requests) == before + 1
    assert sum(each.done() and isinstance(each.result(), NoHealthyEndpoint) for each in calls) == 9
    await clock.advance(1.0)
    outcomes = await asyncio.gather(*calls)
    assert [type(each) for each in outcomes if not isinstance(each, NoHealthyEndpoint)] == [ServiceTimedOut]


@pytest.mark.parametrize("retries", [{"attempts": 0}, {"on": ["rate-limited"], **AT_ONCE}])
async def test_a_429_has_its_flag(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation, retries: Any
) -> None:
    """RL, also where a later attempt was let in; and it trips no breaker."""
    limited, call = await upstream(answers(429)), invocation()
    await service(limited.url, call, retries=retries).get("/", check=False)
    assert call.flags == "RL"


async def test_a_post_is_never_hedged(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """However long it takes."""
    gate = asyncio.Event()

    async def behave(talk: Any) -> None:
        if talk.request.method == "POST":
            await gate.wait()
        await talk.answer()

    clock, there = ManualClock(), await upstream(behave)
    users = service(
        there.url, invocation(clock=clock, seconds=60), clock=clock, hedge={"max_extra_load": "2%"}
    )
    for _ in range(100):
        await users.get("/")
    slow = asyncio.ensure_future(_result(users.post("/", json=1)))
    await arrived(there, 101)
    await clock.advance(1.0)
    gate.set()
    assert (await slow).status_code == 200
    assert len(there.requests) == 101


async def test_what_runs_out_of_time_is_the_endpoints_failure_and_what_is_cancelled_is_not(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Five time-outs open the breaker; five callers who leave do not, nor five who gave it next to no time."""
    clock, stuck = ManualClock(), await upstream(hang)
    users = service(stuck.url, invocation(clock=clock, seconds=600), clock=clock, timeout="1s")
    for count in range(1, 6):
        leaving = asyncio.ensure_future(_result(users.get("/")))
        await arrived(stuck, count)
        leaving.cancel()
        await asyncio.wait({leaving})
    for count in range(6, 16):
        late = asyncio.ensure_future(_result(users.get("/", timeout=0.04 if count < 11 else 1.0)))
        await arrived(stuck, count)
        await clock.advance(1.0)
        assert isinstance(await late, ServiceTimedOut)
    with pytest.raises(NoHealthyEndpoint):
        await users.get("/")


async def test_no_retry_begins_that_could_not_end_in_time(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Retry-After of a second with half a second left: the answer is handed over at once."""
    clock, down = ManualClock(), await upstream(answers(then=503, retry_after="1"))
    call = invocation(clock=clock, seconds=0.5)
    with pytest.raises(ServiceAnswered):
        await service(down.url, call, clock=clock).get("/")
    assert (len(down.requests), call.flags) == (1, "URX")


@pytest.mark.parametrize(("behaviour", "code", "flags"), [(reset, "lost", "UC"), (hang, "timed-out", "UT")])
async def test_who_broke_off_is_told_in_envoys_words(
    upstream: MakeUpstream,
    service: MakeService,
    invocation: MakeInvocation,
    behaviour: Any,
    code: str,
    flags: str,
) -> None:
    """In the invocation's record, from which logs, metrics and judges read."""
    clock, bad = ManualClock(), await upstream(behaviour)
    call = invocation(clock=clock, seconds=60)
    asking = asyncio.ensure_future(_result(service(bad.url, call, clock=clock, timeout="1s").post("/")))
    await bad.asked.wait()
    await clock.advance(1.0)
    failure = await asking
    assert failure.code.endswith(code)
    assert (str(failure.fault), call.flags) == ("service", flags)


async def test_nobody_listens_is_told_after_the_retries(
    service: MakeService, invocation: MakeInvocation
) -> None:
    """503, Envoy's UF, and URX since the retries are used up."""
    call = invocation()
    with pytest.raises(ServiceUnreachable, match="refused the connection"):
        await service(NOBODY, call, retries=AT_ONCE).get("/")
    assert (call.calls or [])[0].attempts == 0, "nothing was ever sent"
    assert call.flags == "UF,URX"
