"""Every fault of a service, with safe and unsafe calls: bounded, counted at the service, and survived."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bff.sdk.call import Adapters
from bff.sdk.failures import NoHealthyEndpoint, ServiceError, ServiceTimedOut, ServiceUnreachable
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from tests.services.discovery.conftest import NameServer
from tests.services.faults import conftest as faults

pytestmark = pytest.mark.anyio

MakeInvocation = Callable[..., Invocation]
GRACE = 0.05
"""Seconds over the deadline that a failure may take."""


def named(fault: Any) -> str:
    return str(fault.__name__)


def calling(scene: Any, client: Any, invocation: MakeInvocation, method: str = "GET") -> Any:
    made = invocation(clock=scene.clock, seconds=60)
    return Service(client, made, Adapters()).request(
        method, "/users", into=str, **({"json": 1} if method == "POST" else {})
    )


async def awaited(call: Any) -> Any:
    """As a function's page waits for one call."""
    return await call


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", faults.HARMLESS, ids=named)
async def test_what_is_only_odd_is_an_answer(
    scene: Any, invocation: MakeInvocation, fault: Any, method: str
) -> None:
    """Slow, in pieces, or with more than belongs to it: each call gets its own body, and arrives once."""
    client = scene.client(await scene.proxy(fault))
    for _ in range(3 * faults.ROUNDS):
        assert await scene.passed(awaited(calling(scene, client, invocation, method))) == "x" * 6000
    assert scene.origin.arrived == [method] * 3 * faults.ROUNDS


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", [*faults.BREAKS, *faults.HANGS], ids=named)
async def test_a_fault_is_a_bounded_failure_and_an_unsafe_call_arrives_once(
    scene: Any, invocation: MakeInvocation, fault: Any, method: str
) -> None:
    """502, 503 or 504, within the time of the call and 50 ms; a cut body is never an answer."""
    proxy = await scene.proxy(fault)
    client = scene.client(proxy, outlier_detection={"consecutive_5xx": 0})
    for _ in faults.rounds():
        scene.origin.arrived.clear()
        began = scene.clock.now()
        outcome = await scene.passed(awaited(calling(scene, client, invocation, method)))
        took = scene.clock.now() - began
        assert isinstance(outcome, ServiceError), outcome
        assert outcome.status in (502, 503, 504)
        assert took <= 1.0 + GRACE + scene.stalled
        if method == "POST":
            assert len(scene.origin.arrived) <= 1
        if fault in faults.HANGS:
            assert isinstance(outcome, ServiceTimedOut)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", [*faults.BREAKS, *faults.HANGS], ids=named)
async def test_a_fault_on_a_connection_that_was_well_is_one_too(
    scene: Any, invocation: MakeInvocation, fault: Any, method: str
) -> None:
    """Nothing is forgiven for its past, and nothing unsafe is sent again in the belief that it had merely died. A GET
    is written there at once, without a coroutine of its own, and bounded all the same.
    """
    proxy = await scene.proxy()
    client = scene.client(proxy, outlier_detection={"consecutive_5xx": 0})
    for _ in faults.rounds():
        proxy.fault = faults.good
        assert await scene.passed(awaited(calling(scene, client, invocation))) == "x" * 6000
        scene.origin.arrived.clear()
        proxy.fault, connections, began = fault, proxy.accepted, scene.clock.now()
        outcome = await scene.passed(awaited(calling(scene, client, invocation, method)))
        assert isinstance(outcome, ServiceError), outcome
        assert outcome.status in (502, 503, 504)
        assert scene.clock.now() - began <= 1.0 + GRACE + scene.stalled
        assert isinstance(outcome, ServiceTimedOut) == (fault in faults.HANGS)
        if method == "POST":
            assert (len(scene.origin.arrived) <= 1, proxy.accepted) == (True, connections)


@pytest.mark.parametrize("fault", [*faults.BREAKS, *faults.HANGS], ids=named)
async def test_one_good_endpoint_is_enough_for_safe_calls(
    scene: Any, invocation: MakeInvocation, fault: Any
) -> None:
    """Half of the endpoints have the fault: every call is answered, and soon the bad one is called no more."""
    bad, well = await scene.proxy(fault), await scene.proxy()
    client = scene.client(bad, well, retries={"backoff": "1ms", "per_try_timeout": "200ms"})
    for _ in range(40):
        outcome = await scene.passed(awaited(calling(scene, client, invocation)))
        assert outcome == "x" * 6000
    # Thirty seconds later one call is its probe, is answered by the other one, and that is all.
    assert bad.accepted <= 7


