"""What a connection does once instead of for each of its requests, and that a request leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httptools
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from bff.app import compose
from bff.config import load
from bff.gateway.lean import hosted, split
from bff.gateway.protocol import HeadLimits, LimitedProtocol
from bff.sdk.invocation import Invocation

HELLO = b"GET /hello HTTP/1.1\r\nhost: bff\r\n\r\n"
PATIENCE = 60


class Wire(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def get_write_buffer_size(self) -> int:
        return 0


class Handle:
    """Of a timer."""

    def __init__(self, loop: Loop, timer: Any) -> None:
        self._loop = loop
        self._timer = timer

    def cancel(self) -> None:
        if self._timer in self._loop.timers:
            self._loop.timers.remove(self._timer)


class Loop:
    """A loop whose time a test moves; nothing but timers, and tasks that are run at once."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Callable[..., None], *args: Any) -> Any:
        timer = (self.now + seconds, partial(callback, *args))
        self.timers.append(timer)
        return Handle(self, timer)

    def create_task(self, running: Any) -> Any:
        with pytest.raises(StopIteration):
            running.send(None)
        return type("Task", (), {"add_done_callback": lambda *_: None})()

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        for timer in [each for each in self.timers if each[0] <= self.now]:
            self.timers.remove(timer)
            timer[1]()


async def hello(scope: Any, _receive: Any, _send: Any) -> None:
    scope["bff.protocol"].respond(scope, 200, [(b"content-length", b"0")], b"")


def connection(loop: Loop, app: Any = hello) -> tuple[LimitedProtocol, Wire]:
    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_keep_alive=PATIENCE)
    config.load()
    limits, wire = HeadLimits(16384, 15.0), Wire()
    made = LimitedProtocol(config, ServerState(), {}, loop, limits=limits)
    made.connection_made(wire)
    return made, wire


def test_a_connection_at_rest_is_closed_by_one_timer() -> None:
    """It is set with the first answer, looks when the last one was done, and is set for the rest of the time."""
    loop = Loop()
    protocol, wire = connection(loop)
    for _ in range(3):
        protocol.data_received(HELLO)
        loop.pass_by(PATIENCE / 2)
    assert wire.written.count(b"200 OK") == 3
    assert len(loop.timers) == 1
    assert not wire.is_closed
    loop.pass_by(PATIENCE / 2)
    assert wire.is_closed


def test_a_connection_that_works_is_not_at_rest() -> None:
    """However long its request takes: the time begins with the answer."""
    loop = Loop()
    held: list[Any] = []

    class Held(Loop):
        def create_task(self, running: Any) -> Any:
            held.append(running)
            return super().create_task(hello_later())

    async def hello_later() -> None:
        return

    loop = Held()
    protocol, wire = connection(loop)
    protocol.data_received(HELLO)
    loop.pass_by(10 * PATIENCE)
    assert not wire.is_closed
    with pytest.raises(StopIteration):
        held[0].send(None)
    loop.pass_by(PATIENCE - 1)
    assert not wire.is_closed
    loop.pass_by(1)
    assert wire.is_closed


