"""What a function sees of services that misbehave. Everything here is over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bff.errors import Fault
from bff.sdk.failures import (
    ServiceAnswered,
    ServiceBodyInvalid,
    ServiceConnectionLost,
    ServiceError,
    ServiceTimedOut,
    ServiceUnreachable,
)
from bff.sdk.service import Service
from bff.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]

SECRET = b"s3cret-of-the-service"


def saying(data: bytes, *, then: str = "close") -> Callable[[Any], Awaitable[None]]:
    """A service that says these bytes, whatever it is asked, and then closes, resets or hangs."""

    async def behave(talk: Any) -> None:
        await talk.say(data)
        if then == "hang":
            await talk.hang()
        elif then == "reset":
            talk.reset()
        else:
            talk.close()

    return behave


async def test_a_good_answer_is_an_httpx_response(upstream: MakeUpstream, service: MakeService) -> None:
    """Status, headers, body and JSON are there; elapsed time and the request too."""
    good = await upstream(lambda talk: talk.answer(201, b'{"a": "\xc3\xbc"}', x_shop="1"))
    response = await service(good.url).post("/users?x=1", json={"b": 2}, params=None)
    assert (response.status_code, response.headers["x-shop"], response.json()) == (201, "1", {"a": "ü"})
    assert response.elapsed.total_seconds() > 0
    assert (response.request.method, str(response.request.url)) == ("POST", f"{good.url}/users?x=1")
    (request,) = good.requests
    assert (request.method, request.target, request.body) == ("POST", "/users?x=1", b'{"b":2}')
    assert request.headers["content-type"] == "application/json"


async def test_params_forms_files_and_content_travel_as_in_httpx(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """Each of httpx's ways to send something, and nothing else is accepted."""
    good = await upstream()
    users = service(f"{good.url}/v1/")
    await users.get("/search", params={"q": "a b", "n": [1, 2]})
    await users.put("/raw", content=b"\x00\x01", headers={"Content-Type": "application/x-raw"})
    await users.post("/form", data={"a": "1"})
    await users.post("/file", files={"photo": ("a.png", b"PNG")})
    with pytest.raises(TypeError, match="content is"):
        await users.post("/", content=iter([b"a"]))  # type: ignore[arg-type]
    search, raw, form, file = good.requests
    assert search.target == "/v1/search?q=a+b&n=1&n=2"
    assert (raw.body, raw.headers["content-type"]) == (b"\x00\x01", "application/x-raw")
    assert (form.body, form.headers["content-type"]) == (b"a=1", "application/x-www-form-urlencoded")
    assert b"PNG" in file.body
    assert file.headers["content-type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize(
    ("said", "then"),
    [
        (b"", "close"),
        (b"", "reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "close"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n" + SECRET, "close"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n" + SECRET, "reset"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n", "hang"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "hang"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "hang"),
        (b"HTTP/1.1 banana\r\n\r\n", "hang"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "close"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "close"),
        (b"\x00" * 200_000, "hang"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, "hang"),
        (b"HTTP/1.1 200 OK\r\n bad\x00 name: y\r\n\r\n", "hang"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello", "close"),
    ],
    ids=[
        "closes at once",
        "resets at once",
        "closes in the head",
        "resets in the head",
        "cuts the body",
        "resets in the body",
        "cuts the chunks",
        "no chunk size",
        "negative length",
        "two lengths",
        "no status",
        "another protocol",
        "TLS",
        "zeros",
        "endless head",
        "bad header",
        "switches protocols",
    ],
)
async def test_what_is_not_a_whole_http_answer_is_a_lost_connection(
    upstream: MakeUpstream, service: MakeService, said: bytes, then: str
) -> None:
    """502, the service's fault, worth another try; never half an answer, never a piece of it in the error."""
    bad = await upstream(saying(said, then=then))
    with pytest.raises(ServiceError) as failure:
        await asyncio.wait_for(service(bad.url).get("/", into=dict), 60)
    if b"101" not in said:
        assert isinstance(failure.value, ServiceConnectionLost)
        assert (failure.value.status, failure.value.fault, failure.value.retryable) == (
            502,
            Fault.SERVICE,
            True,
        )
    assert "users" in str(failure.value)
    assert SECRET.decode() not in str(failure.value) + repr(failure.value)


@pytest.mark.parametrize(
    ("body", "headers", "sentence"),
    [
        (b"<html>" + SECRET, {"content_type": "text/html"}, "is not JSON"),
        (b'{"name": "' + SECRET, {}, "is not JSON"),
        (b'{"name": "\xff' + SECRET + b'"}', {}, "is not JSON"),
        (b"[" * 100_000, {}, "is not JSON"),
        (b"", {}, "is empty"),
        (b'["' + SECRET + b'"]', {}, "does not fit: at the top, "),
        (SECRET, {"content_encoding": "gzip"}, "cannot be decoded"),
        (gzip.compress(b"{}", mtime=0)[:-3] + b"xxx", {"content_encoding": "gzip"}, "cannot be decoded"),
        (b"\xff\xff", {"content_encoding": "deflate"}, "cannot be decoded"),
        (
            gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0),
            {"content_encoding": "gzip, gzip"},
            "is encoded more than once",
        ),
        (SECRET, {"content_encoding": "snappy"}, "is not JSON"),
        (SECRET, {"content_encoding": "br"}, "cannot be decoded"),
        (SECRET, {"content_encoding": "zstd"}, "cannot be decoded"),
    ],
    ids=[
        "HTML",
        "cut",
        "not UTF-8",
        "deep",
        "empty",
        "misfit",
        "no gzip",
        "broken gzip",
        "no deflate",
        "twice gzip",
        "unknown encoding",
        "no br",
        "no zstd",
    ],
)
async def test_a_body_that_is_not_what_was_asked_for_is_the_services_fault(
    upstream: MakeUpstream, service: MakeService, body: bytes, headers: dict[str, str], sentence: str
) -> None:
    """HTML, cut, badly encoded or misfitting bodies are 502; the sentence never holds a piece of them."""
    bad = await upstream(lambda talk: talk.answer(200, body, **headers))
    with pytest.raises(ServiceBodyInvalid) as failure:
        await service(bad.url).get("/", into=dict[str, Any])
    assert sentence in str(failure.value)
    assert SECRET.decode() not in str(failure.value)
    assert (failure.value.status, failure.value.fault) == (502, Fault.SERVICE)


