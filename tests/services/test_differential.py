"""Our transport and stock httpx's say the same of the same server, or the difference has a name and a reason.

Ordinary and hostile servers, hundreds of them, on real sockets; the reasons are in docs/adr/0017.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import h11
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.services import Transport

pytestmark = pytest.mark.anyio

GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext"
EXAMPLES = int(os.environ.get("BFF_FUZZ", "100"))
"""Cases of each random test; ``make soak`` has many more."""
SEED = int(os.environ.get("BFF_SEED", "0"))
"""The first of the noise's seeds: always the same bytes in ``make test``, others each time in ``make soak``."""
LOOKS = 12
"""Rounds of the loop, with everything that has arrived seen to in each, after which nothing more comes."""
ADR = next((Path(__file__).parents[2] / "docs" / "adr").glob("0017-*.md"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a server says to one request, in these pieces, and what it does then."""

    name: str
    said: tuple[bytes, ...]
    then: str = "keep"
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client makes of it: an answer, or the kind of its failure."""

    failure: str = ""
    status: int = 0
    reason: bytes = b""
    fields: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


class Server:
    """Says what the script says to every request but those for /next, which get a good answer."""

    def __init__(self) -> None:
        self.script = Script(name="", said=())
        self.is_talking = False
        self.finished = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(
            asyncio.IncompleteReadError, ConnectionError, RuntimeError
        ):  # uvloop's word for a closed one
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head.lower())
                if length:
                    await reader.readexactly(int(length[1]))
                if b" /next " in head:
                    writer.write(GOOD)
                    self.finished += 1
                    continue
                self.is_talking = True
                for piece in self.script.said:
                    writer.write(piece)
                    if len(self.script.said) > 1:
                        await asyncio.sleep(0)
                self.is_talking = False
                self.finished += 1
                if self.script.then == "close":
                    break
                if self.script.then == "reset":
                    await asyncio.sleep(0.002)
                    writer.transport.abort()
                    return
        self.is_talking = False
        writer.close()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, str]]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=2**20)
    try:
        yield server, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        server.hang_up()
        await listener.wait_closed()


async def outcome_of(server: Server, transport: httpx.AsyncBaseTransport, method: str, url: str) -> Outcome:
    """Silence is what a client still waits in when the server has said all of it, and the loop has turned many times
    since: no client's limit, which a slow machine might reach, has a part in it.
    """
    before = server.finished
    asking = asyncio.ensure_future(_outcome_of(transport, method, url))
    while not asking.done() and server.finished == before:
        await asyncio.sleep(0)
    for _ in range(LOOKS):
        if not asking.done():
            await asyncio.sleep(0.005)
    if asking.done():
        return asking.result()
    asking.cancel()
    await asyncio.wait({asking})
    return Outcome(failure="silence")


async def _outcome_of(transport: httpx.AsyncBaseTransport, method: str, url: str) -> Outcome:
    extensions = {"timeout": {"connect": 60, "read": 60, "write": 60, "pool": 60}}
    content = b"x" if method == "POST" else b""
    request = httpx.Request(method, url, content=content, extensions=extensions)
    try:
        response = await transport.handle_async_request(request)
        try:
            parts = [part async for part in response.stream]  # type: ignore[union-attr]
        finally:
            await response.aclose()
    except httpx.TransportError as error:
        return Outcome(failure=kind_of(error))
    fields = tuple(
        (
            name.lower(),
            value.lower() if name.lower() == b"transfer-encoding" else value,
        )  # h11 writes it small
        for name, value in response.headers.raw
    )
    reason = response.extensions["reason_phrase"]
    return Outcome(status=response.status_code, reason=reason, fields=fields, body=b"".join(parts))


def kind_of(error: httpx.TransportError) -> str:
    """Both say "broken" in several ways, and which one is a matter of timing."""
    return "silence" if isinstance(error, httpx.TimeoutException) else "broken"


async def quiet(server: Server) -> None:
    """Return when the server has said all that it wanted to, and the client has had the chance to hear it."""
    while server.is_talking:
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)


