"""The gateway in other people's registries: entered, renewed, forgotten and entered anew, and taken out.

The registries are servers that do what the vendors' API documents say, and lose an entry that is not renewed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.clock import SystemClock
from bff.config import Config
from bff.services.bridge.consul import ConsulEntry
from bff.services.bridge.entry import LONGEST, ROUTES, Entry, routes_told
from bff.services.bridge.nacos import NacosEntry
from bff.services.bridge.registrar import Registrar
from bff.services.bridge.registrations import Registrations
from bff.services.discovery import consul, nacos
from bff.services.resolver import NotResolved, Question
from bff.signals import Deregistered, Registered, RegistrationFailed
from bff.testing.clock import ManualClock, settle
from tests.services.discovery.conftest import RegistryServer

pytestmark = pytest.mark.anyio

Ask = Callable[..., Question]
MakeRegistry = Callable[[Any], Awaitable[RegistryServer]]
ENTRY = Entry(name="bff pages", host="10.0.0.7", port=8000, ttl=15.0, weight=2.0, labels={"version": "v2"})


class Agent:
    """A Consul agent: services with TTL checks. ``token`` is wanted if there is one."""

    def __init__(self, token: str = "") -> None:
        self.services: dict[str, dict[str, Any]] = {}
        self.passed: list[str] = []
        self.token = token

    async def answer(self, asked: Any) -> tuple[int, Any, dict[str, str]]:
        if self.token and asked.headers.get("x-consul-token") != self.token:
            return 403, b"Permission denied", {}
        identity = unquote(asked.path.rpartition("/")[2])
        if (asked.method, asked.path) == ("PUT", "/v1/agent/service/register"):
            service = json.loads(asked.body)
            assert {"ID", "Name", "Address", "Port", "Check"} <= service.keys()
            assert service["Check"]["TTL"].endswith("s")
            assert all(len(value) <= LONGEST for value in service["Meta"].values())
            self.services[service["ID"]] = service
            return 200, b"", {}
        if asked.path.startswith("/v1/agent/check/pass/service:"):
            identity = identity.removeprefix("service:")
            if identity not in self.services:
                return 404, b'Unknown check ID "service:x"', {}
            self.passed.append(identity)
            return 200, b"", {}
        if asked.path.startswith("/v1/agent/service/deregister/"):
            return (200, b"", {}) if self.services.pop(identity, None) else (404, b"Unknown service ID", {})
        assert asked.path.startswith("/v1/health/service/")
        found = [
            {"Node": {"Address": "10.9.9.9"}, "Service": each, "Checks": []}
            for each in self.services.values()
        ]
        return 200, found, {"X-Consul-Index": "1"}


async def test_consul_knows_the_gateway_as_our_own_discovery_finds_it(
    registry: MakeRegistry, question: Ask
) -> None:
    """Address, weight and metadata; alive by its TTL check, under a token, and gone when it left."""
    agent = Agent(token="s3cret")
    server = await registry(agent.answer)
    options = {"token": "s3cret", "tags": "pages, v2"}
    bridge = ConsulEntry(ENTRY, server.url, options)
    await bridge.enter()
    [service] = agent.services.values()
    assert (service["ID"], service["Tags"]) == ("bff pages-10.0.0.7-8000", ["pages", "v2"])
    assert service["Check"] == {"TTL": "15s", "Status": "passing", "DeregisterCriticalServiceAfter": "60s"}
    await bridge.renew()
    assert agent.passed == [service["ID"]]
    resolver = consul.resolver(question("bff pages", server.url, options=options))
    found = await resolver.resolve()
    await resolver.aclose()
    [address] = found.addresses
    assert (str(address), address.weight, address.labels) == ("10.0.0.7:8000", 2.0, {"version": "v2"})
    await bridge.leave()
    assert agent.services == {}
    with pytest.raises(NotResolved):
        await bridge.renew()
    await bridge.aclose()


class NacosServer:
    """Nacos 3's instances. ``password`` is wanted if there is one."""

    def __init__(self, password: str = "") -> None:
        self.instances: dict[str, dict[str, Any]] = {}
        self.beats = 0
        self.password = password

    async def answer(self, asked: Any) -> tuple[int, Any, dict[str, str]]:
        if asked.path == "/nacos/v3/auth/user/login":
            good = asked.form == {"username": "bff", "password": self.password}
            return (200, {"accessToken": "t", "tokenTtl": 18000}, {}) if good else (403, {"code": 10001}, {})
        if self.password and asked.headers.get("accesstoken") != "t":
            return 403, {"code": 10001, "message": "access denied", "data": None}, {}
        if asked.path == "/nacos/v3/client/ns/instance/list":
            return 200, {"code": 0, "message": "success", "data": list(self.instances.values())}, {}
        assert asked.path == "/nacos/v3/client/ns/instance"
        told = asked.form if asked.method == "POST" else asked.query
        key = f"{told['ip']}:{told['port']}"
        assert (told["serviceName"], told["groupName"], told["ephemeral"]) == (
            "bff pages",
            "DEFAULT_GROUP",
            "true",
        )
        if asked.method == "DELETE":
            self.instances.pop(key, None)
        elif told.get("heartBeat") == "true":
            if key not in self.instances:
                return 200, {"code": 21003, "message": "instance not found", "data": None}, {}
            self.beats += 1
        else:
            self.instances[key] = {
                "ip": told["ip"],
                "port": int(told["port"]),
                "weight": float(told["weight"]),
                "healthy": True,
                "enabled": True,
                "metadata": json.loads(told["metadata"]),
            }
        return 200, {"code": 0, "message": "success", "data": "ok"}, {}


