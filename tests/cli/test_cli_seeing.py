"""``bff logs``, ``calls``, ``explain`` and ``top`` on a gateway that runs, over a service that fails every other time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import Shell

if TYPE_CHECKING:
    from tests.cli.conftest import Ran
    from tests.conftest import GatewayFactory, Running

ROUTES = """\
defaults: {{timeout: 60s, warm_up_timeout: 60s}}
services: {{users: {{url: "http://127.0.0.1:{port}", timeout: 30s}}}}
telemetry: {{recorder: {{slow: 1ms}}}}
routes:
- {{path: "/home/{{id}}", function: home}}
- {{path: /bad, function: bad}}
- {{path: /lost, function: lost}}
"""
HOME = """\
from bff import Context

async def handle(ctx: Context, id: int) -> dict[str, int]:
    await ctx.services.users.get(f"/users/{id}?token=abc")
    return {"id": id}
"""
BAD = """\
def find() -> None:
    raise LookupError("no such room\\x1b[31m\\u202e\\nGET /forged")

async def handle() -> None:
    find()
"""


class Flaky(BaseHTTPRequestHandler):
    """503 and 200 by turns. ``parents`` are the traceparents it got."""

    protocol_version = "HTTP/1.1"
    parents: list[str] = []

    def do_GET(self) -> None:
        self.parents.append(self.headers["traceparent"])
        self.send_response(503 if len(self.parents) % 2 else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def running(
    module_gateway: GatewayFactory, module_project: Callable[[Mapping[str, str | bytes]], Path]
) -> Iterator[Running]:
    """One that has answered a page whose service failed at first, and an error."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        folder = module_project(
            {
                "routes.yaml": ROUTES.format(port=server.server_address[1]),
                "functions/home.py": HOME,
                "functions/bad.py": BAD,
                "functions/lost.py": "import nothing_of_this_name\n",
            }
        )
        running = module_gateway(folder)
        assert running.get("/home/7", headers={"x-request-id": "page"}).json() == {"id": 7}
        assert running.get("/bad", headers={"x-request-id": "broken"}).status_code == 500
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def asked(running: Running, tmp_path: Path) -> Callable[..., Ran]:
    shell = Shell(tmp_path)
    return lambda *args: shell(*args, BFF_ADMIN=running.admin)


def test_one_invocation_is_explained(asked: Callable[..., Ran]) -> None:
    """Its waterfall: the warm-up's phases, both attempts of the call, no secret of its path."""
    ran = asked("explain", "page")
    assert ran.code == 0, ran.err
    head, *rows = ran.out.splitlines()
    assert head.startswith("GET /home/{id} → 200 in ")
    assert head.endswith(" by home-00001")
    names = [row.partition("  ")[0] for row in (row.strip() for row in rows)]
    wanted = [
        "GET /home/{id}",
        "queue",
        "warm up home-00001",
        "imports",
        "users GET",
        "attempt 1",
        "attempt 2",
        "send",
    ]
    places = [names.index(name) for name in wanted]
    assert places == sorted(places)
    assert "/users/7?token=[redacted], 200" in ran.out
    assert "abc" not in ran.out
    assert "█" in ran.out


def test_the_attempts_of_a_call_are_the_spans_that_the_service_saw(asked: Callable[..., Ran]) -> None:
    """Each was sent under a span id of its own."""
    told = asked("explain", "page", "--json").json
    attempts = [span for span in told["spans"] if span["kind"] == "attempt"]
    assert [(span["facts"]["status"], span["error"]) for span in attempts] == [(503, "503"), (200, "")]
    assert [parent.split("-")[1:3] for parent in Flaky.parents[:2]] == [
        [told["trace_id"], span["span_id"]] for span in attempts
    ]


def test_a_failure_is_explained_with_its_line(asked: Callable[..., Ran]) -> None:
    """The exception and the function's own frame, as one line that is only text to a terminal; an id that nobody knows
    is said so.
    """
    ran = asked("explain", "broken")
    assert "Function bad raised an error. (fault: function)" in ran.out
    text = r"LookupError: no such room\x1b[31m\u202e\nGET /forged at functions/bad.py:2"
    assert text in ran.out
    assert "\\u202e" in asked("explain", "broken", "--json").out
    unknown = asked("explain", "nobody")
    assert (unknown.code, "No invocation with this id is remembered" in unknown.err) == (1, True)


def test_invocations_are_listed_by_what_is_looked_for(asked: Callable[..., Ran]) -> None:
    """In a table for people, whole for programs."""
    assert [told["request_id"] for told in asked("calls", "--errors", "--json").json] == ["broken"]
    table = asked("calls", "--slow", "--function", "home").out
    assert "page" in table
    assert "cold, slow" in table
    assert "broken" not in table
    refused = asked("calls", "--status", "many")
    assert (refused.code, "404" in refused.err) == (1, True)


def test_lines_follow_what_happens(asked: Callable[..., Ran], running: Running, tmp_path: Path) -> None:
    """What is remembered, and then each as it ends; the gateway never waits for the one who reads."""
    command = [sys.executable, "-m", "bff.cli", "logs", "-f", "--function", "bad", "--admin", running.admin]
    reader = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        assert reader.stdout is not None
        first = reader.stdout.readline()
        assert "GET /bad  bad-00001  broken" in first
        assert "function-failed (function)" in first
        running.get("/home/8")
        running.get("/bad", headers={"x-request-id": "live"})
        assert "GET /bad  bad-00001  live" in reader.stdout.readline()
    finally:
        reader.terminate()
        reader.communicate(timeout=30)
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in asked("logs", "--json", "-n", "1").out.splitlines()
    ]
    assert [told["request_id"] for told in lines] == ["live"]


def test_functions_are_watched(asked: Callable[..., Ran], running: Running) -> None:
    """Once, for scripts and tests: those that are called first, with their rates. One that cannot be loaded is not cold."""
    running.get("/bad")
    assert running.get("/lost").status_code == 500
    table = asked("top", "--once", "--window", "300").out
    rows = [row.split() for row in table.splitlines() if row.strip().startswith(("bad", "home", "lost"))]
    assert {row[0]: "failing" in row for row in rows} == {"bad": False, "home": False, "lost": True}
    told = {each["function"]: each for each in asked("top", "--json", "--window", "300").json}
    assert (told["home"]["cold"], told["home"]["instances"]) == (1, 1)