def test_every_request_has_a_scope_of_its_own() -> None:
    """Made of the connection's: what an application writes into one is in no other."""
    scopes: list[Any] = []

    async def keeps(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(dict(scope))
        scope["headers"].append((b"x", b"y"))
        scope["mine"] = True
        await hello(scope, receive, send)

    protocol, _ = connection(Loop(), keeps)
    protocol.data_received(b"PUT /a%20b?c=%20d HTTP/1.1\r\nhost: bff\r\ncontent-length: 0\r\n\r\n")
    protocol.data_received(HELLO)
    first, second = scopes
    assert (first["method"], first["path"], first["raw_path"]) == ("PUT", "/a b", b"/a%20b")
    assert (first["query_string"], first["bff.target"]) == (b"c=%20d", b"/a%20b?c=%20d")
    assert (second["method"], second["path"], second["query_string"]) == ("GET", "/hello", b"")
    assert second["headers"] == [(b"host", b"bff"), (b"x", b"y")]
    assert "mine" not in second


def test_a_body_in_many_pieces_grows_in_place() -> None:
    """Copying all of it for each piece would make a small body dear."""

    class Never(Loop):
        def create_task(self, running: Any) -> Any:
            running.close()
            return super().create_task(hello_later())

    async def hello_later() -> None:
        return

    protocol, _ = connection(Never())
    protocol.data_received(b"POST /hello HTTP/1.1\r\nhost: bff\r\ncontent-length: 9\r\n\r\n")
    bodies = set()
    for piece in (b"one", b"two"):
        protocol.data_received(piece)
        bodies.add(id(protocol.cycle.body))
    assert protocol.cycle.body == bytearray(b"onetwo")
    assert len(bodies) == 1


TARGETS = st.text(st.sampled_from([chr(code) for code in range(0x21, 0x7F) if chr(code) != "#"]))


@given(TARGETS)
def test_a_target_is_split_as_the_parser_splits_it(rest: str) -> None:
    """Whatever llhttp lets pass that begins with a slash; a fragment never comes so far."""
    url = b"/" + rest.encode()
    parsed = httptools.parse_url(url)
    assert split(url) == (parsed.path, parsed.query or b"")


@pytest.mark.parametrize("url", [b"http://bff/a?b", b"*"])
def test_other_forms_of_a_target_are_the_parsers(url: bytes) -> None:
    """RFC 9112 §3.2.2 and §3.2.4."""
    parsed = httptools.parse_url(url)
    assert split(url) == (parsed.path, parsed.query or b"")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (b"http://other", b"other"),
        (b"http://a:b@other:80?c", b"other:80"),
        (b"HTTP://[::1]:8000/@d", b"[::1]:8000"),
        (b"*", b"bff"),
    ],
)
def test_an_absolute_target_names_the_host(url: bytes, host: bytes) -> None:
    """RFC 9112 §3.2.2: whatever the field says; but it has to be there, and once."""
    assert hosted([(b"a", b"1"), (b"host", b"bff")], url) == [(b"a", b"1"), (b"host", host)]
    for fields in ([], [(b"host", b"bff")] * 2):
        assert hosted(fields, url) == fields


def test_an_absolute_target_may_have_no_path() -> None:
    assert split(b"http://other") == (b"/", b"")
    assert split(b"http://other?a") == (b"/", b"a")


@pytest.mark.anyio
async def test_an_answered_request_leaves_nothing_to_the_collector(tmp_path: Path) -> None:
    """No two objects of it keep each other: looking for such costs a page a fifteenth of its time."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "hello.py").write_text("async def handle():\n    return {'hello': 'world'}\n")
    (tmp_path / "routes.yaml").write_text("routes: [{path: /hello, methods: [GET], function: hello}]\n")
    seen: list[weakref.ref[Invocation]] = []
    async with compose(load(tmp_path / "routes.yaml")) as house:
        house.signals.listen(Invocation, lambda invocation: seen.append(weakref.ref(invocation)))
        protocol, wire = connection(asyncio.get_running_loop(), house.gateway)  # type: ignore[arg-type]
        gc.disable()
        try:
            for number in range(1, 4):
                protocol.data_received(HELLO)
                async with asyncio.timeout(60):
                    while wire.written.count(b"200 OK") < number:
                        await asyncio.sleep(0)
            protocol.connection_lost(None)
            for _ in range(3):
                await asyncio.sleep(0)
            assert [each() for each in seen[1:]] == [None, None]  # the first waited for the warm-up
        finally:
            gc.enable()


def test_without_llhttp_there_is_no_listener() -> None:
    """Two parsers never agree on everything, so none takes its place silently: uvicorn's own choice would be h11."""
    script = "import sys; sys.modules['httptools'] = None\nimport bff.listeners"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 1
    assert "import of httptools halted" in ran.stderr