async def both(server: Server, url: str, script: Script) -> tuple[Outcome, Outcome]:
    """What ours and stock httpx make of it. After ours a second request on the same pool must be answered
    with its own answer, whatever the first one was."""
    server.script = script
    ours = Transport()
    try:
        mine = await outcome_of(server, ours, script.method, f"{url}/")
        # HTTP/1.1 cannot tell an answer from one that is said before it was asked for, but once that is here.
        await quiet(server)
        after = [await outcome_of(server, ours, "GET", f"{url}/next") for _ in range(2)]
        assert {each.body for each in after if not each.failure} == {b"next"}, f"{script.name}: {after}"
    finally:
        await ours.aclose()
    async with httpx.AsyncHTTPTransport(verify=False) as stock:
        return mine, await outcome_of(server, stock, script.method, f"{url}/")


# The servers.

STATUSES = (200, 201, 204, 206, 301, 304, 400, 404, 429, 500, 503, 599)
FRAMINGS = {
    "length": (b"content-length: 5\r\n", b"hello"),
    "chunked": (b"transfer-encoding: chunked\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    "empty": (b"content-length: 0\r\n", b""),
    "end": (b"", b"hello"),
}
CONNECTIONS = (
    b"",
    b"connection: close\r\n",
    b"connection: keep-alive\r\n",
    b"connection: Keep-Alive, Foo\r\n",
)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 11\r\n\r\nhello world"
IN_CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"


def ordinary() -> Iterator[Script]:
    """What well-behaved servers say."""
    combined = itertools.product(
        STATUSES, FRAMINGS, (b"HTTP/1.1", b"HTTP/1.0"), CONNECTIONS, ("GET", "HEAD", "POST")
    )
    for status, framing, version, connection, method in random.Random(7).sample(list(combined), 260):
        line, body = FRAMINGS[framing]
        if method == "HEAD" or status in (204, 304):
            body = b""
        if version == b"HTTP/1.0" and framing == "chunked":
            continue  # among the hostile ones
        head = b"%b %d Because\r\n%b%bx-shop: 1\r\n\r\n" % (version, status, line, connection)
        then = "close" if framing == "end" or b"close" in connection else "keep"
        name = f"{version.decode()} {status} {framing} {connection.decode().strip()} {method}"
        yield Script(name=name, said=(head + body,), then=then, method=method)
    for answer in (WHOLE, IN_CHUNKS):
        for cut in range(1, len(answer), 2):
            yield Script(name=f"cut in two at {cut}", said=(answer[:cut], answer[cut:]))
        yield Script(name="byte by byte", said=tuple(bytes([each]) for each in answer))
    for interim in (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n",
    ):
        for times in (1, 2, 5):
            yield Script(name=f"{times} interim", said=(interim * times + WHOLE,))
            yield Script(name=f"{times} interim apart", said=(*[interim] * times, WHOLE))
    for name, field in FIELDS.items():
        yield Script(name=f"field: {name}", said=(WHOLE.replace(b"content-type: text/plain\r\n", field),))
    for name, line in LINES.items():
        yield Script(name=f"status line: {name}", said=(WHOLE.replace(b"HTTP/1.1 200 OK", line),))
    for name, chunks in CHUNKS.items():
        yield Script(
            name=f"chunks: {name}", said=(IN_CHUNKS.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + chunks,)
        )


FIELDS = {
    "none": b"",
    "twice": b"set-cookie: a=1\r\nset-cookie: b=2\r\n",
    "empty": b"x-empty:\r\n",
    "no blank": b"x-a:1\r\n",
    "blanks": b"x-a: \t 1 \t \r\n",
    "blanks inside": b"x-a: 1  2\t3\r\n",
    "obs-text": b"x-a: caf\xe9 \xff\r\n",
    "upper case": b"X-SHOUT: YES\r\n",
    "odd token": b"!#$%&'*+-.^_`|~: 1\r\n",
    "colon in value": b"x-a: http://a:80/\r\n",
    "many": b"".join(b"x-%d: %d\r\n" % (n, n) for n in range(90)),
    "long": b"x-a: " + b"y" * 30_000 + b"\r\n",
    "gzip said, plain sent": b"content-encoding: gzip\r\n",
    "folded": b"x-a: one\r\n two\r\n\tthree\r\n",
    "folded with nothing before": b"x-a:\r\n one\r\n",
}
LINES = {
    "no reason": b"HTTP/1.1 200 ",
    "no reason, no blank": b"HTTP/1.1 200",
    "long reason": b"HTTP/1.1 200 All is well with this answer",
    "obs-text reason": b"HTTP/1.1 200 caf\xe9",
    "HTTP/1.0": b"HTTP/1.0 200 OK",
    "status 299": b"HTTP/1.1 299 Odd",
    "status 600": b"HTTP/1.1 600 Odd",
    "status 999": b"HTTP/1.1 999 Odd",
}
CHUNKS = {
    "one": b"5\r\nhello\r\n0\r\n\r\n",
    "none": b"0\r\n\r\n",
    "upper case size": b"B\r\nhello world\r\n0\r\n\r\n",
    "lower case size": b"b\r\nhello world\r\n0\r\n\r\n",
    "leading zeros": b"0005\r\nhello\r\n000\r\n\r\n",
    "extension": b"5;a=b\r\nhello\r\n0;x\r\n\r\n",
    "quoted extension": b'5;a="b;c"\r\nhello\r\n0\r\n\r\n',
    "trailer": b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
    "trailers": b"5\r\nhello\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n",
    "large": b"%x\r\n%b\r\n0\r\n\r\n" % (100_000, b"z" * 100_000),
}


def hostile() -> Iterator[Script]:
    """What broken or wicked servers say."""
    for name, said in HOSTILE.items():
        for then in ("close", "keep"):
            yield Script(name=f"{name}, then {then}", said=(said,), then=then)
    for answer in (WHOLE, IN_CHUNKS):
        for cut in range(0, len(answer), 3):
            yield Script(name=f"ends at {cut}", said=(answer[:cut],) if cut else (), then="close")
        for cut in range(1, len(answer), 9):
            yield Script(name=f"reset at {cut}", said=(answer[:cut],), then="reset")
    for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)):
        for framing, (line, body) in FRAMINGS.items():
            head = b"HTTP/1.1 %d No\r\n%b\r\n" % (status, line)
            name = f"{method} {status} {framing}"
            yield Script(name=f"{name} with a body", said=(head + body,), then="close", method=method)
            yield Script(name=f"{name} and another answer", said=(head + WHOLE,), method=method)


