"""Caching end to end beyond the rules of RFC 9111, which have tests/services/conformance: who shares what, and pages."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.conftest import eventually

FUNCTIONS = {
    "reads": """
        from bff import Context

        async def handle(ctx: Context, path: str, verb: str = "GET") -> dict:
            answer = await ctx.services.users.request(verb, path, check=False)
            return {"status": answer.status_code, "call": answer.json().get("call") if answer.content else None}
    """,
    "home": """
        from bff import Context, gather

        async def handle(ctx: Context) -> dict:
            users, plain = ctx.services.users, ctx.services.plain
            parts = await gather(plain.get("/held?n=1"), plain.get("/held?n=2"), plain.get("/held?n=3"))
            return {"parts": [part.json()["call"] for part in parts]}
    """,
    "keeps": """
        calls = 0

        async def handle(q: str = "") -> dict:
            global calls
            calls += 1
            return {"call": calls}
    """,
}
ROUTES = """\
gateway: {{cache_size: 8MB}}
services:
  users: {{url: "{url}", cache: {section}}}
  plain: {{url: "{url}", timeout: 20s, max_connections: 200}}
routes:
- {{path: /reads, methods: [GET, POST], function: reads, forward_headers: [authorization, accept-language]}}
- {{path: /home, function: home, timeout: 20s}}
- {{path: /keeps, function: keeps, cache: {{ttl: 60s, stale-while-revalidate: 60s}}}}
"""


class Origin(BaseHTTPRequestHandler):
    """Answers as its query says: ``/any?cc=max-age=60``; ``/held`` waits until it is let go."""

    protocol_version = "HTTP/1.1"
    calls: Counter[str]
    seen: list[tuple[str, dict[str, str]]]
    gate: threading.Event

    def do_GET(self) -> None:
        cls = type(self)
        cls.calls[self.path] += 1
        cls.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if self.path.startswith("/held"):
            cls.gate.wait(60)
        said = {"cache-control": asked.get("cc", "")}
        self.reply(200, said, json.dumps({"call": cls.calls[self.path]}).encode())

    def reply(self, status: int, fields: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in fields.items():
            if value:
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


@pytest.fixture(scope="module")
def origin() -> Iterator[type[Origin]]:
    """The service, and what it was asked."""
    made = type("Made", (Origin,), {"calls": Counter(), "seen": [], "gate": threading.Event()})
    server = Server(("127.0.0.1", 0), made)
    made.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.gate.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def house(module_gateway: Callable[..., Any], module_project: Callable[..., Any], origin: Any) -> Any:
    """A gateway whose service says ``cache: true``."""
    files = {f"functions/{name}.py": text for name, text in FUNCTIONS.items()}
    config = ROUTES.format(url=origin.url, section="true")
    return module_gateway(module_project({"routes.yaml": config, **files}))


Read = Callable[..., Any]


@pytest.fixture
def read(house: Any) -> Read:
    """``read("/any?cc=no-store", authorization="ada")``: the number of the service's call that answered."""

    def ask(path: str, verb: str = "GET", **headers: str) -> Any:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = house.get("/reads", params={"path": path, "verb": verb}, headers=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["call"]

    return ask


def test_a_hundred_identical_page_views_are_one_call_for_each_distinct_request(
    house: Any, origin: Any
) -> None:
    async def views() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=110)
        url = str(house.client.base_url)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as client:
            asking = [asyncio.ensure_future(client.get("/home")) for _ in range(100)]
            while sum(path.startswith("/held") for path in origin.calls) < 3 or not house_has(house, 100):
                await asyncio.sleep(0.02)
            for _ in range(3):  # what was sent before these has been read before they are answered
                await client.get("/keeps", params={"q": "after"})
            origin.gate.set()
            return await asyncio.gather(*asking)

    answers = asyncio.run(views())
    assert {answer.status_code for answer in answers} == {200}
    assert {tuple(answer.json()["parts"]) for answer in answers} == {(1, 1, 1)}
    assert {path: count for path, count in origin.calls.items() if path.startswith("/held")} == {
        "/held?n=1": 1,
        "/held?n=2": 1,
        "/held?n=3": 1,
    }


def house_has(house: Any, connections: int) -> bool:
    """Whether so many callers are connected to the gateway: their requests are in by then."""
    port = house.client.base_url.port
    with open("/proc/net/tcp") as table:  # Linux: local address, remote address, state 01 is established
        return sum(f":{port:04X} " in line[:21] and " 01 " in line for line in table) >= connections


def test_what_is_for_one_credential_never_reaches_another(read: Read) -> None:
    assert [read("/private?cc=max-age=60", authorization=who) for who in ("ada", "bob", "ada")] == [1, 2, 3]
    public = "/public?cc=public,max-age=60"
    assert [read(public, authorization=who) for who in ("ada", "bob", "ada", "bob")] == [1, 2, 1, 2]


def test_a_page_is_kept_and_tells_it(house: Any) -> None:
    first, second = (house.get("/keeps", params={"q": "1"}) for _ in range(2))
    assert first.json() == second.json()
    assert first.headers["cache-status"] == "bff; fwd=uri-miss; ttl=60; stored"
    assert second.headers["cache-status"].startswith("bff; hit; ttl=")
    assert int(second.headers["age"]) >= 0
    assert second.headers["date"] == first.headers["date"]
    same = house.get("/keeps", params={"q": "1"}, headers={"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    head = house.client.head("/keeps", params={"q": "1"})
    assert (head.headers["content-length"], head.content) == (str(len(first.content)), b"")
    only = house.get("/keeps", params={"q": "2"}, headers={"cache-control": "only-if-cached"})
    assert (only.status_code, only.json()["code"]) == (504, "not-cached")


def test_a_save_brings_a_page_of_its_own(
    gateway: Callable[..., Any], write_project: Callable[..., Any]
) -> None:
    text = "async def handle() -> dict:\n    return {'version': %d}\n"
    config = "routes:\n- {path: /page, function: page, cache: {ttl: 60s}}\n"
    house = gateway(write_project({"routes.yaml": config, "functions/page.py": text % 1}), "dev")
    assert [house.get("/page").json()["version"] for _ in range(2)] == [1, 1]
    (house.folder / "functions" / "page.py").write_text(text % 2)
    eventually(lambda: house.get("/page").json()["version"] == 2)


def test_the_section_is_live_configuration(
    gateway: Callable[..., Any], write_project: Callable[..., Any], origin: Any
) -> None:
    files = {"functions/reads.py": FUNCTIONS["reads"]}
    routes = "services:\n  users: {{url: '{url}', cache: {section}}}\nroutes:\n- {{path: /reads, function: reads}}\n"
    house = gateway(write_project({"routes.yaml": routes.format(url=origin.url, section="false"), **files}))

    def call() -> int:
        number: int = house.get("/reads", params={"path": "/live"}).json()["call"]
        return number

    assert [call(), call()] == [1, 2]
    (house.folder / "routes.yaml").write_text(routes.format(url=origin.url, section="{ttl: 60s}"))
    eventually(lambda: call() == call())
    (house.folder / "routes.yaml").write_text(routes.format(url=origin.url, section="false"))
    eventually(lambda: call() != call())
