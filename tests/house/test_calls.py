"""Functions that are called now and answer later: taken in, followed, cancelled, kept for their callers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.testing import AsyncClient, ManualClock, client

pytestmark = pytest.mark.anyio

Write = Callable[[Mapping[str, str | bytes]], Path]
LATER = {"prefer": "respond-async"}

ROUTES = """\
routes:
- {path: "/render/{size}", methods: [POST], function: render, respond_async: true}
- {path: /plain, methods: [POST], function: render}
calls: {functions: [render, slow, broken], max_result: 64B, retry: 1}
functions: {crowd: {isolation: process}}
"""
RENDER = """\
from bff import Context

async def handle(ctx: Context, body: dict, size: int = 0) -> tuple[dict, int]:
    ctx.progress(1, 2, "half")
    said = {"size": size, "got": body["n"], "key": ctx.request.headers.get("idempotency-key", "")[:4]}
    return {k: v for k, v in said.items() if k != "key"} | {"known": bool(said["key"])}, 201
"""
SLOW = """\
import asyncio
from bff import Context

async def handle(ctx: Context) -> str:
    ctx.progress(1, 10, "began")
    try:
        await asyncio.sleep(30)
    finally:
        print("slow has ended")
    return "never"
"""
FILES = {
    "routes.yaml": ROUTES,
    "functions/render.py": RENDER,
    "functions/slow.py": SLOW,
    "functions/broken.py": "async def handle() -> str:\n    raise RuntimeError('secret')\n",
    "functions/crowd.py": "async def handle() -> str:\n    return 'x'\n",
}


@pytest.fixture
def folder(write_project: Write) -> Path:
    return write_project(FILES)


async def ended(page: AsyncClient, asked: httpx.Response) -> dict[str, Any]:
    """How a call stands once it has ended."""
    async with asyncio.timeout(60):
        while True:
            told = (await page.get(asked.headers["location"])).json()
            if told["state"] not in ("waiting", "running"):
                return dict(told)
            await asyncio.sleep(0.02)


async def test_a_route_answers_later_where_its_caller_wants_that(folder: Path) -> None:
    """202 with an id and where to ask; then the function's own answer, status and all."""
    async with client(folder) as page:
        asked = await page.post("/render/7", json={"n": 1}, headers=LATER)
        assert (asked.status_code, asked.headers["preference-applied"]) == (202, "respond-async")
        call = asked.headers["x-call-id"]
        assert asked.headers["location"] == f"/calls/{call}"
        assert asked.json() == {"id": call, "status": f"/calls/{call}", "result": f"/calls/{call}/result"}
        told = await ended(page, asked)
        assert (told["state"], told["status"], told["attempts"]) == ("succeeded", 201, 1)
        assert told["progress"]["done"] == 1
        result = await page.get(told["result"])
        assert (result.status_code, result.json()) == (201, {"size": 7, "got": 1, "known": True})
        assert result.headers["cache-control"] == "no-store"
        at_once = await page.post("/render/7", json={"n": 1})
        assert (at_once.status_code, at_once.json()["known"]) == (201, False)
        assert (await page.post("/plain", json={"n": 1}, headers=LATER)).status_code == 201


async def test_a_function_is_called_by_its_name(folder: Path) -> None:
    """`POST /async-function/NAME`, for those that routes.yaml names."""
    async with client(folder) as page:
        asked = await page.post("/async-function/render", json={"n": 2})
        assert (asked.status_code, (await ended(page, asked))["status"]) == (202, 201)
        assert (await page.post("/async-function/crowd", json={})).status_code == 404


async def test_what_fails_is_told_as_it_would_have_been(folder: Path) -> None:
    """A problem document, after the retries that routes.yaml allows; what does not fit is not tried again."""
    async with client(folder) as page:
        told = await ended(page, broken := await page.post("/async-function/broken", json={}))
        assert (told["state"], told["status"], told["attempts"]) == ("failed", 500, 2)
        problem = (await page.get(f"{broken.headers['location']}/result")).json()
        assert problem["code"] == "function-failed"
        assert "secret" not in json.dumps(problem)
        told = await ended(page, await page.post("/async-function/render", content=b"no json"))
        assert (told["state"], told["status"], told["attempts"]) == ("failed", 415, 1)


