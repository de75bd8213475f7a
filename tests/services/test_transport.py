"""Our transport alone, below a stock ``httpx.AsyncClient``: bodies in both directions, time, and what is never sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.services import Transport
from bff.services.connection import Connection
from bff.services.connections import Limits
from bff.services.heads import Heads
from bff.testing.clock import ManualClock, settle

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def raw_server(serve: Serve, **options: Any) -> AsyncIterator[str]:
    """A server that does what ``serve`` does with each connection."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, RuntimeError, asyncio.CancelledError
        ):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, **options)
    try:
        yield f"{'https' if 'ssl' in options else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await server.wait_closed()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=Transport(), timeout=60) as made:
        yield made


def pool_of(client: httpx.AsyncClient) -> Any:
    """The one pool of a client's transport."""
    transport: Any = client._transport
    (pool,) = transport._pools.values()
    return pool


async def test_a_stock_client_works_over_it(upstream: MakeUpstream, client: httpx.AsyncClient) -> None:
    """Verbs, JSON, forms, headers, streams: what a stock client does, over one connection."""
    good = await upstream(lambda talk: talk.answer(201, b'{"a": 1}', x_shop="7"))
    for response in (
        await client.get(f"{good.url}/a", params={"q": "1"}),
        await client.post(f"{good.url}/b", json={"n": 1}),
        await client.put(f"{good.url}/c", data={"n": "1"}),
    ):
        assert (response.status_code, response.json(), response.headers["x-shop"]) == (201, {"a": 1}, "7")
        assert (response.http_version, response.reason_phrase) == ("HTTP/1.1", "Because")
    async with client.stream("GET", f"{good.url}/d") as streamed:
        assert [part async for part in streamed.aiter_raw()] == [b'{"a": 1}']
    assert [request.target for request in good.requests] == ["/a?q=1", "/b", "/c", "/d"]
    assert good.requests[1].body == b'{"n":1}'
    assert good.accepted == 1


async def test_redirects_and_cookies_are_the_clients(upstream: MakeUpstream) -> None:
    """They live above a transport, and work over ours."""

    async def behave(talk: Any) -> None:
        if talk.request.target == "/old":
            await talk.answer(302, b"", location="/new", set_cookie="a=1")
        else:
            await talk.answer(200, b"new")

    good = await upstream(behave)
    async with httpx.AsyncClient(transport=Transport(), follow_redirects=True) as client:
        assert (await client.get(f"{good.url}/old")).text == "new"
    assert good.requests[1].headers["cookie"] == "a=1"


async def test_only_http_is_spoken(client: httpx.AsyncClient) -> None:
    """Another scheme is refused before anything is opened."""
    with pytest.raises(httpx.UnsupportedProtocol):
        await client.get("ftp://users.internal/")


# Bodies that come.


async def test_a_download_is_read_no_faster_than_it_is_wanted(client: httpx.AsyncClient) -> None:
    """Who does not read holds the service back, at a few buffers' worth; then everything arrives."""
    sent = 0
    size = 40_000_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // 50_000):
            writer.write(b"x" * 50_000)
            await writer.drain()
            sent += 50_000

    async with raw_server(serve) as url, client.stream("GET", url) as response:
        before = -1
        while sent != before:  # until the service is stuck
            before = sent
            await asyncio.sleep(0.05)
        assert sent < 15_000_000
        assert sum([len(part) async for part in response.aiter_raw()]) == size


async def test_a_download_that_is_given_up_closes_its_connection(
    upstream: MakeUpstream, client: httpx.AsyncClient
) -> None:
    """The rest of it is nobody's answer; the next call has a connection of its own."""

    async def behave(talk: Any) -> None:
        if talk.request.target == "/large":
            await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nsome")
            await talk.hang()
        await talk.answer(200, b"small")

    good = await upstream(behave)
    async with client.stream("GET", f"{good.url}/large") as response:
        async for part in response.aiter_raw():
            assert part == b"some"
            break
    assert (await client.get(f"{good.url}/small")).text == "small"
    assert good.accepted == 2


class Socket:
    """A transport that only notes whether it reads."""

    def __init__(self) -> None:
        self.reads = True

    def write(self, data: bytes) -> None: ...

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Shelf:
    """A pool that notes what comes back."""

    def __init__(self, socket: Socket) -> None:
        self.back: list[bool] = []
        self.heads = Heads()
        self._socket = socket

    def freed(self, _: Any) -> None:
        self.back.append(self._socket.reads)

    def lost(self, _: Any) -> None:
        raise AssertionError


