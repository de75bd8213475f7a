"""httpx ends at the wall: none of its exceptions reaches a function."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bff.clock import SystemClock
from bff.config import ServiceConfig
from bff.errors import BffError, Fault
from bff.sdk.call import Adapters
from bff.sdk.failures import (
    BadServiceCall,
    BadServicePath,
    ServiceBodyInvalid,
    ServiceConnectionLost,
    ServiceOverloaded,
    ServiceTimedOut,
    ServiceUnreachable,
)
from bff.sdk.service import Service
from bff.services.client import ServiceClient
from bff.services.wall import translated

pytestmark = pytest.mark.anyio

TRANSLATED: dict[type[Exception], type[BffError]] = {
    httpx.ConnectError: ServiceUnreachable,
    httpx.ConnectTimeout: ServiceUnreachable,
    httpx.PoolTimeout: ServiceOverloaded,
    httpx.ReadTimeout: ServiceConnectionLost,
    httpx.WriteTimeout: ServiceConnectionLost,
    httpx.TimeoutException: ServiceConnectionLost,
    httpx.ReadError: ServiceConnectionLost,
    httpx.WriteError: ServiceConnectionLost,
    httpx.CloseError: ServiceConnectionLost,
    httpx.NetworkError: ServiceConnectionLost,
    httpx.RemoteProtocolError: ServiceConnectionLost,
    httpx.ProtocolError: ServiceConnectionLost,
    httpx.LocalProtocolError: BadServiceCall,
    httpx.InvalidURL: BadServicePath,
    httpx.DecodingError: ServiceBodyInvalid,
    httpx.ProxyError: ServiceConnectionLost,
    httpx.UnsupportedProtocol: ServiceConnectionLost,
    httpx.TooManyRedirects: ServiceConnectionLost,
    httpx.RequestError: ServiceConnectionLost,
    httpx.TransportError: ServiceConnectionLost,
    httpx.HTTPError: ServiceConnectionLost,
    httpx.HTTPStatusError: ServiceConnectionLost,
    httpx.StreamError: ServiceConnectionLost,
    httpx.StreamConsumed: ServiceConnectionLost,
    httpx.StreamClosed: ServiceConnectionLost,
    httpx.ResponseNotRead: ServiceConnectionLost,
    httpx.RequestNotRead: ServiceConnectionLost,
}
NEVER_RAISED = {httpx.CookieConflict}  # there is no cookie jar


def make(kind: type[Exception]) -> Exception:
    if kind is httpx.HTTPStatusError:
        request = httpx.Request("GET", "http://users.internal")
        return httpx.HTTPStatusError("s3cret", request=request, response=httpx.Response(500))
    if kind in (httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead):
        return kind()
    return kind("s3cret")


def test_every_exception_of_httpx_is_in_the_table() -> None:
    """A new one in a new httpx shows here."""
    public = {each for each in vars(httpx).values() if isinstance(each, type) and issubclass(each, Exception)}
    assert public == set(TRANSLATED) | NEVER_RAISED


@pytest.mark.parametrize("kind", TRANSLATED, ids=lambda kind: kind.__name__)
async def test_an_exception_of_httpx_becomes_ours(
    kind: type[Exception], invocation: Callable[..., Any]
) -> None:
    """Wherever the transport raises it, at once or while the body is read; its own text is not repeated."""

    class AtOnce(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise make(kind)

    class Body(httpx.AsyncByteStream):
        closed = False

        async def __aiter__(self) -> Any:
            yield b"half"
            raise make(kind)

        async def aclose(self) -> None:
            Body.closed = True

    class InTheBody(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Body())

    for transport in (AtOnce(), InTheBody()):
        client = ServiceClient(
            "users",
            ServiceConfig(url="http://users.internal"),
            clock=SystemClock(),
            make_transport=lambda _name, _config, made=transport: made,
        )
        with pytest.raises(BffError) as failure:
            await Service(client, invocation(), Adapters()).get("/")
        assert type(failure.value) is TRANSLATED[kind]
        assert "users" in str(failure.value)
        assert "s3cret" not in str(failure.value)
        expected = Fault.FUNCTION if isinstance(failure.value, BadServiceCall) else Fault.SERVICE
        assert failure.value.fault is expected
    assert Body.closed, "a body that was given up is closed"


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (ConnectionRefusedError(), "refused the connection"),
        (socket.gaierror(-2, "Name or service not known"), "host name without an address"),
        (ssl.SSLCertVerificationError("self-signed"), "failed the TLS handshake"),
        (ssl.SSLZeroReturnError(), "failed the TLS handshake"),
        (OSError(101, "Network is unreachable"), "could not be reached"),
        (ExceptionGroup("all failed", [OSError(), ConnectionRefusedError()]), "refused the connection"),
        (None, "could not be reached"),
    ],
)
def test_why_a_service_cannot_be_reached(cause: BaseException | None, sentence: str) -> None:
    """The sentence tells DNS, refusal and TLS apart, however deep httpx has wrapped them."""
    error = httpx.ConnectError("s3cret")
    inner = OSError("All connection attempts failed")
    inner.__cause__ = cause
    error.__cause__ = inner
    failure = translated(error, "users")
    assert isinstance(failure, ServiceUnreachable)
    assert str(failure) == f"Service users {'has a ' if 'address' in sentence else ''}{sentence}."


async def test_a_timeout_of_the_transport_itself_is_the_services(invocation: Callable[..., Any]) -> None:
    """The operating system may give up before we do."""

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise TimeoutError(110, "Connection timed out")

    client = ServiceClient(
        "users",
        ServiceConfig(url="http://users.internal"),
        clock=SystemClock(),
        make_transport=lambda _name, _config: Silent(),
    )
    with pytest.raises(ServiceTimedOut):
        await Service(client, invocation(), Adapters()).get("/")
