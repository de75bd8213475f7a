"""``bff invoke``: one call without a server, its answer on standard output, everything about it beside."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

ROUTES = """
services:
  users: {{url: "{users}"}}
routes:
  - {{path: "/api/hello", function: hello}}
  - {{path: "/api/user/{{user_id}}", function: user}}
  - {{path: "/api/orders", methods: [PUT], function: order}}
  - {{path: "/files/{{rest:path}}", function: site}}
"""
FUNCTIONS = {
    "hello": "async def handle(name: str = 'world'):\n    return {'hello': name}\n",
    "user": """
        from bff import Context, gather, optional

        async def handle(ctx: Context, user_id: int):
            users = ctx.services.users
            user, more = await gather(users.get(f"/users/{user_id}"), optional(users.get("/broken")))
            return {"user": user.json(), "more": more}
        """,
    "order": """
        from pydantic import BaseModel

        class Order(BaseModel):
            id: int

        async def handle(order: Order) -> Order:
            return order
        """,
    "site": """
        from starlette.responses import PlainTextResponse

        async def app(scope, receive, send):
            await PlainTextResponse("page " + scope["path"])(scope, receive, send)
        """,
    "ticks": """
        async def handle(n: int = 3):
            for i in range(n):
                yield {"tick": i}
        """,
    "breaks": "async def handle():\n    yield 'half '\n    raise ValueError('late')\n",
    "fails": "async def handle(ctx):\n    ctx.log.info('seen', by='us')\n    print('loud')\n    raise ValueError('boom')\n",
    "syntax": "(",
    "picture": "async def handle() -> bytes:\n    return bytes(range(256))\n",
    "nothing": "async def handle() -> None: ...\n",
}


class Users(BaseHTTPRequestHandler):
    """A users service: everybody is Ann, and one path is broken."""

    def do_GET(self) -> None:
        body = json.dumps({"name": "Ann"}).encode()
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def users() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Users) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def laid_out(project: Callable[..., Path], users: str) -> Path:
    return project(ROUTES.format(users=users), **FUNCTIONS)


def test_arguments_by_name(bff: Shell) -> None:
    """No route needed: the object's keys are the handler's arguments."""
    ran = bff("invoke", "hello", "--data", '{"name": "Ann"}')
    assert ran.code == 0
    assert ran.out == '{\n  "hello": "Ann"\n}\n'
    assert ran.err.startswith("200 · hello-dev-1 · ")
    assert "warm-up: queue " in ran.err


def test_without_data_the_defaults_hold(bff: Shell) -> None:
    """A bare call is a call without arguments."""
    assert bff("invoke", "hello").json == {"hello": "world"}


def test_a_path_goes_through_the_routes(bff: Shell) -> None:
    """Path, query and all, and the services that were called with how they answered."""
    ran = bff("invoke", "user", "--path", "/api/user/7?x=1")
    assert ran.code == 0
    assert ran.json == {"user": {"name": "Ann"}, "more": None}
    assert "missing: users" in ran.err
    rows = [line.split()[:4] for line in ran.err.splitlines()]
    assert ["users", "GET", "/users/7", "200"] in rows
    assert ["users", "GET", "/broken", "500"] in rows


def test_json_holds_everything(bff: Shell) -> None:
    """One object: the answer, the time by phase, the calls, what was missing."""
    told = bff("invoke", "user", "--path", "/api/user/7", "--json").json
    assert told["status"] == 200
    assert told["body"]["user"] == {"name": "Ann"}
    assert told["headers"]["bff-missing"] == "users"
    assert told["revision"] == "user-dev-1"
    assert list(told["phases"]) == ["queue", "read", "compile", "imports", "construct", "start", "first_call"]
    assert {call["status"] for call in told["calls"]} == {200, 500}
    for call in told["calls"]:
        assert call["endpoint"].startswith("http://127.0.0.1:")
        assert (call["attempts"], call["cached"], call["coalesced"], call["how"]) == (1, "", False, "")
        assert call["bytes"] > 0
        assert 0 <= call["waited_ms"] <= call["ms"]
    assert told["missing"] == ["users"]
    assert told["error"] is None


def test_a_body_is_sent_as_json(bff: Shell, tmp_path: Path) -> None:
    """From the command line, from a file and from standard input, with and without a path."""
    (tmp_path / "order.json").write_text('{"id": 7}')
    assert bff("invoke", "order", "-d", '{"id": 7}').json == {"id": 7}
    assert bff("invoke", "order", "-p", "/api/orders", "-d", "@order.json").json == {"id": 7}
    assert bff("invoke", "order", "-d", "@-", stdin='{"id": 7}').json == {"id": 7}


def test_values_that_do_not_fit_exit_1(bff: Shell) -> None:
    """The caller's problem document is the answer, and the exit code says that it is none to go on with."""
    ran = bff("invoke", "order", "-d", '{"id": "x"}')
    assert ran.code == 1
    assert ran.json["status"] == 422
    assert ran.json["errors"][0]["field"] == "id"


