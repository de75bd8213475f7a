"""How long a call may take: the least of its own timeout, the service's, and what is left of the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bff.clock import Expiry
from bff.errors import DeadlineExceeded, Fault
from bff.sdk.aggregate import gather, optional
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import ServiceTimedOut
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]
MakeInvocation = Callable[..., Invocation]


async def never(talk: Any) -> None:
    await talk.hang()


@pytest.mark.parametrize(
    ("configured", "asked", "left", "allowed"),
    [
        ("3s", None, 60, 3),
        ("3s", 1, 60, 1),
        ("3s", 30, 60, 3),
        ("3s", None, 2, 1.7),
        ("3s", 1, 2, 1),
        ("3s", 30, 2, 1.7),
        ("3s", 2.5, 2.5, 2.125),
    ],
)
async def test_the_least_of_service_call_and_deadline_counts(
    upstream: MakeUpstream,
    service: MakeService,
    invocation: MakeInvocation,
    configured: str,
    asked: float | None,
    left: float,
    allowed: float,
) -> None:
    """``timeout=`` of a call only shortens, None is as good as none, and 85 % of the deadline's time always wins: the
    rest is for making an answer of what came."""
    clock = ManualClock()
    stuck = await upstream(never)
    users = service(stuck.url, invocation(clock=clock, seconds=left), clock=clock, timeout=configured)
    running = asyncio.ensure_future(users.get("/", timeout=asked))  # type: ignore[call-overload]
    await stuck.asked.wait()
    await clock.advance(allowed - 0.01)
    assert not running.done()
    await clock.advance(0.2)
    with pytest.raises(ServiceTimedOut, match=f"did not answer within {allowed:.3g} s"):
        await running


@pytest.mark.parametrize("left", [0.0, -1.0])
async def test_a_call_without_time_is_refused_at_once(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation, left: float
) -> None:
    """Nothing is sent, and the sentence says why."""
    quiet = await upstream()
    with pytest.raises(ServiceTimedOut, match="was not called: no time was left") as failure:
        await service(quiet.url, invocation(seconds=left)).get("/")
    assert failure.value.status == 504
    assert quiet.accepted == 0


async def test_time_spent_before_counts(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """The deadline is an instant: a second call gets what the first has left of 85 % of 6 s."""
    clock = ManualClock()
    stuck = await upstream(never)
    users = service(stuck.url, invocation(clock=clock, seconds=6), clock=clock, timeout="4s")
    first = asyncio.ensure_future(users.get("/"))
    await stuck.asked.wait()
    await clock.advance(4)
    with pytest.raises(ServiceTimedOut):
        await first
    stuck.asked.clear()
    second = asyncio.ensure_future(users.get("/"))
    await stuck.asked.wait()
    await clock.advance(1.1)
    with pytest.raises(ServiceTimedOut, match=r"within 1\.1 s"):
        await second


async def test_a_deadline_that_runs_out_during_calls_names_the_services(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Cancelled by the deadline, the calls are over; the record still says who was waited for."""
    clock = ManualClock()
    stuck, quick = await upstream(never), await upstream()
    call = invocation(clock=clock, seconds=2)
    users = service(stuck.url, call, clock=clock, timeout="9s")
    prices = service(quick.url, call, clock=clock, name="prices")

    async def handler() -> None:
        await prices.get("/")
        with Expiry(clock, call.deadline.at):
            await gather(users.get("/"), users.get("/"))

    running = asyncio.ensure_future(handler())
    await stuck.asked.wait()
    await clock.advance(1.7)
    with pytest.raises(ServiceTimedOut, match="users"):
        await running
    assert all(record.ended is not None for record in call.calls or ())
    assert call.waiting_for() == ("users",)
    failure = DeadlineExceeded(allowed=2, waiting_for=call.waiting_for())
    assert (failure.status, failure.fault, str(failure)) == (
        504,
        Fault.SERVICE,
        "The function did not answer within 2 s, waiting for users.",
    )


def test_who_was_waited_for_is_told_by_when_calls_ended(invocation: MakeInvocation) -> None:
    """A call that ended before the deadline is not to blame, one under way or cancelled by it is."""
    call = invocation(seconds=2)
    at = call.deadline.at
    assert call.waiting_for() == ()
    call.calls = [
        CallRecord("done", "GET", "/", at - 2, ended=at - 1, status=200),
        CallRecord("cut", "GET", "/", at - 2, ended=at + 0.001, error="CancelledError"),
        CallRecord("early-timer", "GET", "/", at - 2, ended=at - 0.001, error="CancelledError"),
        CallRecord("out", "GET", "/", at - 1),
        CallRecord("out", "GET", "/", at - 1),
    ]
    assert call.waiting_for() == ("cut", "early-timer", "out")


async def test_one_slow_optional_part_does_not_hold_the_page(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Its service's timeout ends it; the page goes out without, and says so."""
    clock = ManualClock()
    stuck, quick = await upstream(never), await upstream(lambda talk: talk.answer(200, b'"page"'))
    call = invocation(clock=clock, seconds=9)
    notices = service(stuck.url, call, clock=clock, name="notices", timeout="1s")
    users = service(quick.url, call, clock=clock)
    page = asyncio.ensure_future(
        gather(users.get("/", into=str), optional(notices.get("/", into=str), default="none"))
    )
    await stuck.asked.wait()
    await clock.advance(1)
    assert await page == ("page", "none")
    assert call.missing == ["notices"]


async def test_the_record_of_a_call_says_how_it_went(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """Service, method, path, status or error, and its times: what Server-Timing and the log are made of."""
    call = invocation()
    good, bad = (
        await upstream(lambda talk: talk.answer(404)),
        await upstream(lambda talk: talk.reset() or talk.hang()),
    )
    await service(good.url, call).get("/users/7", check=False)
    with pytest.raises(Exception, match="broke off"):
        await service(bad.url, call, name="prices").post("/x")
    records = [(each.service, each.method, each.path, each.status, each.error) for each in call.calls or ()]
    assert records == [
        ("users", "GET", "/users/7", 404, None),
        ("prices", "POST", "/x", None, "service-connection-lost"),
    ]
    assert all(each.ended is not None and each.ended >= each.started for each in call.calls or ())
