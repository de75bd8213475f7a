"""What operators are told of a service is what its layers know."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx
import pytest

from bff.clock import Deadline
from bff.config import ServiceConfig
from bff.sdk.failures import ServiceError
from bff.sdk.invocation import Invocation
from bff.services.breaker import State
from bff.services.client import ServiceClient
from bff.services.pool import AnyClient
from bff.services.standing import places_of
from bff.services.subsets import Subsets
from bff.testing import ManualClock

pytestmark = pytest.mark.anyio


def answer(request: httpx.Request) -> httpx.Response:
    """One endpoint is broken, the others are well."""
    return httpx.Response(503 if request.url.host == "10.0.0.1" else 200, json={})


def service(clock: ManualClock, **config: Any) -> AnyClient:
    made = ServiceConfig.model_validate({"url": "http://shop", "transport": "httpx", **config})

    def client(name: str, each: ServiceConfig, *selection: Any) -> ServiceClient:
        selected: Mapping[str, Any] = {"selection": selection[0]} if selection else {}
        transport = httpx.MockTransport(answer)
        return ServiceClient(name, each, clock=clock, make_transport=lambda *_: transport, **selected)

    return Subsets("shop", made, client) if made.subsets else client("shop", made)


async def called(client: AnyClient, clock: ManualClock, times: int, lane: str = "") -> None:
    for _ in range(times):
        invocation = Invocation("r", "GET", clock, clock.now())
        invocation.deadline, invocation.lane = Deadline(clock.now() + 10.0, 10.0), lane
        with suppress(ServiceError):
            await client.send(invocation, "GET", "/", {})


async def test_before_its_first_call_only_its_url_is_known(anyio_backend: str) -> None:
    """Nothing is connected, looked up or made for it."""
    clock = ManualClock()
    [place] = places_of(service(clock), clock.now())
    assert (place.url, place.endpoints, place.budget, place.most) == ("http://shop", (), None, 0)


async def test_an_open_breaker_is_told_with_the_time_it_stays_open(anyio_backend: str) -> None:
    """The others are as they were; the budget counts what was called and sent again."""
    clock = ManualClock()
    client = service(
        clock,
        endpoints=["10.0.0.1:80", "10.0.0.2:80"],
        balance={"policy": "round_robin"},
        retries={"attempts": 0},
        outlier_detection={"consecutive_5xx": 3, "max_ejection_percent": 100},
    )
    await called(client, clock, 6)
    await clock.advance(10.0)
    [place] = places_of(client, clock.now())
    bad, good = place.endpoints
    assert (bad.name, bad.state, bad.ejected, bad.back_in) == ("10.0.0.1:80", State.OPEN, 1, 20.0)
    assert (good.state, good.ejected, good.back_in, good.failures) == (State.CLOSED, 0, None, 0)
    assert place.budget is not None
    assert (place.inside, place.budget.window) == (0, 10.0)
    assert place.most > 100
    await client.aclose()


async def test_subsets_stand_beside_what_none_of_them_takes(anyio_backend: str) -> None:
    """The service's own URL first."""
    clock = ManualClock()
    client = service(clock, subsets={"canary": {"url": "http://canary"}, "blue": {"url": "http://blue"}})
    await called(client, clock, 2, lane="canary")
    told = [
        (place.subset, place.url, len(place.endpoints), place.budget and place.budget.calls)
        for place in places_of(client, clock.now())
    ]
    assert told == [
        ("", "http://shop", 0, None),
        ("canary", "http://canary", 1, 2),
        ("blue", "http://blue", 0, None),
    ]
    await client.aclose()
