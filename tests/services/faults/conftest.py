"""A fault proxy between a client and a good service, on real sockets.

The short form, run by ``make test``, moves a clock by hand; ``make faults`` runs the same on the real clock, with
more rounds (``BFF_FAULTS=long``).
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bff.clock import Clock, SystemClock
from bff.config import ServiceConfig
from bff.services.client import ServiceClient
from bff.services.transport import Transport, Transports
from bff.testing.clock import ManualClock

IS_LONG = os.environ.get("BFF_FAULTS") == "long"
ROUNDS = 20 if IS_LONG else 1
BODY = b'"' + b"x" * 6000 + b'"'


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop that production runs on."""
    return "asyncio", {"use_uvloop": True}


class Origin:
    """The good service. ``arrived`` holds the methods of what reached it."""

    def __init__(self) -> None:
        self.arrived: list[str] = []

    def answer(self, request: bytes) -> bytes:
        self.arrived.append(request.split(b" ", 1)[0].decode())
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
        return head + BODY


Fault = Callable[["FaultProxy", bytes, asyncio.StreamWriter], Awaitable[None]]


class FaultProxy:
    """Reads each request whole, lets the origin answer it (or not), and spoils the answer by its ``fault``."""

    def __init__(self, origin: Origin, clock: Clock) -> None:
        self.origin = origin
        self.clock = clock
        self.fault: Fault = good
        self.port = 0
        self.accepted = self.gone = 0
        self.closing = asyncio.Event()
        self._context: ssl.SSLContext | None = None
        self._server: Any = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        """Listen, on the same port as before if there was one."""
        self._context = context or self._context
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._context, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and hang up on everybody."""
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line[15:])
                        for line in head.lower().split(b"\r\n")
                        if line.startswith(b"content-length:")
                    ),
                    0,
                )
                await self.fault(self, head + await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError, RuntimeError):
            pass
        finally:
            self.gone += 1
            self._open.discard(writer)
            writer.close()


async def _pause(proxy: FaultProxy, seconds: float) -> None:
    """Some time, or until the test ends."""
    tasks = {asyncio.ensure_future(proxy.clock.sleep(seconds)), asyncio.ensure_future(proxy.closing.wait())}
    _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()


async def good(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """No fault."""
    writer.write(proxy.origin.answer(request))


async def latency(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """A tenth of a second: slow, and in time."""
    await proxy.clock.sleep(0.1)
    writer.write(proxy.origin.answer(request))


async def too_late(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """Ten seconds: an answer that nobody waits for."""
    answer = proxy.origin.answer(request)
    await _pause(proxy, 10)
    writer.write(answer)


async def black_hole(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """Takes everything and says nothing."""
    await proxy.closing.wait()


async def reset(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """RST after the request has had its effect."""
    proxy.origin.answer(request)
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def close_at_once(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """FIN after the request has had its effect."""
    proxy.origin.answer(request)
    writer.close()


async def close_in_head(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """The head breaks off."""
    writer.write(proxy.origin.answer(request)[:40])
    writer.close()


async def close_in_body(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """The body breaks off: it is never taken for whole."""
    writer.write(proxy.origin.answer(request)[:-1000])
    writer.close()


async def slow_body(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """1 KB/s: six seconds for this body."""
    answer = proxy.origin.answer(request)
    for at in range(0, len(answer), 1000):
        writer.write(answer[at : at + 1000])
        await _pause(proxy, 1)
        if writer.is_closing():
            return


async def byte_by_byte(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """The head one byte at a time, the body in small pieces."""
    answer = proxy.origin.answer(request)
    for at in range(100):
        writer.write(answer[at : at + 1])
        await asyncio.sleep(0)
    for at in range(100, len(answer), 37):
        writer.write(answer[at : at + 37])
        await asyncio.sleep(0)


async def too_short(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """Announces more than comes, and closes."""
    length = b"content-length: %d" % len(BODY)
    writer.write(proxy.origin.answer(request).replace(length, b"content-length: %d" % (len(BODY) + 7)))
    writer.close()


async def too_long(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """Announces less than comes: what is over is nobody's."""
    writer.write(proxy.origin.answer(request) + b"SURPLUS")


async def two_answers(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """A second answer in the same breath, which must never reach another call."""
    stolen = b'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n"stolen"'
    writer.write(proxy.origin.answer(request) + stolen)


async def garbage(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """Not HTTP."""
    proxy.origin.answer(request)
    writer.write(bytes(range(256)) * 8)


async def unavailable(proxy: FaultProxy, request: bytes, writer: asyncio.StreamWriter) -> None:
    """503, as a load balancer without backends says."""
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


HARMLESS = (good, latency, byte_by_byte, too_long, two_answers)
"""What a call survives by itself."""
BREAKS = (reset, close_at_once, close_in_head, close_in_body, too_short, garbage, unavailable)
"""What fails at once."""
HANGS = (too_late, black_hole, slow_body)
"""What takes all of the time."""


class Scene:
    """A proxy, the service behind it, and clients of it."""

    def __init__(self) -> None:
        self.clock: Any = SystemClock() if IS_LONG else ManualClock()
        self.origin = Origin()
        self.proxies: list[FaultProxy] = []
        self.clients: list[ServiceClient] = []
        self.stalled = 0.0

    async def proxy(self, fault: Fault = good, context: ssl.SSLContext | None = None) -> FaultProxy:
        made = FaultProxy(self.origin, self.clock)
        made.fault = fault
        await made.start(context)
        self.proxies.append(made)
        return made

    def client(
        self, *proxies: FaultProxy, scheme: str = "http", cafile: Path | None = None, **config: Any
    ) -> ServiceClient:
        options = {"timeout": "1s", "coalesce": False, "retries": {"backoff": "1ms"}, **config}
        options["url"] = f"{scheme}://localhost"
        if proxies:
            options["endpoints"] = [proxy.address for proxy in proxies]
        make: Any = Transports(self.clock).make
        if cafile is not None:
            context = ssl.create_default_context(cafile=str(cafile))
            make = lambda *_: Transport(verify=context, clock=self.clock)  # noqa: E731
        client = ServiceClient(
            "users", ServiceConfig.model_validate(options), clock=self.clock, make_transport=make
        )
        self.clients.append(client)
        return client

    async def passed(self, work: Awaitable[Any]) -> Any:
        """The outcome of some work, an exception as such; time passes as the clock has it. ``stalled`` are the seconds
        in which the machine let nothing run meanwhile, which nobody's deadline can help.
        """
        task = asyncio.ensure_future(work)
        self.stalled = 0.0
        while not task.done():
            began, spent = time.monotonic(), time.process_time()
            await asyncio.sleep(0.002)
            if IS_LONG:  # what this process spent itself is no excuse
                spent = time.process_time() - spent
                self.stalled += max(0.0, time.monotonic() - began - spent - 0.003)
            if not IS_LONG and not task.done():
                await self.clock.advance(0.02)
        return task.exception() or task.result()

    async def wait(self, seconds: float) -> None:
        await (asyncio.sleep(seconds) if IS_LONG else self.clock.advance(seconds))

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()
        for proxy in self.proxies:
            proxy.closing.set()
            await proxy.stop()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    await made.close()
    left = {task for task in asyncio.all_tasks() if "bff" in str(task.get_coro())}
    for _ in range(2000):  # what was cancelled with the last call ends a turn of the loop later, or a few
        if all(task.done() for task in left):
            break
        await asyncio.sleep(0.01)
    assert all(task.done() for task in left), f"a call left a task behind: {left}"


def rounds() -> Iterator[int]:
    """As often as the form asks for."""
    yield from range(ROUNDS)
