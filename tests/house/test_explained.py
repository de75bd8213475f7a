"""What one page view's calls cost is told where people look: Server-Timing for browsers in dev, the log always."""

from __future__ import annotations

import io
import json
from pathlib import Path

import httpx
import pytest

from bff.app import Options, compose
from bff.config import load
from bff.telemetry.lines import Lines

pytestmark = pytest.mark.anyio

FUNCTION = """\
from bff import Context, gather


async def handle(ctx: Context) -> str:
    stock, news = ctx.services.stock, ctx.services.news
    await gather(stock.get("/a"), stock.get("/a"), news.get("/n"))
    return "page"
"""
ROUTES = """\
services: {stock: {url: "http://stock.test"}, news: {url: "http://news.test"}}
routes: [{path: /a, function: a}]
"""


@pytest.mark.parametrize("dev", [True, False])
async def test_each_call_of_a_page_is_told(tmp_path: Path, dev: bool) -> None:
    """By service, with its time and what was unusual about it; browsers are told in dev only."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/a.py").write_text(FUNCTION)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    written = io.StringIO()
    options = Options(
        dev=dev,
        lines=Lines(written, pretty=False, level="info"),
        make_transport=lambda *_: httpx.MockTransport(lambda _: httpx.Response(200, text="ok")),
    )
    async with compose(load(tmp_path / "routes.yaml"), options) as house:
        transport = httpx.ASGITransport(house.gateway)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            answer = await client.get("/a")
    timing = [part.strip().split(";") for part in answer.headers["server-timing"].split(",")]
    services = [part for part in timing if part[0] in ("stock", "news")]
    assert [part[0] for part in services] == (["stock", "stock", "news"] if dev else [])
    assert all(part[1].startswith("dur=") for part in services)
    assert [part[2:] for part in services] == ([[], ['desc="shared"'], []] if dev else [])
    told = [json.loads(line) for line in written.getvalue().splitlines()]
    (line,) = [each for each in told if each["event"] == "request"]
    assert [(call["service"], call["status"], call.get("how")) for call in line["services"]] == [
        ("stock", 200, None),
        ("stock", 200, "shared"),
        ("news", 200, None),
    ]
    assert all(call["ms"] >= 0 for call in line["services"])
    assert len(line["trace_id"]) == 32
