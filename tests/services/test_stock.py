"""``transport: httpx``: the same face over stock httpx, with what only that can."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from bff.config import ServiceConfig
from bff.sdk.call import Adapters
from bff.sdk.failures import ServiceUnreachable
from bff.sdk.service import Service
from bff.services.client import ServiceClient
from bff.services.passing import Onward
from bff.services.transport import Transport, Transports
from tests.services.conftest import MakeClient, Talk, make_invocation

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]


def test_ours_is_the_default() -> None:
    """And stock httpx's is made where routes.yaml says so."""
    make = Transports().make
    assert isinstance(make("users", ServiceConfig(url="http://users.internal")), Transport)
    stock = make("users", ServiceConfig(url="http://users.internal", transport="httpx"))
    assert isinstance(stock, httpx.AsyncHTTPTransport)


async def test_calls_go_through_a_proxy(upstream: MakeUpstream, service: MakeService) -> None:
    """The proxy is asked for the whole URL, with its credentials; the service's name is never resolved here."""
    proxy = await upstream()
    address = proxy.url.replace("http://", "http://me:s3cret@")
    users = service("http://users.invalid/v1", transport="httpx", proxy=address)
    assert (await users.get("/users/7")).json() == {}
    (request,) = proxy.requests
    assert request.target == "http://users.invalid/v1/users/7"
    assert request.headers["proxy-authorization"].startswith("Basic ")
    assert "s3cret" not in repr(ServiceConfig(url="http://a", transport="httpx", proxy=address))


async def test_a_proxy_that_is_not_there_is_503(service: MakeService) -> None:
    """As a service that is not there."""
    with pytest.raises(ServiceUnreachable):
        await service("http://users.invalid", transport="httpx", proxy="http://127.0.0.1:1").get("/")


class Http2(asyncio.Protocol):
    """A service that speaks nothing but HTTP/2, and says so in the handshake."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._state.initiate_connection()
        transport.write(self._state.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._state.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self._state.send_headers(event.stream_id, [(":status", "200")])
                self._state.send_data(event.stream_id, b'"two"', end_stream=True)
        self._transport.write(self._state.data_to_send())


async def test_http2_is_spoken_where_the_service_offers_it(
    service: MakeService, authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agreed on in the TLS handshake."""
    context, certificate = authority
    context.set_alpn_protocols(["h2"])
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = await asyncio.get_running_loop().create_server(Http2, "127.0.0.1", 0, ssl=context)
    async with server:
        users = service(f"https://localhost:{server.sockets[0].getsockname()[1]}", transport="httpx")
        answers = await asyncio.gather(*[users.get("/") for _ in range(3)])
    assert [(answer.json(), answer.http_version) for answer in answers] == [("two", "HTTP/2")] * 3


FORGED = b'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n"forged"'
READ_AT_ONCE = 65_536
"""Bytes that httpcore asks a connection for; four TLS records of the largest size."""


def _filling(size: int) -> bytes:
    """An answer of so many bytes with its head."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
    body = size - len(head % size)
    return (head % body).ljust(size, b" ")


TOO_MUCH = {
    "a second answer": b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc" + FORGED,
    "a body after 204": b"HTTP/1.1 204 No Content\r\n\r\n" + FORGED,
    "a body after 304": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n" + FORGED,
    "beyond what is read at once": _filling(READ_AT_ONCE) + FORGED,
    "far beyond what is read at once": _filling(READ_AT_ONCE) + FORGED * 2_000,
}


async def call(client: ServiceClient, method: str, path: str) -> bytes:
    """A function's call."""
    users = Service(client, make_invocation(), Adapters())
    return (await users.request(method, path, check=False)).content


async def passing(client: ServiceClient, method: str, path: str) -> bytes:
    """A request that passes through."""
    exchange = await client.open(Onward(method=method, path=path.encode(), fields=[]))
    try:
        return b"".join([part async for part in exchange.parts()])
    finally:
        await exchange.aclose()


@pytest.mark.parametrize("then", [call, passing])
@pytest.mark.parametrize("first", [call, passing])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_comes_after_an_answer_is_never_the_next_one(
    upstream: MakeUpstream,
    client: MakeClient,
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    first: Any,
    then: Any,
) -> None:
    """Calls and what passes through share connections; one on which too much was said is hung up on."""
    context, certificate = authority
    context.set_alpn_protocols(["http/1.1"])
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    said = b""

    async def behave(talk: Talk) -> None:
        if talk.request.target == "/good":
            await talk.answer(200, b'"good"')
        else:
            await talk.say(said)

    wordy = await upstream(behave, ssl=context if scheme == "https" else None)
    users = client(wordy.url.replace("127.0.0.1", "localhost"), transport="httpx", keep_alive="60s")
    for name in TOO_MUCH:
        said = TOO_MUCH[name]
        for method in ("GET", "HEAD", "DELETE"):
            assert b"forged" not in await first(users, method, "/"), name
            assert await then(users, "GET", "/good") == b'"good"', name
    before = wordy.accepted
    assert [await then(users, "GET", "/good") for _ in range(3)] == [b'"good"'] * 3
    assert wordy.accepted == before, "one that was told no more than its answer is used again"
