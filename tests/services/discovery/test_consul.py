"""Endpoints by Consul, against a server that keeps the rules of its documentation on blocking queries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services.discovery import consul
from bff.services.resolver import NotResolved, Question

pytestmark = pytest.mark.anyio

Ask = Callable[..., Question]
MakeRegistry = Callable[[Any], Awaitable[Any]]


class Agent:
    """What an agent knows of one service. ``index`` moves with every change; a question with the present index
    is held back until then.
    """

    def __init__(self) -> None:
        self.index = 10
        self.instances: list[tuple[str, int]] = [("10.0.0.1", 80)]
        self.changed = asyncio.Event()
        self.status = 200

    def change(self, *instances: tuple[str, int], by: int = 1) -> None:
        self.instances, self.index = list(instances), self.index + by
        self.changed.set()
        self.changed = asyncio.Event()

    async def answer(self, asked: Any) -> tuple[int, Any, dict[str, str]]:
        if int(asked.query.get("index", 0)) == self.index:
            await self.changed.wait()
        body = [
            {
                "Node": {"Node": "n1", "Address": "10.9.9.9"},
                "Service": {
                    "ID": f"users-{port}",
                    "Service": "users",
                    "Address": host,
                    "Port": port,
                    "Meta": {"version": "2"},
                    "Weights": {"Passing": 3, "Warning": 1},
                },
                "Checks": [],
            }
            for host, port in self.instances
        ]
        return self.status, body, {"X-Consul-Index": str(self.index)}


async def test_the_passing_instances_are_the_endpoints(registry: MakeRegistry, question: Ask) -> None:
    """With weight and meta; asked with the token and what else was said."""
    agent = Agent()
    agent.instances = [("10.0.0.1", 80), ("", 81)]
    server = await registry(agent.answer)
    options = {"token": "s3cret", "tag": "blue", "datacenter": "dc2"}
    resolver = consul.resolver(question("users/x", server.url, options=options))
    found = await resolver.resolve()
    assert [str(each) for each in found.addresses] == ["10.0.0.1:80", "10.9.9.9:81"]
    assert (found.addresses[0].weight, found.addresses[0].labels) == (3.0, {"version": "2"})
    [asked] = server.asked
    assert asked.path == "/v1/health/service/users%2Fx"
    assert asked.query == {"passing": "true", "tag": "blue", "dc": "dc2"}
    assert asked.headers["x-consul-token"] == "s3cret"
    await resolver.aclose()


async def test_news_come_with_the_change_and_not_before(registry: MakeRegistry, question: Ask) -> None:
    """The second question is held back by Consul until something happens."""
    agent = Agent()
    server = await registry(agent.answer)
    resolver = consul.resolver(question("users", server.url))
    await resolver.resolve()
    waiting = asyncio.ensure_future(resolver.resolve())
    while len(server.asked) < 2:
        await asyncio.sleep(0.001)
    assert server.asked[1].query["index"] == "10"
    assert server.asked[1].query["wait"] == "300s"
    assert not waiting.done()
    agent.change(("10.0.0.2", 80))
    assert [str(each) for each in (await waiting).addresses] == ["10.0.0.2:80"]
    await resolver.aclose()


async def test_an_index_that_goes_backwards_is_asked_for_whole(registry: MakeRegistry, question: Ask) -> None:
    """A restored snapshot: waiting for an index from before would be waiting for long."""
    agent = Agent()
    server = await registry(agent.answer)
    resolver = consul.resolver(question("users", server.url))
    await resolver.resolve()
    agent.change(("10.0.0.2", 80), by=-5)
    await resolver.resolve()
    await resolver.resolve()
    assert [each.query.get("index") for each in server.asked] == [None, "10", None]
    await resolver.aclose()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, []),
        (403, []),
        (200, b"rpc error"),
        (200, {"not": "a list"}),
        (200, [1]),
        (200, [{"Service": {"Port": 1}}]),
        (200, [{"Node": {"Address": "10.0.0.1"}, "Service": {"Address": "", "Port": "http"}}]),
        (200, b""),
    ],
)
async def test_what_is_no_answer_is_told_in_a_sentence(
    registry: MakeRegistry, question: Ask, status: int, body: Any
) -> None:
    """And the next question asks for the whole list."""
    agent = Agent()

    async def answer(asked: Any) -> tuple[int, Any, dict[str, str]]:
        if len(server.asked) == 1:
            return await agent.answer(asked)
        return status, body, {"X-Consul-Index": "11"}

    server = await registry(answer)
    resolver = consul.resolver(question("users", server.url, options={"token": "s3cret"}))
    await resolver.resolve()
    for _ in range(2):
        with pytest.raises(NotResolved) as failure:
            await resolver.resolve()
        assert "s3cret" not in str(failure.value)
    assert [each.query.get("index") for each in server.asked] == [None, "10", None]
    await resolver.aclose()


async def test_a_server_that_is_gone_is_no_answer(question: Ask) -> None:
    """Refused, on a port where nobody listens."""
    resolver = consul.resolver(question("users", "http://127.0.0.1:9"))
    with pytest.raises(NotResolved, match="could not be asked"):
        await resolver.resolve()
    await resolver.aclose()


@given(st.integers(0, 100), st.text(max_size=25) | st.integers(-5, 200).map(str))
def test_an_index_never_goes_back_and_never_is_nonsense(last: int, text: str) -> None:
    """Positive and not below the last, else 0: ask anew."""
    index = consul.next_index(last, {"x-consul-index": text})
    assert index == 0 or index >= last