@pytest.mark.parametrize("fault", [*faults.BREAKS, *faults.HANGS], ids=named)
async def test_a_service_that_comes_back_is_found_by_one_probe(
    scene: Any, invocation: MakeInvocation, fault: Any
) -> None:
    """The breaker opens, nothing arrives; when the fault is over, one call brings everything back."""
    proxy = await scene.proxy(fault)
    client = scene.client(proxy, timeout="200ms", retries={"attempts": 0})
    for _ in range(5):
        assert isinstance(await scene.passed(awaited(calling(scene, client, invocation))), ServiceError)
    accepted = proxy.accepted
    refused = await scene.passed(awaited(calling(scene, client, invocation)))
    assert refused.code == "no-healthy-endpoint"
    assert proxy.accepted == accepted
    proxy.fault = faults.good
    await scene.wait(1.0)
    for _ in range(10):
        assert await scene.passed(awaited(calling(scene, client, invocation))) == "x" * 6000


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_listens(scene: Any, invocation: MakeInvocation, method: str) -> None:
    """Refused: 503, whatever the method, since nothing can have happened; back when somebody listens again."""
    proxy = await scene.proxy()
    await proxy.stop()
    client = scene.client(proxy)
    outcome = await scene.passed(awaited(calling(scene, client, invocation, method)))
    assert isinstance(outcome, ServiceUnreachable)
    assert outcome.status == 503
    await proxy.start()
    assert await scene.passed(awaited(calling(scene, client, invocation, method))) == "x" * 6000
    assert scene.origin.arrived == [method]


async def test_all_endpoints_die_and_come_back(scene: Any, invocation: MakeInvocation) -> None:
    """Calls fail within their time meanwhile, and succeed with the first one after."""
    proxies = [await scene.proxy() for _ in range(4)]
    client = scene.client(*proxies)
    for _ in faults.rounds():
        assert await scene.passed(awaited(calling(scene, client, invocation))) == "x" * 6000
        for proxy in proxies:
            await proxy.stop()
        for _ in range(30):
            began = scene.clock.now()
            outcome = await scene.passed(awaited(calling(scene, client, invocation)))
            assert isinstance(outcome, ServiceUnreachable), outcome
            assert scene.clock.now() - began <= 1.0 + GRACE + scene.stalled
        for proxy in proxies:
            await proxy.start()
        for _ in range(10):
            assert await scene.passed(awaited(calling(scene, client, invocation))) == "x" * 6000
        await scene.wait(31 if not faults.IS_LONG else 0)


async def test_a_certificate_nobody_vouches_for_is_no_connection(
    scene: Any, invocation: MakeInvocation, self_signed: ssl.SSLContext, certificate: Path
) -> None:
    """503, and nothing was sent; with the authority known, the same endpoint answers."""
    proxy = await scene.proxy(context=self_signed)
    outcome = await scene.passed(
        awaited(calling(scene, scene.client(proxy, scheme="https"), invocation, "POST"))
    )
    assert isinstance(outcome, ServiceUnreachable)
    assert "TLS" in str(outcome)
    assert scene.origin.arrived == []
    known = scene.client(proxy, scheme="https", cafile=certificate)
    assert await scene.passed(awaited(calling(scene, known, invocation, "POST"))) == "x" * 6000


async def test_plain_text_where_tls_is_expected_is_no_connection(
    scene: Any, invocation: MakeInvocation
) -> None:
    """And is over within the call's time."""
    began = scene.clock.now()
    outcome = await scene.passed(
        awaited(calling(scene, scene.client(await scene.proxy(), scheme="https"), invocation))
    )
    assert isinstance(outcome, ServiceError)
    assert outcome.status in (503, 504)
    assert scene.clock.now() - began <= 1.0 + GRACE + scene.stalled


async def test_a_slow_service_does_not_hold_another_ones_calls(
    scene: Any, invocation: MakeInvocation
) -> None:
    """Two hundred calls hang in a black hole, eleven hundred more are refused; beside them every call is answered."""
    hole, well = await scene.proxy(faults.black_hole), await scene.proxy()
    stuck = scene.client(hole, max_connections=50, max_pending=150, retries={"attempts": 0})
    fine = scene.client(well)
    waiting = [asyncio.ensure_future(_outcome(calling(scene, stuck, invocation))) for _ in range(1300)]
    assert await scene.passed(awaited(calling(scene, fine, invocation))) == "x" * 6000
    assert hole.accepted <= 50
    for _ in range(50):
        assert await scene.passed(awaited(calling(scene, fine, invocation))) == "x" * 6000
    outcomes = await scene.passed(asyncio.gather(*waiting))
    codes = [outcome.code for outcome in outcomes]
    assert codes.count("service-overloaded") == 1100