def test_a_stream_is_printed_as_it_comes(bff: Shell) -> None:
    """Its lines are the output, and ``--json`` gathers them."""
    ran = bff("invoke", "ticks", "-d", '{"n": 2}')
    assert (ran.code, ran.out) == (0, '{"tick":0}\n{"tick":1}\n')
    assert bff("invoke", "ticks", "--json").json["body"] == '{"tick":0}\n{"tick":1}\n{"tick":2}\n'


def test_a_stream_that_breaks_off_fails(bff: Shell) -> None:
    """Though its head had said 200: exit 1, the cause and its line."""
    ran = bff("invoke", "breaks")
    assert (ran.code, ran.out) == (1, "half ")
    assert ran.err.startswith("500 ")
    assert "the answer broke off" in ran.err
    assert 'functions/breaks.py", line 3' in ran.err
    assert "ValueError: late" in ran.err


def test_a_function_that_raises_shows_its_own_line(bff: Shell) -> None:
    """What it logged and printed is beside the answer, never in it."""
    ran = bff("invoke", "fails", "--json")
    assert ran.code == 1
    assert ran.json["body"]["code"] == "function-failed"
    assert 'functions/fails.py", line 4' in ran.json["error"]
    assert "loud" in ran.err
    assert '"event":"seen"' in ran.err


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_function_that_cannot_be_loaded(bff: Shell, options: tuple[str, ...]) -> None:
    """File, line and cause, as a save in dev would show."""
    ran = bff("invoke", "syntax", *options)
    assert ran.code == 1
    assert "functions/syntax.py:1:" in ran.out + ran.err
    assert "SyntaxError" in ran.out + ran.err


def test_an_application_is_called_by_path(bff: Shell) -> None:
    """It binds nothing, so there are no arguments to give by name."""
    assert bff("invoke", "site", "-p", "/files/a/b").out == "page /files/a/b\n"
    ran = bff("invoke", "site", "-d", "{}")
    assert (ran.code, ran.out) == (1, "")
    assert "--path" in ran.err


def test_bytes_and_nothing(bff: Shell) -> None:
    """An answer without a body prints none; bytes come as text only for programs that asked for JSON."""
    ran = bff("invoke", "nothing")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("204 ")
    assert bff("invoke", "nothing", "--json").json["body"] is None


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("helo",), "there is no function helo; did you mean hello?"),
        (("hello", "-p", "/nowhere"), "No route matches this path. (the routes of hello: GET /api/hello)"),
        (("ticks", "-p", "/nowhere"), "ticks has no route; leave --path out"),
        (("hello", "-p", "/api/user/7"), "GET /api/user/7 leads to function user, not to hello"),
        (("hello", "-p", "/api/hello", "-X", "post"), "POST is not allowed here"),
        (("hello", "-p", "/api/hello", "-d", "{}"), "POST is not allowed here"),
        (("hello", "-p", "api/hello"), "a path begins with one /"),
        (("hello", "-p", "//api/hello"), "a path begins with one /"),
        (("hello", "-p", "/api/\x01"), "--path is not a path"),
        (("hello", "-d", "{"), "--data is not JSON"),
        (("hello", "-d", "[" * 100_000), "--data is not JSON"),
        (("hello", "-d", "@gone.json"), "cannot be read: No such file"),
        (("hello", "-d", '{"nam": 1}'), "no argument nam; did you mean name?"),
        (("hello", "-X", "G T"), "write GET, POST"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_sentence(bff: Shell, args: tuple[str, ...], why: str) -> None:
    """Exit 1, nothing on standard output, and with ``--json`` the same as an object."""
    ran = bff("invoke", *args)
    assert (ran.code, ran.out) == (1, "")
    assert why in ran.err
    assert why in bff("invoke", *args, "--json").json["error"]


def test_the_project_may_be_in_a_folder_below(bff: Shell, tmp_path: Path) -> None:
    """A relative ``--config`` is relative to here, and the functions are beside it, found once."""
    bff.folder = tmp_path.parent
    assert bff("invoke", "hello", "--config", tmp_path.name).json == {"hello": "world"}