async def test_json_of_a_response_that_is_none_names_the_service(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """``response.json()`` fails as the service's failure, not as a ValueError of the function."""
    for body in (b"<html>", b"[" * 100_000, b"\xff"):
        bad = await upstream(lambda talk, body=body: talk.answer(200, body))
        response = await service(bad.url).get("/")
        with pytest.raises(ServiceBodyInvalid, match="Service users answered with a body that is not JSON"):
            response.json()


async def test_raise_for_status_of_a_response_is_ours(upstream: MakeUpstream, service: MakeService) -> None:
    """``check=False`` and ``raise_for_status()`` later is the same as a checked call, Retry-After included."""
    busy = await upstream(lambda talk: talk.answer(429, b"", retry_after="3"))
    response = await service(busy.url).get("/", check=False)
    with pytest.raises(ServiceAnswered) as failure:
        response.raise_for_status()
    assert (failure.value.status, failure.value.headers()) == (429, {"retry-after": "3"})
    good = await upstream()
    response = await service(good.url).get("/")
    assert response.raise_for_status() is response


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "/elsewhere", "http://[bad", ""])
async def test_a_redirect_is_not_followed(
    upstream: MakeUpstream, service: MakeService, status: int, location: str
) -> None:
    """A service cannot send the gateway anywhere: 3xx is the function's affair, and one request was made."""
    away = await upstream(lambda talk: talk.answer(status, b"", location=location))
    with pytest.raises(ServiceAnswered) as failure:
        await service(away.url).get("/")
    assert (failure.value.status, failure.value.fault) == (502, Fault.FUNCTION)
    assert (await service(away.url).get("/", check=False)).headers["location"] == location
    assert [request.target for request in away.requests] == ["/", "/"]