async def _outcome(call: Any) -> Any:
    try:
        return await call
    except ServiceError as error:
        return error


async def test_a_fault_that_comes_and_goes_never_mixes_answers(
    scene: Any, invocation: MakeInvocation
) -> None:
    """Every fault in turn on the same connections, calls side by side: an answer is the whole one or none."""
    proxy = await scene.proxy()
    client = scene.client(proxy, timeout="300ms", outlier_detection={"consecutive_5xx": 0}, max_connections=4)
    for _ in faults.rounds():
        for fault in (*faults.BREAKS, *faults.HARMLESS, *faults.HANGS):
            proxy.fault = fault
            calls = asyncio.gather(*[_outcome(calling(scene, client, invocation)) for _ in range(8)])
            for outcome in await scene.passed(calls):
                assert outcome == "x" * 6000 or isinstance(outcome, ServiceError)
    proxy.fault = faults.good
    assert await scene.passed(awaited(calling(scene, client, invocation))) == "x" * 6000


def tell(nameserver: NameServer, *proxies: Any) -> None:
    """From now on these are the endpoints; nobody means that the name does not exist."""
    nameserver.zone.clear()
    if proxies:
        records = [f"1 1 {each.port} local.internal." for each in proxies]
        nameserver.zone["_http._tcp.users.internal", "SRV"] = (1, records)
        nameserver.zone["local.internal", "A"] = (1, ["127.0.0.1"])


async def asked_again(scene: Any, nameserver: NameServer) -> None:
    """Let so much time pass that the name server has been asked twice: the first of these has had its effect then."""
    async with asyncio.timeout(60):
        for _ in range(2):
            before = len(nameserver.asked)
            while len(nameserver.asked) == before:
                await scene.wait(0.25)
                await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)


FOUND = {"type": "srv", "name": "_http._tcp.users.internal"}


@pytest.mark.parametrize("mood", ["refuse", "garbage", "truncate", "nobody", "elsewhere"])
async def test_a_name_server_that_flaps_takes_nothing_down(
    scene: Any, invocation: MakeInvocation, nameserver: NameServer, mood: str
) -> None:
    """It fails, talks nonsense, forgets the name or names others, again and again: every call is answered."""
    both = await scene.proxy(), await scene.proxy()
    tell(nameserver, *both)
    client = scene.client(
        discovery={**FOUND, "server": nameserver.server}, outlier_detection={"consecutive_5xx": 0}
    )
    assert await scene.passed(awaited(calling(scene, client, invocation))) == "x" * 6000
    for turn in range(4 * faults.ROUNDS):
        is_good = turn % 2 == 1
        nameserver.mood = "good" if is_good or mood in ("nobody", "elsewhere") else mood
        tell(
            nameserver,
            *(both if is_good or mood not in ("nobody", "elsewhere") else both[1:] * (mood != "nobody")),
        )
        await asked_again(scene, nameserver)
        for _ in range(3):
            assert await scene.passed(awaited(calling(scene, client, invocation, "POST"))) == "x" * 6000
    assert scene.origin.arrived.count("POST") == 12 * faults.ROUNDS


@pytest.mark.parametrize("mood", ["refuse", "nobody"])
async def test_a_name_that_was_never_found_is_503_at_once(
    scene: Any, invocation: MakeInvocation, nameserver: NameServer, mood: str
) -> None:
    """No name server that knows it: nobody waits for the deadline. With the first good answer calls go through."""
    nameserver.mood = "good" if mood == "nobody" else mood
    client = scene.client(discovery={**FOUND, "server": nameserver.server})
    began = scene.clock.now()
    outcome = await scene.passed(awaited(calling(scene, client, invocation)))
    assert isinstance(outcome, NoHealthyEndpoint)
    assert scene.clock.now() - began <= 1.0 + GRACE + scene.stalled
    nameserver.mood = "good"
    tell(nameserver, await scene.proxy())
    await asked_again(scene, nameserver)
    assert await scene.passed(awaited(calling(scene, client, invocation))) == "x" * 6000
