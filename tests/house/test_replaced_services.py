"""A service that routes.yaml no longer names: its connections live while calls may need them, and no longer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.app import Options, compose
from bff.config import ServiceConfig, load
from bff.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

FUNCTION = """\
async def handle(ctx: "Context") -> str:
    return (await ctx.services.stock.get("/")).text
"""
STREAM = """\
async def handle(ctx: "Context") -> AsyncIterator[str]:
    for _ in range(3):
        yield (await ctx.services.stock.get("/")).text
        await asyncio.sleep(0)
"""
ROUTES = "services: {{stock: {{url: 'http://{}.test'}}}}\nroutes: [{{path: /a, function: a}}]\n"


class Recorded(httpx.AsyncBaseTransport):
    """Answers everything, and tells how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.url.host)

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("turns", [0, 1])
async def test_a_shutdown_closes_what_was_just_replaced(tmp_path: Path, turns: int) -> None:
    """Whether the wait for the last calls has begun or not, no connection is left open."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/a.py").write_text("from bff import Context\n\n\n" + FUNCTION)
    routes = tmp_path / "routes.yaml"
    routes.write_text(ROUTES.format("old"))
    made: list[Recorded] = []

    def make(_name: str, _config: ServiceConfig) -> Recorded:
        made.append(Recorded())
        return made[-1]

    async with compose(load(routes), Options(make_transport=make)) as house:
        transport = httpx.ASGITransport(house.gateway)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            assert (await client.get("/a")).text == "old.test"
            routes.write_text(ROUTES.format("new"))
            assert await house.reload()
            for _ in range(turns):
                await asyncio.sleep(0)
            assert made[0].closed == 0
    assert made[0].closed == 1


async def test_a_stream_calls_its_service_as_it_was_when_it_began(tmp_path: Path) -> None:
    """However long it lasts; what it called is closed once it has ended, and not before."""
    (tmp_path / "functions").mkdir()
    imports = "import asyncio\nfrom collections.abc import AsyncIterator\nfrom bff import Context\n\n\n"
    (tmp_path / "functions/a.py").write_text(imports + STREAM)
    routes, clock = tmp_path / "routes.yaml", ManualClock()
    routes.write_text(ROUTES.format("old"))
    made: list[Recorded] = []

    def make(_name: str, _config: ServiceConfig) -> Recorded:
        made.append(Recorded())
        return made[-1]

    async with compose(load(routes), Options(make_transport=make, clock=clock)) as house:
        caller = Caller()
        stream = asyncio.ensure_future(house.gateway(SCOPE, caller.receive, caller.send))
        await caller.heard.wait()
        routes.write_text(ROUTES.format("new"))
        assert await house.reload()
        await clock.advance(60)  # far more than the service's timeout
        assert made[0].closed == 0
        caller.goes_on.set()
        await stream
        assert caller.body == b"old.test" * 3
        del stream
        gc.collect()
        await clock.advance(60)
        assert made[0].closed == 1


SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/a",
    "raw_path": b"/a",
    "query_string": b"",
    "headers": [(b"host", b"gateway")],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
}


class Caller:
    """Takes the first piece of an answer, and the rest once it ``goes_on``."""

    def __init__(self) -> None:
        self.body = b""
        self.heard, self.goes_on = asyncio.Event(), asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.body += message.get("body", b"")
        if self.body:
            self.heard.set()
            await self.goes_on.wait()