async def test_a_download_that_nobody_read_holds_up_nobody() -> None:
    """All of it arrived at once, more than a reader may leave waiting: its connection reads on for the next."""
    socket = Socket()
    shelf = Shelf(socket)
    connection = Connection(shelf, asyncio.get_running_loop())
    connection.connection_made(socket)  # type: ignore[arg-type]
    asked = connection.ask(b"", is_head=False, limit=0, whole=False)
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 200001\r\n\r\n"
    connection.data_received(head + b"x" * 200_000)
    assert not socket.reads
    connection.data_received(b"x")
    assert shelf.back == [True]
    stream = (await asked).stream
    assert stream is not None
    await stream.aclose()
    assert socket.reads


async def test_a_download_that_breaks_off_says_so(client: httpx.AsyncClient) -> None:
    """What came is given first, then the error."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")

    async with raw_server(serve) as url, client.stream("GET", url) as response:
        arriving = response.aiter_raw()
        assert await anext(arriving) == b"half"
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(arriving)


# Bodies that go.


async def parts(*each: bytes) -> AsyncIterator[bytes]:
    for part in each:
        yield part


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()  # of bytes, each part would copy all before it
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return bytes(body)


async def test_an_upload_travels_in_chunks_or_as_long_as_it_said(client: httpx.AsyncClient) -> None:
    """Without a length chunked, with one as it is; empty parts are no end."""
    heads, bodies = [], []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            heads.append(head)
            bodies.append(
                await (reader.readexactly(6) if b"content-length: 6" in head else read_chunks(reader))
            )
            writer.write(OK)

    async with raw_server(serve) as url:
        await client.post(url, content=parts(b"abc", b"", b"def"))
        await client.post(url, content=parts(b"abc", b"", b"def"), headers={"content-length": "6"})
    assert bodies == [b"abcdef", b"abcdef"]
    assert b"transfer-encoding: chunked" in heads[0]
    assert b"transfer-encoding" not in heads[1]


async def test_an_upload_is_made_no_faster_than_it_is_taken(client: httpx.AsyncClient) -> None:
    """A service that does not read stops the source; nothing is lost when it goes on."""
    made = 0
    reading = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        nonlocal made
        for _ in range(250):
            made += 100_000
            yield b"y" * 100_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reading.wait()
        assert len(await read_chunks(reader)) == 25_000_000
        writer.write(OK)

    async with raw_server(serve, limit=2**16) as url:
        running = asyncio.ensure_future(client.post(url, content=source(), timeout=60))
        before = -1
        while made != before or not made:
            before = made
            await asyncio.sleep(0.05)
        assert made < 15_000_000
        reading.set()
        assert (await running).text == "ok"


@pytest.mark.parametrize("said", [3, 9])
async def test_an_upload_of_another_length_than_it_said_is_not_http(
    upstream: MakeUpstream, client: httpx.AsyncClient, said: int
) -> None:
    """Too long or too short: the mistake of who sends, and the connection is closed."""
    good = await upstream()
    with pytest.raises(httpx.LocalProtocolError):
        await client.post(good.url, content=parts(b"abc", b"def"), headers={"content-length": str(said)})
    assert pool_of(client)._open == set()


async def test_a_source_that_fails_is_its_own_error(
    upstream: MakeUpstream, client: httpx.AsyncClient
) -> None:
    """It reaches the caller as it was raised, and the half-sent request's connection is closed."""

    async def source() -> AsyncIterator[bytes]:
        yield b"abc"
        raise LookupError("no more")

    good = await upstream()
    with pytest.raises(LookupError, match="no more"):
        await client.post(good.url, content=source())
    assert pool_of(client)._open == set()


async def test_an_answer_before_the_request_is_complete_is_taken(client: httpx.AsyncClient) -> None:
    """413 while the caller still uploads: given at once, the source is closed, the connection is not used again."""
    closed = asyncio.Event()
    accepted = 0

    async def source() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(
                OK if head.startswith(b"GET") else b"HTTP/1.1 413 Large\r\ncontent-length: 3\r\n\r\nbig"
            )

    async with raw_server(serve) as url:
        response = await client.post(url, content=source())
        assert (response.status_code, response.text) == (413, "big")
        await asyncio.wait_for(closed.wait(), 60)
        assert (await client.get(url)).text == "ok"
    assert accepted == 2


