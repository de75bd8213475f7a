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
from bff.sdk.failures import ServiceUnreachable
from bff.sdk.service import Service
from bff.services.transport import Transport, Transports

pytestmark = pytest.mark.anyio

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
