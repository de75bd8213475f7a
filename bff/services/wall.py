"""The wall between httpx and us: its errors below, ours above. No exception of httpx reaches a function."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx

from bff.sdk.failures import (
    BadServiceCall,
    BadServicePath,
    ServiceBodyInvalid,
    ServiceConnectionLost,
    ServiceOverloaded,
    ServiceUnreachable,
)
from bff.services.connection import TooLarge


def translated(error: Exception, service: str) -> Exception:
    """Our error for httpx's. Time limits are ours, so httpx's own can only tell of connecting and the pool.

    Httpx's loses its traceback, of which every line is ours: it holds the frames that hold the answer that was to come,
    which holds the error, and where a service is down such circles are many.
    """
    error.__traceback__ = None
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return ServiceUnreachable(service, _why_unreachable(error))
        case httpx.PoolTimeout():
            return ServiceOverloaded(service)
        case TooLarge():
            return ServiceBodyInvalid(service, f"is larger than {error.limit} bytes")
        case httpx.DecodingError():
            return ServiceBodyInvalid(service, "cannot be decoded as its Content-Encoding says")
        case httpx.InvalidURL():
            return BadServicePath(service, "does not fit into a URL")
        case httpx.LocalProtocolError():  # never its text: it may quote a header's value
            return BadServiceCall(service, "a header or the body's length is not valid HTTP")
        case httpx.NetworkError() | httpx.ProtocolError() | httpx.TimeoutException():
            return ServiceConnectionLost(service)
        case _:
            return ServiceConnectionLost(service, "could not be called")


def _why_unreachable(error: BaseException) -> str:
    causes = tuple(_causes(error))
    for kind, why in (
        (ssl.SSLError, "failed the TLS handshake"),
        (socket.gaierror, "has a host name without an address"),
        (ConnectionRefusedError, "refused the connection"),
    ):
        if any(isinstance(cause, kind) for cause in causes):
            return why
    return "could not be reached"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):  # one for each address that was tried
            for each in error.exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__