async def test_both_directions_at_once(client: httpx.AsyncClient) -> None:
    """An answer may stream while the request still does: each part comes back before the next is sent."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def source() -> AsyncIterator[bytes]:
        yield b"a"
        yield await heard.get() + b"b"
        yield await heard.get() + b"c"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while size := int(await reader.readline(), 16):
            part = (await reader.readexactly(size + 2))[:-2]
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        writer.write(b"0\r\n\r\n")
        await asyncio.Event().wait()

    got = []
    async with raw_server(serve) as url, client.stream("POST", url, content=source()) as response:
        async for part in response.aiter_raw():
            got.append(part)
            heard.put_nowait(part)
        assert len(pool_of(client)._idle) == 1, "request and answer were whole: it can be used again"
    assert got == [b"a", b"ab", b"abc"]


# Dead connections.


async def dies_with_the_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers the first request and hangs up on the second, as a service does that closes idle connections."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_what_died_idle_is_sent_again_if_that_does_no_harm(
    client: httpx.AsyncClient, method: str
) -> None:
    """RFC 9112 §9.3.1: used before, nothing heard, idempotent (RFC 9110 §9.2.2): once more on a new connection."""
    async with raw_server(dies_with_the_second) as url:
        for _ in range(4):
            assert (await client.request(method, url)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_may_have_had_an_effect_is_sent_once(client: httpx.AsyncClient, method: str) -> None:
    """Nobody knows whether it arrived."""
    async with raw_server(dies_with_the_second) as url:
        await client.get(url)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.request(method, url, content=b"x")


async def test_a_body_in_parts_is_sent_once(client: httpx.AsyncClient) -> None:
    """It cannot be had a second time."""
    async with raw_server(dies_with_the_second) as url:
        await client.get(url)
        with pytest.raises(httpx.TransportError):
            await client.put(url, content=parts(b"a"))


async def test_a_new_connection_that_dies_is_a_failure(client: httpx.AsyncClient) -> None:
    """No second try: it is not that it was idle."""
    accepted = 0

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        await reader.readuntil(b"\r\n\r\n")

    async with raw_server(serve) as url:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
    assert accepted == 1


async def test_half_an_answer_is_no_reason_to_ask_again(client: httpx.AsyncClient) -> None:
    """A byte was heard, so the request had arrived."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while True:
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            writer.write(OK if asked == 1 else b"HTTP/1.1 200 O")
            if asked > 1:
                return

    async with raw_server(serve) as url:
        await client.get(url)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
    assert asked == 2


async def test_a_connection_that_speaks_while_it_is_idle_is_closed(client: httpx.AsyncClient) -> None:
    """Bytes that nobody asked for are never the next answer."""
    said = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await said.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")
        await reader.read()

    async with raw_server(serve) as url:
        await client.get(url)
        said.set()
        while pool_of(client)._idle:
            await asyncio.sleep(0)
        assert (await client.get(url)).text == "ok"


# Time and places.


async def test_times_of_a_request_are_kept(upstream: MakeUpstream) -> None:
    """httpx's own timeouts, as its own exceptions."""
    stuck = await upstream(lambda talk: talk.hang())
    transport = Transport(limits=Limits(max_connections=1))
    async with httpx.AsyncClient(
        transport=transport, timeout=httpx.Timeout(60, read=0.05, pool=0.05)
    ) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(stuck.url)
        slow = asyncio.ensure_future(client.get(stuck.url, timeout=60))
        await settle()
        with pytest.raises(httpx.PoolTimeout):
            await client.get(stuck.url)
        slow.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await slow


async def test_what_took_too_long_is_not_asked_again(upstream: MakeUpstream) -> None:
    """Silence on a connection that was used before is no sign that it had died."""

    async def slow_then(talk: Any) -> None:
        if talk.request.target != "/":
            await talk.hang()
        await talk.answer()

    slow = await upstream(slow_then)
    async with httpx.AsyncClient(transport=Transport(), timeout=httpx.Timeout(60, read=0.05)) as client:
        await client.get(slow.url, timeout=60)
        with pytest.raises(httpx.ReadTimeout):
            await client.get(f"{slow.url}/slow")
    assert [request.target for request in slow.requests] == ["/", "/slow"]


async def test_a_body_that_comes_to_a_halt_is_a_read_timeout(upstream: MakeUpstream) -> None:
    """The read timeout is for each silence, also within a body."""

    async def half(talk: Any) -> None:
        await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        await talk.hang()

    stuck = await upstream(half)
    async with httpx.AsyncClient(transport=Transport(), timeout=httpx.Timeout(60, read=0.05)) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(stuck.url)


async def test_an_upload_that_nobody_takes_is_a_write_timeout() -> None:
    """The write timeout is for each part: the service stands still, and its connection is closed."""

    async def source() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"y" * 100_000

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()

    async with (
        raw_server(serve, limit=2**16) as url,
        httpx.AsyncClient(transport=Transport(), timeout=httpx.Timeout(60, write=0.05)) as client,
    ):
        with pytest.raises(httpx.WriteTimeout):
            await client.post(url, content=source())
        assert pool_of(client)._open == set()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