async def test_a_call_is_followed_to_its_end_and_can_be_ended(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Server-sent events with its progress; DELETE really stops the function."""
    async with client(folder) as page:
        asked = await page.post("/async-function/slow")
        where = asked.headers["location"]
        async with asyncio.timeout(60):
            while (await page.get(where)).json()["progress"] is None:
                await asyncio.sleep(0.02)
        running = await page.get(where)
        assert (running.json()["state"], running.headers["retry-after"]) == ("running", "1")
        early = await page.get(f"{where}/result")
        assert (early.status_code, early.json()["code"]) == (409, "call-open")
        following = asyncio.create_task(page.get(where, headers={"accept": "text/event-stream"}))
        await asyncio.sleep(0.05)
        gone = await page.delete(where)
        assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")
        heard = await following
        kinds = [line for line in heard.text.splitlines() if line.startswith("event:")]
        assert (kinds[-1], heard.headers["content-type"]) == ("event: end", "text/event-stream")
        assert '"note":"began"' in heard.text.replace(" ", "")
        async with asyncio.timeout(60):
            while "slow has ended" not in capfd.readouterr().out:
                await asyncio.sleep(0.02)
        assert (await page.get(f"{where}/result")).status_code == 404
        assert (await page.delete(where)).json()["state"] == "cancelled"


async def test_an_idempotency_key_makes_one_call(folder: Path) -> None:
    """The same request again is the same call; another request under the same key is refused."""
    async with client(folder, clock=ManualClock()) as page:
        key = {"idempotency-key": "order-7"}
        first, again = [await page.post("/render/7", json={"n": 1}, headers=LATER | key) for _ in range(2)]
        assert first.headers["x-call-id"] == again.headers["x-call-id"]
        other = await page.post("/render/7", json={"n": 2}, headers=LATER | key)
        assert (other.status_code, other.json()["code"]) == (422, "call-conflict")
        apart = [await page.post("/render/7", json={"n": 1}, headers=LATER) for _ in range(2)]
        assert len({each.headers["x-call-id"] for each in apart}) == 2


async def test_answers_are_kept_within_their_limit_and_for_their_time(folder: Path) -> None:
    """What was cut says so; after `calls.retention` nothing is left."""
    clock = ManualClock()
    files = {**FILES, "functions/render.py": "async def handle(body: dict) -> str:\n    return 'x' * 100\n"}
    files["routes.yaml"] = ROUTES.replace('"/render/{size}"', "/render")
    for name, text in files.items():
        (folder / name).write_text(text)
    async with client(folder, clock=clock) as page:
        asked = await page.post("/render", json={"n": 1}, headers=LATER)
        await page.deliver()
        result = await page.get(f"{asked.headers['location']}/result")
        assert (len(result.content), result.headers["bff-cut"]) == (64, "true")
        await clock.leap(86_500)
        async with asyncio.timeout(60):
            while (await page.get(asked.headers["location"])).status_code != 404:
                await asyncio.sleep(0.02)


async def test_a_call_of_somebody_known_is_shown_to_nobody_else(write_project: Write) -> None:
    """The function knows who called; the credential itself is not stored."""
    import hashlib

    keys = {name: f"bff_key-of-{name}-" + "x" * 40 for name in ("ann", "bob")}
    digests = {name: "sha256:" + hashlib.sha256(key.encode()).hexdigest() for name, key in keys.items()}
    said = ", ".join(f"{name}: {{digest: '{digest}'}}" for name, digest in digests.items())
    folder = write_project(
        {
            "routes.yaml": f"""\
                auth: {{key: {{api_keys: {{header: x-key, keys: {{{said}}}}}}}}}
                defaults: {{auth: key}}
                routes: [{{path: /who, methods: [POST], function: who, respond_async: true}}]
                """,
            "functions/who.py": """\
                from bff import Context
                async def handle(ctx: Context) -> dict:
                    return {"who": ctx.caller.subject, "shown": [name for name in ("cookie", "x-key") if name in ctx.request.headers]}
                """,
        }
    )
    async with client(folder) as page:
        ann, bob = ({"x-key": key} for key in keys.values())
        asked = await page.post("/who", headers=LATER | ann | {"cookie": "a=1"})
        where = asked.headers["location"]
        await page.deliver()
        assert (await page.get(f"{where}/result", headers=ann)).json() == {"who": "ann", "shown": []}
        assert (await page.get(where, headers=bob)).status_code == 404
        assert (await page.delete(where, headers=bob)).status_code == 404
        assert (await page.get(where)).status_code == 401