def head(*fields: bytes, body: bytes = b"hello", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((line, *fields)) + b"\r\n\r\n" + body


LENGTH, TE = b"content-length: 5", b"transfer-encoding: chunked"
PIECES = b"5\r\nhello\r\n0\r\n\r\n"
HOSTILE = {
    "nothing": b"",
    "only a line": b"HTTP/1.1 200 OK\r\n",
    "no status": head(LENGTH, line=b"HTTP/1.1"),
    "a word for a status": head(LENGTH, line=b"HTTP/1.1 banana"),
    "status of two digits": head(LENGTH, line=b"HTTP/1.1 99 Short"),
    "status of four digits": head(LENGTH, line=b"HTTP/1.1 2000 Long"),
    "negative status": head(LENGTH, line=b"HTTP/1.1 -20 Less"),
    "status 000": head(LENGTH, line=b"HTTP/1.1 000 Zero"),
    "status 099": head(LENGTH, line=b"HTTP/1.1 099 Low"),
    "HTTP/0.9": head(LENGTH, line=b"HTTP/0.9 200 OK"),
    "HTTP/1.2": head(LENGTH, line=b"HTTP/1.2 200 OK"),
    "HTTP/2.0": head(LENGTH, line=b"HTTP/2.0 200 OK"),
    "HTTP/9.9": head(LENGTH, line=b"HTTP/9.9 200 OK"),
    "lower case protocol": head(LENGTH, line=b"http/1.1 200 OK"),
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "icecast": head(LENGTH, line=b"ICY 200 OK"),
    "a request": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "zeros": b"\x00" * 5000,
    "empty lines first": b"\r\n\r\n" + WHOLE,
    "blank first": b" " + WHOLE,
    "two blanks in the line": head(LENGTH, line=b"HTTP/1.1  200  OK"),
    "tab in the line": head(LENGTH, line=b"HTTP/1.1\t200\tOK"),
    "control in the reason": head(LENGTH, line=b"HTTP/1.1 200 O\x01K"),
    "NUL in the reason": head(LENGTH, line=b"HTTP/1.1 200 O\x00K"),
    "line feeds only": WHOLE.replace(b"\r\n", b"\n"),
    "carriage returns only": WHOLE.replace(b"\r\n", b"\r"),
    "line feeds at the end of the head": WHOLE.replace(b"\r\n\r\n", b"\r\n\n"),
    "no colon": head(b"content-length 5"),
    "nothing before the colon": head(b": 5", LENGTH),
    "blank before the colon": head(b"x-a : 5", LENGTH),
    "blank before the colon of a length": head(b"content-length : 5"),
    "blank before a name": head(b" x-a: 5", LENGTH),
    "NUL in a name": head(b"x\x00a: 5", LENGTH),
    "NUL in a value": head(b"x-a: 5\x006", LENGTH),
    "control in a value": head(b"x-a: 5\x016", LENGTH),
    "DEL in a value": head(b"x-a: 5\x7f6", LENGTH),
    "carriage return in a value": head(b"x-a: 5\r6", LENGTH),
    "obs-text in a name": head(b"x-\xe9: 5", LENGTH),
    "slash in a name": head(b"x/a: 5", LENGTH),
    "negative length": head(b"content-length: -1"),
    "signed length": head(b"content-length: +5"),
    "hexadecimal length": head(b"content-length: 0x5"),
    "empty length": head(b"content-length:"),
    "length with a fraction": head(b"content-length: 5.0"),
    "length of words": head(b"content-length: five"),
    "length beyond 64 bits": head(b"content-length: 99999999999999999999999"),
    "two equal lengths": head(LENGTH, LENGTH),
    "two equal lengths in one field": head(b"content-length: 5, 5"),
    "two lengths": head(LENGTH, b"content-length: 6"),
    "two lengths in one field": head(b"content-length: 5, 6"),
    "length in two numbers": head(b"content-length: 5 5"),
    "length and chunks": head(LENGTH, TE, body=PIECES),
    "chunks and length": head(TE, LENGTH, body=PIECES),
    "chunks in HTTP/1.0": head(TE, body=PIECES, line=b"HTTP/1.0 200 OK"),
    "chunked twice": head(TE, TE, body=PIECES),
    "chunked twice in one field": head(b"transfer-encoding: chunked, chunked", body=PIECES),
    "gzip and chunked": head(b"transfer-encoding: gzip, chunked", body=PIECES),
    "chunked and gzip": head(b"transfer-encoding: chunked, gzip", body=PIECES),
    "identity": head(b"transfer-encoding: identity"),
    "identity with a length": head(b"transfer-encoding: identity", LENGTH),
    "unknown coding": head(b"transfer-encoding: xchunked", body=PIECES),
    "chunked in capitals": head(b"Transfer-Encoding: CHUNKED", body=PIECES),
    "chunked with a tab": head(b"transfer-encoding:\tchunked", body=PIECES),
    "chunked with a vertical tab": head(b"transfer-encoding: \x0bchunked", body=PIECES),
    "no chunk size": head(TE, body=b"zz\r\nhello\r\n0\r\n\r\n"),
    "empty chunk size": head(TE, body=b"\r\nhello\r\n0\r\n\r\n"),
    "negative chunk size": head(TE, body=b"-5\r\nhello\r\n0\r\n\r\n"),
    "signed chunk size": head(TE, body=b"+5\r\nhello\r\n0\r\n\r\n"),
    "hexadecimal prefix": head(TE, body=b"0x5\r\nhello\r\n0\r\n\r\n"),
    "blank after the chunk size": head(TE, body=b"5 \r\nhello\r\n0\r\n\r\n"),
    "blank before the chunk size": head(TE, body=b" 5\r\nhello\r\n0\r\n\r\n"),
    "blank before an extension": head(TE, body=b"5 ;a=b\r\nhello\r\n0\r\n\r\n"),
    "chunk size beyond 64 bits": head(TE, body=b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    "chunk longer than said": head(TE, body=b"3\r\nhello\r\n0\r\n\r\n"),
    "chunk shorter than said": head(TE, body=b"9\r\nhello\r\n0\r\n\r\n"),
    "line feeds between chunks": head(TE, body=b"5\nhello\n0\n\n"),
    "line feed after a size": head(TE, body=b"5\nhello\r\n0\r\n\r\n"),
    "no end of a chunk": head(TE, body=b"5\r\nhello0\r\n\r\n"),
    "NUL in an extension": head(TE, body=b"5;\x00\r\nhello\r\n0\r\n\r\n"),
    "carriage return in an extension": head(TE, body=b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "bad trailer": head(TE, body=b"5\r\nhello\r\n0\r\nno colon\r\n\r\n"),
    "length in a trailer": head(TE, body=b"5\r\nhello\r\n0\r\ncontent-length: 9\r\n\r\n"),
    "no last chunk": head(TE, body=b"5\r\nhello\r\n"),
    "body too long": head(LENGTH, body=b"hello world"),
    "body too short": head(LENGTH, body=b"hell"),
    "two answers": WHOLE + WHOLE,
    "two answers, the first in chunks": IN_CHUNKS + WHOLE,
    "a line after the answer": WHOLE + b"\r\n",
    "NUL after the answer": WHOLE + b"\x00",
    "half an answer more": WHOLE + b"HTTP/1.1 200 OK\r\ncontent-le",
    "close, and more": WHOLE.replace(b"\r\n", b"\r\nconnection: close\r\n", 1) + WHOLE,
    "100 with a body": b"HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\nhello" + WHOLE,
    "100 with chunks": b"HTTP/1.1 100 Continue\r\ntransfer-encoding: chunked\r\n\r\n" + PIECES + WHOLE,
    "100 and nothing": b"HTTP/1.1 100 Continue\r\n\r\n",
    "many interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + WHOLE,
    "switches protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello",
    "upgrades": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello",
    "200 with an upgrade": head(b"connection: upgrade", b"upgrade: h2c", LENGTH),
    "head of 60 kB": head(b"x-a: " + b"y" * 60_000, LENGTH),
    "head of 90 kB": head(b"x-a: " + b"y" * 90_000, LENGTH),
    "head of 200 kB": head(b"x-a: " + b"y" * 200_000, LENGTH),
    "head without an end": b"HTTP/1.1 200 OK\r\n" + b"x-a: y\r\n" * 20_000,
    "name of 90 kB": head(b"y" * 90_000 + b": 1", LENGTH),
}


# The differences.

REFUSED = {
    "folded lines": {"field: folded", "field: folded with nothing before"},
    "versions": {"HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/9.9"},
    "line ends": {"line feeds only", "line feeds at the end of the head"},
    "controls in values": {"control in a value", "DEL in a value"},
    "repeated lengths": {"two equal lengths", "two equal lengths in one field"},
    "length beside chunks": {"length and chunks", "chunks and length", "length in a trailer"},
    "chunk lines": {"blank after the chunk size", "NUL in an extension", "carriage return in an extension"},
    "heads over 64 KiB": {"many interim answers", "head of 90 kB", "name of 90 kB"},
}
"""What ours refuses and stock httpx takes, by the reason's name in the ADR."""


def unfolded(script: Script) -> str:
    return re.sub(r", then \w+$", "", script.name)


async def test_every_difference_has_a_reason() -> None:
    """Where they differ ours refuses, by one of the reasons above; it never takes what stock httpx refuses."""
    reasons = {name: reason for reason, names in REFUSED.items() for name in names}
    different: set[str] = set()
    count = 0
    async with serving() as (server, url):
        for script in (*ordinary(), *hostile()):
            mine, stock = await both(server, url, script)
            count += 1
            if mine == stock or (mine.failure == "broken" and stock.failure):  # noticed at once, not in time
                continue
            assert mine.failure == "broken", f"{script.name}: {mine} for {stock}"
            assert unfolded(script) in reasons, f"{script.name}: refused without a reason"
            different.add(unfolded(script))
    assert different == set(reasons), "each reason is still needed"
    assert count > 600


def test_the_reasons_are_told() -> None:
    """The ADR has a line for each."""
    text = ADR.read_text()
    assert [reason for reason in REFUSED if f"**{reason}**" not in text] == []


# The other direction: what is sent.


@dataclass(frozen=True, slots=True)
class Received:
    """What a strict server reads: ``rest`` is what follows the request on its connection, which is nobody's."""

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    framing: str
    rest: bytes


class Reader:
    """Reads one request on each connection as RFC 9112 §6.3 says, and all that comes after it. Mutable state: what it ``got``,
    and its connections.
    """

    def __init__(self) -> None:
        self.got: asyncio.Queue[Received] = asyncio.Queue()
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError, RuntimeError):
            self.got.put_nowait(await self._read(reader, writer))
        writer.close()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()

    async def of(self, number: int) -> Received:
        """What was read of that request; what came of those before it, which their sender gave up, is nobody's."""
        mark = b"&n=%d " % number
        while mark not in (received := await self.got.get()).line:
            pass
        return replace(received, line=received.line.replace(mark, b" "))

    @staticmethod
    async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received:
        line, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        fields = [tuple(each.lower().split(b": ", 1)) for each in lines]
        framing = [pair for pair in fields if pair[0] in (b"content-length", b"transfer-encoding")]
        body = b""
        if (b"transfer-encoding", b"chunked") in framing:
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        elif framing:
            body = await reader.readexactly(int(framing[0][1]))
        writer.write(b"HTTP/1.1 204 No\r\nconnection: close\r\n\r\n")
        named = b", ".join(name for name, _ in framing).decode()
        others = sorted(pair for pair in fields if pair not in framing)
        return Received(line, tuple(others), body, named, await reader.read())  # type: ignore[arg-type]


async def in_parts(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


CONTENTS: dict[str, Callable[[], bytes | AsyncIterator[bytes] | None]] = {
    "none": lambda: None,
    "bytes": lambda: b"abc",
    "parts": lambda: in_parts(b"a", b"", b"bc"),
    "no parts": lambda: in_parts(),
}
SAID: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    *(
        (("Content-Length", value),)
        for value in ("0", "1", "3", "03", "5", "three", "-3", "+3", "3, 3", "3, 4", "")
    ),
    *(
        (("Transfer-Encoding", value),)
        for value in ("chunked", "Chunked", "gzip", "gzip, chunked", "identity")
    ),
    (("Content-Length", "3"), ("Transfer-Encoding", "chunked")),
    (("Content-Length", "3"), ("Content-Length", "3")),
    (("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")),
    (("X-Shop", "caf\xe9"), ("x-shop", "2")),
    (("X-Shop", " 1"),),
    (("X Shop", "1"),),
    (("Host", "a"), ("Host", "b")),
    (("Connection", "close"),),
    (("Expect", "100-continue"),),
)


@asynccontextmanager
async def listening(reader: Reader) -> AsyncIterator[str]:
    listener = await asyncio.start_server(reader.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/a%20b?c=d"
    finally:
        listener.close()
        reader.hang_up()
        await listener.wait_closed()


async def received_of(
    reader: Reader, transport: httpx.AsyncBaseTransport, request: httpx.Request, number: int
) -> Received | None:
    """What the server read; None where the client refused to send it."""
    request.url = request.url.copy_merge_params({"n": str(number)})
    try:
        await (await transport.handle_async_request(request)).aclose()
    except (
        httpx.LocalProtocolError,
        h11.LocalProtocolError,
    ):  # httpcore lets some of h11's through as they are
        return None
    finally:
        await transport.aclose()
    return await reader.of(number)


async def test_requests_are_framed_as_stock_httpx_frames_them() -> None:
    """Whatever their head says of their body: a strict server reads from ours what it reads from stock httpx, with one
    framing and nothing behind it; or ours refuses to send it.
    """
    reader, numbers, refused = Reader(), itertools.count(), set()
    extensions = {"timeout": {"connect": 60, "read": 60, "write": 60, "pool": 60}}
    async with listening(reader) as url:
        for method, content, said in itertools.product(("GET", "POST"), CONTENTS, SAID):
            name, seen = f"{method} {content} {said}", []
            for transport in (Transport(), httpx.AsyncHTTPTransport(verify=False)):
                headers, body = httpx.Headers(list(said), encoding="latin-1"), CONTENTS[content]()
                request = httpx.Request(method, url, content=body, headers=headers, extensions=extensions)
                seen.append(await received_of(reader, transport, request, next(numbers)))
            mine, stock = seen
            if mine is None:
                refused |= {said} if stock is not None else set()
                continue
            assert (mine.rest, "," in mine.framing) == (b"", False), name
            assert stock is not None, f"{name}: {mine}, which stock httpx refuses"
            if "," in stock.framing:  # both, which RFC 9112 §6.2 forbids and a strict server reads as chunks
                stock = replace(stock, framing=mine.framing)
            assert mine == stock, name
    assert refused == STRICTER


STRICTER = {
    (("Content-Length", "3, 3"),),
    (("Content-Length", "3"), ("Content-Length", "3")),
}
"""What ours refuses to send and stock httpx sends."""


PIECES_OF_ANSWERS = (WHOLE, IN_CHUNKS, *HOSTILE.values())
EDITS = st.tuples(
    st.sampled_from(["insert", "delete", "replace"]),
    st.integers(0, 10_000),
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00", b":", b";", b"0", b"5", b"\xff", b"HTTP/1.1 ", b","]
    ),
)


def edited(answer: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for what, where, piece in edits:
        at = where % (len(answer) + 1)
        if what == "delete":
            answer = answer[:at] + answer[at + 1 :]
        else:
            answer = answer[:at] + piece + answer[at + (what == "replace") :]
    return answer


@given(
    answer=st.sampled_from([each for each in PIECES_OF_ANSWERS if len(each) < 1000]),
    edits=st.lists(EDITS, max_size=4),
    cuts=st.lists(st.integers(1, 200), max_size=3),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
)
@settings(max_examples=EXAMPLES, deadline=None)
async def test_what_ours_takes_stock_httpx_takes_too(
    answer: bytes, edits: list[tuple[str, int, bytes]], cuts: list[int], method: str
) -> None:
    """Answers with a few bytes changed, cut anywhere: ours gives the same answer or none."""
    said = edited(answer, edits)
    edges = [0, *sorted(cut for cut in set(cuts) if cut < len(said)), len(said)]
    pieces = tuple(said[start:end] for start, end in itertools.pairwise(edges))
    async with serving() as (server, url):
        mine, stock = await both(
            server, url, Script(name=repr(said), said=pieces, then="close", method=method)
        )
    assert mine == stock or mine.failure == "broken", f"{said!r}: {mine} for {stock}"


@pytest.mark.parametrize("seed", range(SEED, SEED + 8))
async def test_random_bytes_neither_hang_nor_spoil_a_pool(seed: int) -> None:
    """Noise, alone and after the beginning of an answer: a failure or an answer, and the next call has its own.

    A failing case comes again with ``BFF_SEED`` and the number in the test's name.
    """
    chance = random.Random(seed)
    async with serving() as (server, url), asyncio.timeout(60 + EXAMPLES):
        ours = Transport()
        for number in range(EXAMPLES // 2):
            noise = chance.randbytes(chance.choice((1, 7, 100, 5000)))
            start = chance.choice(
                (b"", WHOLE[: chance.randrange(len(WHOLE))], IN_CHUNKS[: chance.randrange(60)], WHOLE)
            )
            server.script = Script(name=str(number), said=(start, noise), then="close")
            outcome = await outcome_of(server, ours, "GET", f"{url}/")
            assert outcome.failure != "silence"
            await quiet(server)
            answers = [await outcome_of(server, ours, "GET", f"{url}/next") for _ in range(2)]
            assert [each.body for each in answers if not each.failure] in ([b"next"], [b"next"] * 2)
        await ours.aclose()