async def test_silence_after_an_upload_is_a_read_timeout(said: bytes) -> None:
    """Before the answer and within it, as after any other request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await read_chunks(reader)
        writer.write(said)
        await asyncio.Event().wait()

    async with (
        raw_server(serve) as url,
        httpx.AsyncClient(transport=Transport(), timeout=httpx.Timeout(60, read=0.05)) as client,
    ):
        with pytest.raises(httpx.ReadTimeout):
            await client.post(url, content=parts(b"abc", b"def"))
        assert pool_of(client)._open == set()


@pytest.mark.parametrize(("content", "length"), [(b"abc", "1"), (b"abc", "three"), (b"", "5")])
async def test_a_length_that_is_not_the_bodys_is_never_sent(
    upstream: MakeUpstream, client: httpx.AsyncClient, content: bytes, length: str
) -> None:
    """A stock client over our transport alone has httpx's own refusal, and the service hears nothing."""
    good = await upstream()
    with pytest.raises(httpx.LocalProtocolError):
        await client.post(good.url, content=content, headers={"Content-Length": length})
    assert good.accepted == 0


async def test_bytes_go_out_in_chunks_where_that_was_asked_for(client: httpx.AsyncClient) -> None:
    """One framing, and no second request behind it."""
    heads, bodies = [], []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            bodies.append(await read_chunks(reader))
            writer.write(OK)

    async with raw_server(serve) as url:
        for content in (b"abc", b""):
            await client.post(url, content=content, headers={"Transfer-Encoding": "chunked"})
    assert bodies == [b"abc", b""]
    assert not any(b"content-length" in head for head in heads)


async def test_the_line_before_a_pool_is_bounded(upstream: MakeUpstream) -> None:
    """Who finds it full is told at once."""
    stuck = await upstream(lambda talk: talk.hang())
    limits = Limits(max_connections=1, max_waiting=2)
    async with httpx.AsyncClient(transport=Transport(limits=limits), timeout=60) as client:
        waiting = [asyncio.ensure_future(client.get(stuck.url)) for _ in range(3)]
        await stuck.asked.wait()
        await settle()
        with pytest.raises(httpx.PoolTimeout, match="too many"):
            await client.get(stuck.url)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)


async def test_idle_connections_are_closed_in_time(upstream: MakeUpstream) -> None:
    """Each after ``keep_alive``, without a call being needed for it."""
    clock = ManualClock()
    good = await upstream()
    async with httpx.AsyncClient(transport=Transport(clock=clock, limits=Limits(keep_alive=4))) as client:
        await asyncio.gather(client.get(good.url), client.get(good.url))
        await clock.advance(3)
        await client.get(good.url)
        await clock.advance(1)
        while good.gone < 1:
            await asyncio.sleep(0.001)
        assert len(pool_of(client)._idle) == 1
        await clock.advance(3)
        while good.gone < 2:
            await asyncio.sleep(0.001)
        assert (good.accepted, len(pool_of(client)._open)) == (2, 0)


async def test_who_is_cancelled_when_the_answer_is_there_harms_nobody(
    upstream: MakeUpstream, client: httpx.AsyncClient
) -> None:
    """The answer came in the same turn: its connection may be another's already, and is left alone."""
    good = await upstream()
    await client.get(good.url)
    pool = pool_of(client)
    (connection,) = pool._open
    running = asyncio.ensure_future(pool.request(_outgoing(good.url)))
    await asyncio.sleep(0)
    await settle_until(lambda: connection in pool._idle)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert connection.is_open
    await client.get(good.url)
    assert good.accepted == 1


def _outgoing(url: str) -> Any:
    from bff.services.composing import Composer

    return Composer(url).compose("GET", "/", {}, {})


async def settle_until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0)


# TLS.


async def test_tls_is_spoken_and_verified(
    upstream: MakeUpstream, authority: tuple[ssl.SSLContext, Path]
) -> None:
    """With the right authority and the right name calls work, over one handshake; otherwise nothing is sent."""
    context, certificate = authority
    good = await upstream(ssl=context)
    by_name = good.url.replace("127.0.0.1", "localhost")
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with httpx.AsyncClient(transport=Transport(verify=trusting)) as client:
        for _ in range(3):
            assert (await client.get(by_name)).json() == {}
        with pytest.raises(httpx.ConnectError):  # the certificate is localhost's
            await client.get(good.url)
    async with httpx.AsyncClient(transport=Transport()) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(by_name)
    assert len(good.requests) == 3


async def test_large_bodies_over_tls(authority: tuple[ssl.SSLContext, Path]) -> None:
    """Both directions, streamed, with back-pressure between."""
    context, certificate = authority

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = await read_chunks(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 100_000):
            writer.write(body[start : start + 100_000])
            await writer.drain()

    trusting = ssl.create_default_context(cafile=str(certificate))
    body = bytes(range(256)) * 20_000
    async with (
        raw_server(serve, ssl=context) as url,
        httpx.AsyncClient(transport=Transport(verify=trusting), timeout=60) as client,
    ):
        pieces = parts(*[body[start : start + 70_000] for start in range(0, len(body), 70_000)])
        response = await client.post(url.replace("127.0.0.1", "localhost"), content=pieces)
    assert response.content == body