async def test_nacos_knows_the_gateway_as_our_own_discovery_finds_it(
    registry: MakeRegistry, question: Ask
) -> None:
    """As an ephemeral instance, with how long it may be silent; a renewal of what is forgotten fails."""
    there = NacosServer(password="s3cret")
    server = await registry(there.answer)
    options = {"username": "bff", "password": "s3cret"}
    bridge = NacosEntry(ENTRY, server.url, options, clock=SystemClock())
    await bridge.enter()
    await bridge.renew()
    assert there.beats == 1
    resolver = nacos.resolver(question("bff pages", server.url, options=options))
    found = await resolver.resolve()
    await resolver.aclose()
    [address] = found.addresses
    assert (str(address), address.weight, address.labels["version"]) == ("10.0.0.7:8000", 2.0, "v2")
    assert address.labels["preserved.heart.beat.timeout"] == "15000"
    await bridge.leave()
    assert there.instances == {}
    with pytest.raises(NotResolved, match="21003"):
        await bridge.renew()
    await bridge.aclose()


class Fake:
    """A registry that does what its ``mood`` says; ``done`` is what was asked of it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.mood = "good"
        self.is_entered = self.is_closed = False

    async def _ask(self, what: str) -> None:
        self.done.append(what)
        if self.mood == "silent":
            await asyncio.Event().wait()
        if self.mood == "away":
            raise NotResolved("the registry could not be asked")
        if self.mood == "broken":
            raise UnicodeEncodeError("ascii", "ü", 0, 1, "a token that is no header's value")

    async def enter(self) -> None:
        await self._ask("enter")
        self.is_entered = True

    async def renew(self) -> None:
        await self._ask("renew")
        if not self.is_entered:
            raise NotResolved("answered 404")

    async def leave(self) -> None:
        await self._ask("leave")
        self.is_entered = False

    async def aclose(self) -> None:
        self.is_closed = True


class Kept:
    """A registrar with its fake and its clock."""

    def __init__(self) -> None:
        self.clock, self.fake, self.told = ManualClock(), Fake(), list[Any]()
        self.registrar = Registrar(
            ENTRY, self.fake, clock=self.clock, random=Random(1), emit=self.told.append
        )
        self.registrar.start()

    async def after(self, seconds: float) -> list[str]:
        """What was asked in that time."""
        self.fake.done.clear()
        await self.clock.advance(seconds)
        await settle()
        return self.fake.done


async def test_an_entry_is_renewed_three_times_within_its_time_and_taken_out() -> None:
    """Every five seconds of fifteen; nobody hears of a renewal."""
    kept = Kept()
    assert await kept.after(0.0) == ["enter"]
    assert await kept.after(15.1) == ["renew"] * 3
    await kept.registrar.aclose()
    assert (kept.fake.done[-1], kept.fake.is_entered, kept.fake.is_closed) == ("leave", False, True)
    assert kept.told == [
        Registered(name="bff pages", address="10.0.0.7:8000"),
        Deregistered(name="bff pages"),
    ]
    assert await kept.after(60.0) == []


async def test_what_a_registry_forgot_is_entered_anew_at_once() -> None:
    """It was restarted, and knows nobody."""
    kept = Kept()
    await kept.after(0.0)
    kept.fake.is_entered = False
    assert await kept.after(5.1) == ["renew", "enter"]
    assert kept.fake.is_entered
    await kept.registrar.aclose()


@pytest.mark.parametrize("mood", ["away", "silent", "broken"])
@pytest.mark.parametrize("since", ["before", "after"])
async def test_a_registry_that_is_away_is_asked_until_it_is_back(mood: str, since: str) -> None:
    """Ever less often, however long; then the entry is whole again, and both are told."""
    kept = Kept()
    if since == "before":
        kept.fake.mood = mood
    await kept.after(0.0)
    kept.fake.mood = mood
    asked = await kept.after(600.0)
    assert 20 <= len(asked) <= 200
    assert any(isinstance(each, RegistrationFailed) for each in kept.told)
    kept.fake.mood = "good"
    assert "enter" in await kept.after(20.0)
    assert kept.fake.is_entered
    assert isinstance(kept.told[-1], Registered)
    kept.fake.is_entered = False  # what was forgotten after that is no long trouble again
    assert (await kept.after(6.0))[:2] == ["renew", "enter"]
    await kept.registrar.aclose()


@pytest.mark.parametrize("mood", ["away", "silent", "broken"])
async def test_a_gateway_that_ends_does_not_wait_for_a_registry_that_is_away(mood: str) -> None:
    """Two seconds at most; the entry runs out by itself, and operators know."""
    kept = Kept()
    await kept.after(0.0)
    kept.fake.mood = mood
    ending = asyncio.ensure_future(kept.registrar.aclose())
    await settle()
    await kept.clock.advance(2.1)
    await asyncio.wait_for(ending, 60)
    assert "not taken out" in kept.told[-1].why
    assert kept.fake.is_closed


def config(tmp_path: Path, **registrations: Any) -> Config:
    made = Config.model_validate(
        {
            "services": {"up": {"url": "http://up"}},
            "routes": [{"path": "/api/home/{user_id}", "service": "up", "methods": ["GET"]}],
            "registrations": registrations,
        }
    )
    return made.read_from(tmp_path / "routes.yaml", {})


async def test_a_reload_changes_entries_without_a_gap(registry: MakeRegistry, tmp_path: Path) -> None:
    """New labels are told under the same identity, a new name takes the old one's place, and what stays is left alone."""
    agent = Agent()
    server = await registry(agent.answer)
    pages = {"type": "consul", "name": "pages", "server": server.url, "address": "10.0.0.7", "ttl": "60s"}
    told: list[Any] = []
    entries = Registrations(clock=SystemClock(), emit=told.append)
    entries.configure(config(tmp_path, pages=pages))
    assert not entries.are_there
    entries.begin(config(tmp_path, pages=pages), 8000)
    await until(lambda: len(told) == 1)
    assert agent.services["pages-10.0.0.7-8000"]["Meta"] == {ROUTES: "GET /api/home/{user_id}"}
    asked = len(server.asked)
    entries.configure(config(tmp_path, pages=pages))
    entries.configure(config(tmp_path, pages={**pages, "labels": {"version": "v2"}}))
    await until(lambda: len(told) == 2)
    assert agent.services["pages-10.0.0.7-8000"]["Meta"]["version"] == "v2"
    assert [each.path for each in server.asked[asked:]] == ["/v1/agent/service/register"]
    entries.configure(config(tmp_path, pages={**pages, "name": "other", "address": "10.0.0.7:9000"}))
    await until(lambda: set(agent.services) == {"other-10.0.0.7-9000"})
    await entries.aclose()
    assert agent.services == {}
    entries.configure(config(tmp_path, pages=pages))
    assert not entries.are_there


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=300), st.lists(st.sampled_from(["GET", "POST"]), max_size=2))
    )
)
def test_routes_are_told_in_what_a_registry_takes(routes: list[tuple[str, list[str]]]) -> None:
    """However many; what is cut says so."""
    told = routes_told(routes)
    assert len(told) <= LONGEST
    assert told.endswith("…") or told.count(" ") >= len(routes)
