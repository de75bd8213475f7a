"""A gateway whose service is found by DNS: pages follow the name server's news, and need it no more once it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.house.inside import Inside, inside
from tests.services.discovery.conftest import NameServer, nameserver  # noqa: F401  (a fixture)

pytestmark = pytest.mark.anyio

NAME = "_http._tcp.stock.internal"
ROUTES = """
    services:
      stock:
        url: "http://stock.internal"
        timeout: 60s
        discovery: {{type: srv, name: _http._tcp.stock.internal, server: "{server}"}}
    defaults: {{timeout: 60s}}
    routes: [{{path: /page, function: page}}]
"""
PAGE = """
    from bff import Context

    async def handle(ctx: Context) -> str:
        return (await ctx.services.stock.get("/stock")).text
"""


def stock(says: str) -> dict[str, str]:
    return {
        "routes.yaml": "routes: [{path: /stock, function: stock}]\n",
        "functions/stock.py": f"async def handle() -> str:\n    return {says!r}\n",
    }


def told(server: NameServer, places: Iterable[Inside]) -> None:
    """From now on the service is there, for a second."""
    ports = [each.address.rpartition(":")[2] for each in places]
    server.zone[NAME, "SRV"] = (1, [f"1 1 {port} local.internal." for port in ports])
    server.zone["local.internal", "A"] = (1, ["127.0.0.1"])


async def seen(served: Inside) -> str:
    answer = await served.client.get("/page")
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_pages_follow_the_name_server_and_outlive_it(
    tmp_path: Path,
    nameserver: NameServer,  # noqa: F811
) -> None:
    """No page fails while the service moves; a gateway that starts while nobody answers knows where it was."""
    page = {"routes.yaml": ROUTES.format(server=nameserver.server), "functions/page.py": PAGE}
    async with inside(tmp_path / "old", stock("old")) as old, inside(tmp_path / "new", stock("new")) as new:
        told(nameserver, [old])
        async with inside(tmp_path / "page", page) as served:
            assert await seen(served) == "old"
            told(nameserver, [new])
            async with asyncio.timeout(60):
                while await seen(served) == "old":
                    await asyncio.sleep(0.02)
            kept = tmp_path / "page/.bff/endpoints/stock.json"
            async with asyncio.timeout(60):
                while new.address.rpartition(":")[2] not in kept.read_text():
                    await asyncio.sleep(0.01)
            nameserver.mood = "refuse"
            assert await seen(served) == "new"
        async with inside(tmp_path / "page", page) as again:
            assert await seen(again) == "new"
            assert [each.name for each in again.house.services.clients["stock"].members] == [
                new.address.removeprefix("http://")
            ]
