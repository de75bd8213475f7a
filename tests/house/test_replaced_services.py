"""A service that routes.yaml no longer names: its connections live while calls may need them, and no longer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from bff.app import Options, compose
from bff.config import ServiceConfig, load

pytestmark = pytest.mark.anyio

FUNCTION = """\
async def handle(ctx: "Context") -> str:
    return (await ctx.services.stock.get("/")).text
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