async def test_answers_without_a_body(upstream: MakeUpstream, service: MakeService) -> None:
    """204, 304 and HEAD have none, whatever their Content-Length says, and the connection goes on."""
    quiet = await upstream(saying(b"HTTP/1.1 204 No Content\r\n\r\n", then="keep"))

    async def behave(talk: Any) -> None:
        if talk.request.method == "HEAD":
            await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")
        elif talk.request.target == "/304":
            await talk.say(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n")
        else:
            await talk.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    quiet.behaviour = behave
    users = service(quiet.url)
    gone = await users.delete("/users/7")
    head = await users.head("/users/7")
    same = await users.get("/304", check=False)
    assert [(each.status_code, each.content) for each in (gone, head, same)] == [
        (204, b""),
        (200, b""),
        (304, b""),
    ]
    assert quiet.accepted == 1


async def test_a_body_may_end_with_the_connection(upstream: MakeUpstream, service: MakeService) -> None:
    """Without a length the end of the connection is the end of the body (RFC 9112 §6.3)."""
    old = await upstream(saying(b"HTTP/1.0 200 OK\r\n\r\n[1, 2]"))
    assert await service(old.url).get("/", into=list[int]) == [1, 2]


async def test_what_comes_after_an_answer_is_never_the_next_answer(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """A service that says two answers at once does not poison the next call."""

    async def twice(talk: Any) -> None:
        await talk.say(
            b'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"a"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n"forged"'
        )

    chatty = await upstream(twice)
    users = service(chatty.url)
    assert [await users.get("/", into=str) for _ in range(3)] == ["a", "a", "a"]
    assert chatty.accepted == 3, "it was hung up on each time"


async def test_a_body_where_none_may_be_is_never_the_next_answer(
    upstream: MakeUpstream, service: MakeService
) -> None:
    """A body after 204 or after HEAD belongs to nobody, least of all to the next caller."""

    async def wordy(talk: Any) -> None:
        if talk.request.target == "/good":
            await talk.answer(200, b'"good"')
        else:
            await talk.say(
                b'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n"forged"'
            )

    bad = await upstream(wordy)
    users = service(bad.url)
    for verb in (users.get, users.head, users.delete):
        assert (await verb("/")).content == b""
        assert await users.get("/good", into=str) == "good"


async def test_interim_answers_are_skipped(upstream: MakeUpstream, service: MakeService) -> None:
    """103 Early Hints are not the answer."""
    hinting = await upstream(
        saying(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]")
    )
    assert await service(hinting.url).get("/", into=list) == []


async def test_a_refused_connection_is_503(service: MakeService) -> None:
    """Nobody listens: the service cannot be reached, and trying again may help."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        with pytest.raises(ServiceUnreachable, match="refused the connection") as failure:
            await service(f"http://127.0.0.1:{taken.getsockname()[1]}").get("/")
    assert (failure.value.status, failure.value.fault, failure.value.retryable) == (503, Fault.SERVICE, True)


async def test_a_host_without_an_address_is_503(service: MakeService) -> None:
    """The sentence tells a wrong name from a service that is down (RFC 6761 §6.4: .invalid never resolves)."""
    with pytest.raises(ServiceUnreachable, match="host name without an address"):
        await service("http://nowhere.invalid").get("/")


async def test_a_tls_handshake_that_fails_is_503(upstream: MakeUpstream, service: MakeService) -> None:
    """A plain service behind https:// is told from one that is down."""
    plain = await upstream(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"this is not TLS at all\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ServiceUnreachable, match="TLS handshake"):
            await service(f"https://127.0.0.1:{port}").get("/")
    assert plain.accepted == 0


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    upstream: MakeUpstream, service: MakeService, self_signed: ssl.SSLContext
) -> None:
    """Certificates are checked; there is no switch to leave that out."""
    forged = await upstream(ssl=self_signed)
    with pytest.raises(ServiceUnreachable, match="TLS handshake"):
        await service(forged.url).get("/")
    assert forged.requests == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_given_up(
    upstream: MakeUpstream, service: MakeService, chunked: bool
) -> None:
    """The rest is not read, the connection is closed, and the sentence says how large is too large."""

    async def flood(talk: Any) -> None:
        framing = b"transfer-encoding: chunked" if chunked else b"content-length: 100000000"
        await talk.say(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if chunked else b"x" * 65536
        for _ in range(1500):
            await talk.say(piece)

    huge = await upstream(flood)
    users = service(huge.url, max_answer=200_000)
    with pytest.raises(ServiceBodyInvalid, match="larger than 200000 bytes"):
        await users.get("/")
    assert huge.gone <= 1
    huge.behaviour = lambda talk: talk.answer(200, b'"' + b"x" * 199_998 + b'"')
    assert len(await users.get("/", into=str)) == 199_998, (
        "exactly the limit is fine, and the client still works"
    )


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_that_unpacks_over_the_limit_is_given_up(
    upstream: MakeUpstream, service: MakeService, encoding: str
) -> None:
    """The limit is on what it becomes, not on what came: 100 kB of zeros may be 100 MB."""
    bomb = gzip.compress(bytes(30_000_000)) if encoding == "gzip" else zlib.compress(bytes(30_000_000))
    packed = await upstream(lambda talk: talk.answer(200, bomb, content_encoding=encoding))
    with pytest.raises(ServiceBodyInvalid, match="larger than 1000000 bytes"):
        await service(packed.url, max_answer=1_000_000).get("/")


async def test_good_packed_bodies_are_unpacked(upstream: MakeUpstream, service: MakeService) -> None:
    """gzip and deflate are asked for and understood."""
    packed = await upstream(lambda talk: talk.answer(200, gzip.compress(b"[1]"), content_encoding="gzip"))
    assert await service(packed.url).get("/", into=list[int]) == [1]
    assert packed.requests[0].headers["accept-encoding"] == "gzip, deflate, br, zstd"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["says nothing", "stops in the head", "stops in the body", "only goes on"],
)
async def test_a_service_that_hangs_is_timed_out(
    upstream: MakeUpstream, service: MakeService, invocation: Callable[..., Any], said: bytes
) -> None:
    """Wherever it stops: 504 after the service's timeout, in its own words."""
    clock = ManualClock()
    stuck = await upstream(saying(said, then="hang"))
    users = service(stuck.url, invocation(clock=clock), clock=clock, timeout="3s")
    running = asyncio.ensure_future(users.get("/"))
    await stuck.asked.wait()
    await clock.advance(2.9)
    assert not running.done()
    await clock.advance(0.2)
    with pytest.raises(ServiceTimedOut, match="did not answer within 3 s") as failure:
        await running
    assert (failure.value.status, failure.value.fault) == (504, Fault.SERVICE)


async def test_a_slow_drip_does_not_prolong_a_call(
    upstream: MakeUpstream, service: MakeService, invocation: Callable[..., Any]
) -> None:
    """The timeout is for the whole answer: a byte a second is no answer."""
    clock = ManualClock()
    drops = asyncio.Event()

    async def drip(talk: Any) -> None:
        await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        for _ in range(100):
            await talk.say(b"x")
            drops.set()
            await clock.sleep(1)

    slow = await upstream(drip)
    users = service(slow.url, invocation(clock=clock), clock=clock, timeout="3s")
    running = asyncio.ensure_future(users.get("/"))
    for _ in range(4):
        await drops.wait()
        drops.clear()
        await clock.advance(1)
        if running.done():
            break
    with pytest.raises(ServiceTimedOut):
        await running


async def test_a_service_that_does_not_accept_is_timed_out(service: MakeService) -> None:
    """A full backlog or a dropped SYN is no endless wait."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        with pytest.raises(ServiceTimedOut):
            await service(f"http://127.0.0.1:{full.getsockname()[1]}", timeout="50ms").get("/")
        for each in crowd:
            each.close()
