"""Faults made on purpose: what is asked for happens, to that share of the attempts, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.clock import SystemClock
from bff.config import ServiceConfig
from bff.sdk.call import Adapters
from bff.sdk.failures import ServiceAnswered, ServiceConnectionLost
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.services.cache import Cache
from bff.services.client import ServiceClient
from bff.services.faultheader import asked_for
from bff.services.faults import Fault, chosen, parsed
from bff.services.following import Surroundings
from bff.services.transport import Transports
from bff.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]
MakeInvocation = Callable[..., Invocation]
ONCE = {"attempts": 0}


async def test_an_abort_is_answered_instead_of_sent(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation
) -> None:
    """With its status and Envoy's FI; the service hears nothing."""
    there, call = await upstream(), invocation()
    users = service(there.url, call, faults=[{"type": "abort", "status": 418}], retries=ONCE)
    with pytest.raises(ServiceAnswered, match="answered 418"):
        await users.get("/x")
    assert there.accepted == 0
    assert call.flags == "FI"


async def test_retries_stay_active(upstream: MakeUpstream, service: MakeService) -> None:
    """Half of the attempts abort: with two retries nearly every call is answered."""
    there = await upstream()
    users = service(
        there.url,
        faults=[{"type": "abort", "percent": "50%"}],
        retries={"backoff": "1ms", "budget": {"percent": "100%"}},
        outlier_detection={"consecutive_5xx": 0},
    )
    answered = 0
    for _ in range(100):
        response = await users.get("/", check=False)
        answered += response.status_code == 200
    assert 80 <= answered <= 95  # seven in eight, by a seed


@pytest.mark.parametrize("kind", ["reset", "cut-body"])
async def test_a_lost_answer_has_had_its_effect(
    upstream: MakeUpstream, service: MakeService, kind: str
) -> None:
    """The request arrives; the answer does not. A POST is not sent again."""
    there = await upstream()
    with pytest.raises(ServiceConnectionLost):
        await service(there.url, faults=[{"type": kind}]).post("/", json=1)
    assert len(there.requests) == 1


@pytest.mark.parametrize(("kind", "arrived"), [("delay", 0), ("slow-body", 1)])
async def test_a_delay_passes_before_or_after_the_request(
    upstream: MakeUpstream, service: MakeService, invocation: MakeInvocation, kind: str, arrived: int
) -> None:
    """On the clock of the house; then the answer is the service's own."""
    clock, there = ManualClock(), await upstream()
    call = invocation(clock=clock, seconds=60)
    users = service(there.url, call, clock=clock, faults=[{"type": kind, "delay": "2s"}])
    asking = asyncio.ensure_future(users.get("/").run())
    for _ in range(20):
        await clock.advance(0.05)
        await asyncio.sleep(0.002)
    assert (len(there.requests), asking.done()) == (arrived, False)
    await clock.advance(1.1)
    assert (await asking).status_code == 200
    assert call.flags == "DI"


async def test_only_calls_that_carry_the_header_are_met(upstream: MakeUpstream, service: MakeService) -> None:
    """By whole value."""
    there = await upstream()
    users = service(there.url, faults=[{"type": "abort", "match": {"X-Rehearsal": "yes"}}], retries=ONCE)
    assert (await users.get("/")).status_code == 200
    assert (await users.get("/", headers={"x-rehearsal": "no"})).status_code == 200
    with pytest.raises(ServiceAnswered):
        await users.get("/", headers={"x-rehearsal": "yes"})


@pytest.mark.parametrize("is_dev", [True, False])
async def test_a_front_end_developer_asks_by_header_and_only_in_dev(
    upstream: MakeUpstream, invocation: MakeInvocation, is_dev: bool
) -> None:
    """For the services it names."""
    there = await upstream()
    for name, is_met in (("users", is_dev), ("prices", False)):
        sender = ServiceClient(
            name,
            ServiceConfig(url=there.url, timeout=60),
            clock=SystemClock(),
            make_transport=Transports().make,
            surroundings=Surroundings(heeds_fault_header=is_dev),
        )
        call = invocation(headers=[("Bff-Fault", "notices=reset, users=abort:404")])
        response = await Service(sender, call, Adapters()).get("/", check=False)
        assert response.status_code == (404 if is_met else 200)
        await sender.aclose()


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("users=abort", "abort"),
        ("notices=reset,users=delay:2s", "delay:2s"),
        (" users = abort : 404 ", "abort:404"),
        ("users=explode", ""),
        ("users", ""),
        ("users=abort;x", ""),
        ("Users=abort", ""),
        ("", ""),
    ],
)
def test_what_a_header_asks_of_users(header: str, asked: str) -> None:
    assert asked_for(header, "users") == asked


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("abort", Fault(kind="abort")),
        ("abort:404", Fault(kind="abort", status=404)),
        ("abort:99", None),
        ("abort:2s", None),
        ("delay:300ms", Fault(kind="delay", delay=0.3)),
        ("delay", Fault(kind="delay", delay=1.0)),
        ("delay:404", None),
        ("reset", Fault(kind="reset")),
        ("", None),
    ],
)
def test_what_a_word_means(text: str, fault: Fault | None) -> None:
    assert parsed(text) == fault


@given(st.text(max_size=60), st.text(max_size=12))
def test_no_header_breaks_the_reader(header: str, service: str) -> None:
    """Anybody can send one."""
    word = asked_for(header, service)
    assert word == "" or word.partition(":")[0] in {"delay", "abort", "reset", "cut-body", "slow-body"}
    parsed(word)


def test_a_share_is_a_share() -> None:
    """A fifth and then half of the rest, by a seed."""
    faults, random = [Fault(kind="abort", share=0.2), Fault(kind="reset", share=0.5)], Random(1)
    found = [chosen(faults, {}, random) for _ in range(10_000)]
    assert 1900 < sum(each is faults[0] for each in found) < 2100
    assert 3800 < sum(each is faults[1] for each in found) < 4200


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_what_nobody_said_is_never_kept(
    upstream: MakeUpstream, client: Callable[..., ServiceClient], invocation: MakeInvocation, status: int
) -> None:
    """An answer made on purpose is gone with its fault, whatever the service's cache section says."""
    there, store = await upstream(), Cache(clock=SystemClock())
    section = {"cache": {"ttl": "60s"}, "retries": ONCE, "store": store}
    spoilt = client(there.url, faults=[{"type": "abort", "status": status}], **section)
    well = client(there.url, **section)
    first = await Service(spoilt, invocation(), Adapters()).get("/x", check=False)
    assert (first.status_code, first.content, len(there.requests)) == (status, b"", 0)
    second = await Service(well, invocation(), Adapters()).get("/x")
    assert (second.content, len(there.requests)) == (b"{}", 1)
