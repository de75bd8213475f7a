"""Endpoints other than the URL's host: what is connected to, what is asked for, and how the list changes."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from bff.clock import SystemClock
from bff.config import ServiceConfig
from bff.sdk.call import Adapters
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import NoHealthyEndpoint, ServiceUnreachable
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.services.client import ServiceClient
from bff.services.discovery.lastgood import LastGood
from bff.services.following import Surroundings
from bff.services.pool import ServicePool
from bff.services.resolver import Address
from bff.services.transport import Transport, Transports
from bff.services.ways import ways_of
from tests.services.discovery.conftest import NameServer

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]
MakeInvocation = Callable[..., Invocation]


def where(url: str) -> str:
    return url.partition("://")[2]


def address(url: str) -> Address:
    host, _, port = where(url).partition(":")
    return Address(host=host, port=int(port))


@pytest.mark.parametrize("transport", ["bff", "httpx"])
async def test_the_urls_host_is_asked_for_at_every_endpoint(
    upstream: MakeUpstream, service: MakeService, transport: str
) -> None:
    """By Host, with the URL's path prefix, over either transport; all get their share."""
    both = await upstream(), await upstream()
    users = service(
        "http://users.internal:81/api/",
        endpoints=[where(each.url) for each in both],
        balance="round_robin",
        transport=transport,
    )
    for _ in range(10):
        await users.get("/x")
    for each in both:
        assert len(each.requests) == 5
        assert {(one.headers["host"], one.target) for one in each.requests} == {
            ("users.internal:81", "/api/x")
        }


async def test_tls_proves_the_urls_host_and_not_the_address(
    upstream: MakeUpstream, self_signed: ssl.SSLContext, certificate: Path, invocation: MakeInvocation
) -> None:
    """A certificate for localhost at 127.0.0.1: good for https://localhost, and for no other name."""
    good = await upstream(ssl=self_signed)
    for host, answers in (("localhost", True), ("users.internal", False)):
        config = ServiceConfig.model_validate(
            {
                "url": f"https://{host}",
                "timeout": "60s",
                "endpoints": [where(good.url)],
                "retries": {"attempts": 0},
            }
        )
        context = ssl.create_default_context(cafile=str(certificate))
        users = ServiceClient(
            "users", config, clock=SystemClock(), make_transport=lambda *_, c=context: Transport(verify=c)
        )
        asking = Service(users, invocation(), Adapters()).get("/")
        if answers:
            assert (await asking).status_code == 200
        else:
            with pytest.raises(ServiceUnreachable, match="TLS"):
                await asking
        await users.aclose()


async def test_a_thousand_changes_drop_no_call(upstream: MakeUpstream) -> None:
    """The list changes between and under calls, each time another endpoint leaves or comes back."""
    clock, random = SystemClock(), Random(9)
    servers = [await upstream() for _ in range(4)]
    addresses = [address(each.url) for each in servers]
    config = ServiceConfig.model_validate({"url": "http://users.internal", "retries": {"attempts": 0}})
    ways = ways_of(
        "users",
        config,
        Transports().make("users", config),
        Surroundings(),
        clock=clock,
        max_answer=10_000,
        found=addresses,
    )
    wire, endpoints = ways.wire, ways.endpoints
    statuses: Counter[int] = Counter()

    async def call() -> None:
        record = CallRecord("users", "GET", "/", clock.now(), until=clock.now() + 30)
        response = await wire.exchange("GET", "/", {}, {}, record)
        statuses[response.status_code] += 1

    running: set[asyncio.Task[None]] = set()
    for change in range(1000):
        endpoints.update(random.sample(addresses, random.randint(1, 4)))
        if change % 2:
            running.add(asyncio.ensure_future(call()))
        if change % 20 == 0:
            await asyncio.sleep(0.002)
    await asyncio.gather(*running)
    assert statuses == {200: 500}
    await wire.aclose()


