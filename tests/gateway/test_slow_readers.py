"""Callers who ask and do not read, on the protocol alone: its limit is shortened, nothing else is different."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from bff.gateway.protocol import SCOPE_KEY, HeadLimits, LimitedProtocol
from bff.testing import ManualClock
from tests.gateway.byhand import Loop

LARGE = 32 * 2**20
MOST = 60.0


async def at_once(scope: Any, _receive: Any, send: Any) -> None:
    """A whole answer in one write, as functions' answers are sent; ``/N`` has N bytes."""
    body = b"x" * int(scope["path"][1:])
    fields = [(b"content-length", b"%d" % len(body))]
    if not scope[SCOPE_KEY].respond(scope, 200, fields, body):
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": body})


async def in_two_messages(scope: Any, _receive: Any, send: Any) -> None:
    """The same through ASGI, as Starlette sends its responses and streams their last piece."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * int(scope["path"][1:])})


@contextlib.asynccontextmanager
async def serving(
    app: Any, stalled: float, clock: ManualClock | None = None
) -> AsyncIterator[tuple[str, int, ServerState]]:
    """A server of this app, with the loop's timers or the clock's."""
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, timeout_keep_alive=60)
    config.load()
    state = ServerState()
    limits = HeadLimits(16384, 15.0, stalled)

    def protocol() -> LimitedProtocol:
        running: Any = asyncio.get_running_loop()
        loop = running if clock is None else Loop(running, clock)
        return LimitedProtocol(config=config, server_state=state, app_state={}, limits=limits, _loop=loop)

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        yield *server.sockets[0].getsockname(), state
        for connection in list(state.connections):
            connection.transport.abort()


@contextlib.asynccontextmanager
async def caller(host: str, port: int) -> AsyncIterator[socket.socket]:
    with socket.socket() as end:
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, (host, port))
        yield end


def ask(size: int, fields: bytes = b"") -> bytes:
    return b"GET /%d HTTP/1.1\r\nhost: bff\r\n%b\r\n" % (size, fields)


async def gone(state: ServerState) -> None:
    async with asyncio.timeout(MOST):
        while state.connections:
            await asyncio.sleep(0.005)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def story(made: Any) -> Any:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(made)

    return story


@pytest.mark.parametrize("app", [at_once, in_two_messages])
@pytest.mark.parametrize("fields", [b"", b"connection: close\r\n"])
def test_who_never_reads_is_cut_off(run: Callable[..., Any], app: Any, fields: bytes) -> None:
    """A finished answer that nobody takes does not stay in memory, nor does one that waits behind it."""

    async def story() -> None:
        async with serving(app, 0.05) as (host, port, state), caller(host, port) as end:
            await asyncio.get_running_loop().sock_sendall(end, ask(LARGE, fields) + ask(LARGE, fields))
            while not state.total_requests:
                await asyncio.sleep(0.001)
            await gone(state)
            await asyncio.gather(*state.tasks)

    run(story())


def test_who_reads_slowly_gets_everything(run: Callable[..., Any]) -> None:
    """The limit is for taking nothing: an answer may take many times as long as it, and the next one comes."""

    async def story() -> None:
        clock = ManualClock()
        async with serving(at_once, 0.25, clock) as (host, port, state), caller(host, port) as end:
            loop = asyncio.get_running_loop()
            began = clock.now()
            await loop.sock_sendall(end, ask(LARGE))
            got, heard = b"", 0
            while heard < LARGE:
                got = await loop.sock_recv(end, LARGE // 128)
                assert got, f"cut after {heard}"
                heard += len(got)
                await clock.advance(0.01)
            assert clock.now() - began > 1
            await loop.sock_sendall(end, ask(3))
            while not got.endswith(b"\r\n\r\nxxx"):
                got += await loop.sock_recv(end, 65536)
            (connection,) = state.connections
            assert connection._write_timer is None

    run(story())


def test_a_small_answer_costs_no_timer(run: Callable[..., Any]) -> None:
    async def story() -> None:
        async with serving(at_once, 0.05) as (host, port, state), caller(host, port) as end:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(end, ask(1000))
            assert await loop.sock_recv(end, 4096)
            (connection,) = state.connections
            assert connection._write_timer is None

    run(story())
