"""Real name servers and registries on loopback, which can be told to fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from bff.clock import SystemClock
from bff.services.resolver import Question


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop that production runs on."""
    return "asyncio", {"use_uvloop": True}


class NameServer(asyncio.DatagramProtocol):
    """A name server for UDP and TCP. ``zone`` maps (name, type) to a TTL and records; ``mood`` is how it answers:
    ``good``, ``refuse``, ``silent``, ``truncate`` (over UDP), or ``garbage``. ``refused`` are types of records that it
    does not answer for.
    """

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self.mood = "good"
        self.refused: set[str] = set()
        self.asked: list[tuple[str, str, str]] = []
        self.port = 0

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        answer = self._answer(data, "udp")
        if answer is not None:
            self._transport.sendto(answer, peer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = self._answer(await reader.readexactly(size), "tcp")
                if answer is not None:
                    writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()

    def _answer(self, data: bytes, way: str) -> bytes | None:
        query = dns.message.from_wire(data)
        name, kind = (
            query.question[0].name.to_text(omit_final_dot=True),
            dns.rdatatype.to_text(query.question[0].rdtype),
        )
        self.asked.append((name, kind, way))
        if self.mood == "silent":
            return None
        if self.mood == "garbage":
            return b"\x00" * 11
        response = dns.message.make_response(query)
        if self.mood == "refuse" or kind in self.refused:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif self.mood == "truncate" and way == "udp":
            response.flags |= dns.flags.TC
        elif (name, kind) in self.zone:
            ttl, records = self.zone[name, kind]
            if records:
                response.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", kind, *records))
        elif not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()


@pytest.fixture
async def nameserver() -> AsyncIterator[NameServer]:
    made = NameServer()
    tcp = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = tcp.sockets[0].getsockname()[1]
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: made, local_addr=("127.0.0.1", made.port)
    )
    yield made
    udp.close()
    tcp.close()
    await tcp.wait_closed()


class Asked:
    """A request to a registry."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        parts = urlsplit(target)
        self.method, self.path, self.headers, self.body = method, parts.path, headers, body
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.form = {name: values[0] for name, values in parse_qs(body.decode()).items()}


Answer = tuple[int, Any, dict[str, str]]


class RegistryServer:
    """An HTTP server that answers with what ``answer(asked)`` gives: status, JSON or bytes, and headers."""

    def __init__(self, answer: Callable[[Asked], Awaitable[Answer]]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.url = ""
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, target, _ = line.split(" ")
                asked = Asked(method, target, headers, body)
                self.asked.append(asked)
                status, content, more = await self.answer(asked)
                text = content if isinstance(content, bytes) else json.dumps(content).encode()
                head = "".join(f"{name}: {value}\r\n" for name, value in more.items())
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-length: {len(text)}\r\n{head}\r\n".encode() + text
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def hang_up(self) -> None:
        for writer in self._open:
            writer.close()


@pytest.fixture
async def registry() -> AsyncIterator[Callable[..., Awaitable[RegistryServer]]]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(answer: Callable[[Asked], Awaitable[Answer]]) -> RegistryServer:
            made = RegistryServer(answer)
            server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
            made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

            async def stop() -> None:
                server.close()
                made.hang_up()
                await server.wait_closed()

            stack.push_async_callback(stop)
            return made

        yield start


def make_question(name: str, server: str = "", **given: Any) -> Question:
    return Question(
        service="users",
        name=name,
        port=given.pop("port", 80),
        clock=given.pop("clock", None) or SystemClock(),
        server=server,
        **given,
    )


@pytest.fixture
def question() -> Callable[..., Question]:
    return make_question