async def test_calls_follow_what_the_name_server_says(
    upstream: MakeUpstream, invocation: MakeInvocation, nameserver: NameServer, tmp_path: Path
) -> None:
    """From the first answer on; when it is silent, and after a restart while it is, what was known is used."""
    server = nameserver
    one, other = await upstream(), await upstream()
    config = ServiceConfig.model_validate(
        {
            "url": "http://users.internal",
            "timeout": "60s",
            "discovery": {"type": "srv", "name": "_http._tcp.users.internal", "server": server.server},
        }
    )

    def tell(*urls: str) -> None:
        server.zone["_http._tcp.users.internal", "SRV"] = (
            1,
            [f"1 1 {address(url).port} local.internal." for url in urls],
        )
        server.zone["local.internal", "A"] = (1, ["127.0.0.1"])

    def pool() -> ServicePool:
        made = ServicePool(clock=SystemClock(), surroundings=Surroundings(folder=tmp_path))
        made.configure({"users": config})
        return made

    async def kept(url: str) -> None:
        """Until the list is on disk, which is written beside the calls."""
        async with asyncio.timeout(60):
            while f"{address(url).port}" not in (tmp_path / "users.json").read_text():
                await asyncio.sleep(0.01)

    async def call(services: ServicePool) -> None:
        await Service(services.clients["users"], invocation(), Adapters()).get("/")

    tell(one.url)
    services = pool()
    await call(services)
    assert (len(one.requests), len(other.requests)) == (1, 0)
    tell(other.url)
    async with asyncio.timeout(60):
        while not other.requests:
            await asyncio.sleep(0.05)
            await call(services)
    await kept(other.url)
    server.mood = "refuse"
    before = len(other.requests)
    await call(services)
    assert len(other.requests) == before + 1
    await services.aclose()
    again = pool()
    await call(again)
    assert len(other.requests) == before + 2
    await again.aclose()


@pytest.mark.parametrize("turns", range(6))
async def test_a_client_closes_whenever_a_name_servers_answer_comes(
    nameserver: NameServer, turns: int
) -> None:
    """In the very turn of the loop, or a few later: nothing is left that goes on asking."""
    server = nameserver
    server.zone["_http._tcp.users.internal", "SRV"] = (1, ["1 1 80 local.internal."])
    server.zone["local.internal", "A"] = (1, ["127.0.0.1"])
    found = {"type": "srv", "name": "_http._tcp.users.internal", "server": server.server}
    services = ServicePool(clock=SystemClock())
    services.configure({"users": ServiceConfig.model_validate({"url": "http://users", "discovery": found})})
    async with asyncio.timeout(60):
        while not server.asked:
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        await services.aclose()
    assert not [task for task in asyncio.all_tasks() if "Follower" in str(task.get_coro())]


async def test_a_registry_that_is_away_from_the_beginning_fails_calls_at_once(
    invocation: MakeInvocation, tmp_path: Path
) -> None:
    """503 with UH, and not a wait until the deadline."""
    config = ServiceConfig.model_validate(
        {
            "url": "http://users",
            "timeout": "60s",
            "discovery": {"type": "consul", "name": "users", "server": "http://127.0.0.1:9"},
        }
    )
    told: list[Any] = []
    services = ServicePool(clock=SystemClock(), surroundings=Surroundings(folder=tmp_path, emit=told.append))
    services.configure({"users": config})
    call = invocation(seconds=30)
    with pytest.raises(NoHealthyEndpoint) as failure:
        await Service(services.clients["users"], call, Adapters()).get("/")
    assert failure.value.status == 503
    assert call.flags == "UH"
    assert told[0].why.startswith("http://127.0.0.1:9 could not be asked")
    await services.aclose()


async def test_an_unknown_kind_of_discovery_is_told_with_those_there_are(
    invocation: MakeInvocation,
) -> None:
    """Nobody can know at load time what will be installed when it is first needed; the log says it."""
    config = ServiceConfig.model_validate(
        {"url": "http://users", "timeout": "60s", "discovery": {"type": "zookeeper", "name": "users"}}
    )
    told: list[Any] = []
    services = ServicePool(clock=SystemClock(), surroundings=Surroundings(emit=told.append))
    services.configure({"users": config})
    with pytest.raises(NoHealthyEndpoint):
        await Service(services.clients["users"], invocation(), Adapters()).get("/")
    assert "consul, dns, kubernetes, nacos, srv" in told[0].why
    await services.aclose()


async def test_stubs_answer_for_services_that_are_discovered(invocation: MakeInvocation) -> None:
    """Where a test hands in transports, nobody asks a registry."""
    config = ServiceConfig.model_validate(
        {"url": "http://users", "discovery": {"type": "consul", "name": "users"}}
    )
    stub = httpx.MockTransport(lambda request: httpx.Response(200, json=str(request.url)))
    services = ServicePool(clock=SystemClock(), make_transport=lambda *_: stub)
    services.configure({"users": config})
    response = await Service(services.clients["users"], invocation(), Adapters()).get("/x")
    assert response.json() == "http://users/x"
    await services.aclose()


def test_a_kept_list_is_a_file_people_can_read(tmp_path: Path) -> None:
    """Beside routes.yaml, one for each service."""
    LastGood(tmp_path, "users", "dns users.internal None").write((Address(host="10.0.0.1", port=80),))
    assert '"10.0.0.1", 80' in (tmp_path / "users.json").read_text()
