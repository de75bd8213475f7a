"""Endpoints by Nacos 3's HTTP API, against a server that answers as its documentation says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bff.services.discovery import nacos
from bff.services.resolver import NotResolved, Question
from bff.testing import ManualClock

pytestmark = pytest.mark.anyio

Ask = Callable[..., Question]
MakeRegistry = Callable[[Any], Awaitable[Any]]


def instance(ip: str, **given: Any) -> dict[str, Any]:
    return {
        "instanceId": f"{ip}#8080#DEFAULT#DEFAULT_GROUP@@users",
        "ip": ip,
        "port": 8080,
        "weight": 1.0,
        "healthy": True,
        "enabled": True,
        "ephemeral": True,
        "clusterName": "DEFAULT",
        "serviceName": "DEFAULT_GROUP@@users",
        "metadata": {},
        **given,
    }


class Nacos:
    """A server; with ``password`` set it wants to be logged in to."""

    def __init__(self, *instances: dict[str, Any], password: str = "") -> None:
        self.instances, self.password, self.logins = list(instances), password, 0

    async def answer(self, asked: Any) -> tuple[int, Any, dict[str, str]]:
        if asked.path == "/nacos/v3/auth/user/login":
            self.logins += 1
            if asked.form != {"username": "bff", "password": self.password}:
                return 403, {"code": 10001, "message": "access denied", "data": None}, {}
            return 200, {"accessToken": f"token-{self.logins}", "tokenTtl": 18000, "globalAdmin": False}, {}
        if self.password and asked.headers.get("accesstoken") != f"token-{self.logins}":
            return 403, {"code": 10001, "message": "access denied", "data": None}, {}
        assert asked.path == "/nacos/v3/client/ns/instance/list"
        return 200, {"code": 0, "message": "success", "data": self.instances}, {}


async def test_enabled_and_healthy_instances_are_the_endpoints(registry: MakeRegistry, question: Ask) -> None:
    """With their weights and metadata; an unhealthy one is listed by this API, and left out by us."""
    server = await registry(
        Nacos(
            instance("10.0.0.1", weight=2.5, metadata={"version": "v2"}),
            instance("10.0.0.2", healthy=False),
            instance("10.0.0.3", enabled=False),
            instance("10.0.0.4", weight=0.0),
        ).answer
    )
    options = {"namespace": "shop", "group": "G", "cluster": "c1"}
    resolver = nacos.resolver(question("users", server.url, options=options, refresh=3.0))
    found = await resolver.resolve()
    [only] = found.addresses
    assert (str(only), only.weight, only.labels, found.ttl) == ("10.0.0.1:8080", 2.5, {"version": "v2"}, 3.0)
    assert server.asked[0].query == {
        "serviceName": "users",
        "groupName": "G",
        "namespaceId": "shop",
        "clusterName": "c1",
    }
    await resolver.aclose()


async def test_one_logs_in_once_and_anew_when_the_token_is_refused(
    registry: MakeRegistry, question: Ask
) -> None:
    """The password goes in the body of the login and nowhere else."""
    there = Nacos(instance("10.0.0.1"), password="s3cret")
    server = await registry(there.answer)
    options = {"username": "bff", "password": "s3cret"}
    resolver = nacos.resolver(question("users", server.url, options=options))
    await resolver.resolve()
    await resolver.resolve()
    assert there.logins == 1
    there.logins = 7  # the server was restarted with another secret
    with pytest.raises(NotResolved, match="403"):
        await resolver.resolve()
    assert [str(each) for each in (await resolver.resolve()).addresses] == ["10.0.0.1:8080"]
    assert not any("s3cret" in str((each.path, each.query, each.headers)) for each in server.asked)
    await resolver.aclose()


async def test_a_token_is_renewed_before_it_is_of_no_use(registry: MakeRegistry, question: Ask) -> None:
    """A minute before its end, of the five hours that it is good for."""
    clock, there = ManualClock(), Nacos(instance("10.0.0.1"), password="s3cret")
    server = await registry(there.answer)
    options = {"username": "bff", "password": "s3cret"}
    resolver = nacos.resolver(question("users", server.url, options=options, clock=clock))
    logins = []
    for seconds in (0, 18_000 - 61, 2, 18_000 - 61):
        await clock.advance(seconds)
        await resolver.resolve()
        logins.append(there.logins)
    assert logins == [1, 1, 2, 2]
    await resolver.aclose()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"code": 21008, "message": "service not exist", "data": None}),
        (200, {"code": 0, "message": "success", "data": {"hosts": []}}),
        (200, {"code": 0, "message": "success", "data": [{"ip": "10.0.0.1"}]}),
        (200, [1]),
        (200, b"<html>"),
        (200, b""),
        (503, {"code": 30000}),
    ],
)
async def test_what_is_no_answer_is_not_an_empty_list(
    registry: MakeRegistry, question: Ask, status: int, body: Any
) -> None:
    """A failed query is never a removal."""

    async def answer(asked: Any) -> tuple[int, Any, dict[str, str]]:
        return status, body, {}

    server = await registry(answer)
    resolver = nacos.resolver(question("users", server.url))
    with pytest.raises(NotResolved):
        await resolver.resolve()
    await resolver.aclose()
