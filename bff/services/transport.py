"""The wall to httpx: its transport below, our response and our errors above.

The one place that imports httpx, knows its exceptions and opens connections. httpx takes longer to import
than the rest of a start, so :mod:`bff.services.client` imports this module with the first call, or in the
background once the gateway listens. Answers are bounded in bytes. There is no ``httpx.AsyncClient``: its
cookie jar would carry one caller's cookies into another's call, and it costs 45 µs a call.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any

import httpx

from bff.config import ServiceConfig
from bff.sdk.call import SendOptions
from bff.sdk.failures import (
    BadServiceCall,
    BadServicePath,
    ServiceAnswered,
    ServiceBodyInvalid,
    ServiceConnectionLost,
    ServiceUnreachable,
)

_DEFAULTS = {
    "accept": "*/*",
    # Named by us, not by what else is installed: zstd and brotli unpack to far more than gzip's 1:1032.
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
    "user-agent": "bff-gateway",
}


class ServiceResponse(httpx.Response):
    """An httpx response whose failures name the service: ``json()`` and ``raise_for_status()`` raise ours."""

    service: str = ""
    relayed: bool = False
    max_body: int = 0

    def json(self, **kwargs: Any) -> Any:
        """The body as JSON.

        Raises:
            ServiceBodyInvalid: it is not JSON.

        """
        try:
            return super().json(**kwargs)
        except (ValueError, RecursionError):
            raise ServiceBodyInvalid(self.service, "is not JSON") from None

    def raise_for_status(self) -> ServiceResponse:
        """Itself, if the status is 2xx.

        Raises:
            ServiceAnswered: it is not.

        """
        if not self.is_success:
            raise ServiceAnswered(
                self.service,
                self.status_code,
                relayed=self.relayed,
                retry_after=self.headers.get("retry-after", ""),
            )
        return self

    async def aread(self) -> bytes:
        """The whole body, decoded.

        Raises:
            ServiceBodyInvalid: it is larger than ``max_body``, or encoded more than once (which no service
                does, but a bomb may).

        """
        if not hasattr(self, "_content"):
            if "," in self.headers.get("content-encoding", ""):
                raise ServiceBodyInvalid(self.service, "is encoded more than once")
            parts: list[bytes] = []
            total = 0
            async for part in self.aiter_bytes():
                total += len(part)
                if total > self.max_body:
                    raise ServiceBodyInvalid(self.service, f"is larger than {self.max_body} bytes")
                parts.append(part)
            self._content = b"".join(parts)
        return self._content


class _LastWord(httpx.AsyncByteStream):
    """A body's stream that hangs up on a service that said more than its answer.

    httpcore would keep the connection and take the rest (the body of a 204, say, or of an answer to HEAD)
    for the answer to the next call, perhaps another caller's. What it has read and not used is h11's to
    tell, so this reaches through four private attributes; a transport without them is trusted.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        inner: AsyncIterator[bytes] = self._stream.__aiter__()
        return inner

    async def aclose(self) -> None:
        with suppress(AttributeError):
            state = _H11_STATE(self._stream)
            if state.trailing_data[0]:
                state.send_failed()  # h11's word for "never again": httpcore then closes the connection
        await self._stream.aclose()


_H11_STATE = attrgetter("_httpcore_stream._stream._connection._h11_state")


def translated(error: Exception, service: str) -> Exception:
    """Our error for httpx's. Time limits are ours, so httpx's own can only tell of connecting and the pool."""
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return ServiceUnreachable(service, _why_unreachable(error))
        case httpx.PoolTimeout():
            return ServiceUnreachable(service, "has no free connection")
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


class Wire:
    """The connections to one service, spoken to in httpx. Immutable but for the pool inside the transport."""

    def __init__(
        self, service: str, config: ServiceConfig, transport: httpx.AsyncBaseTransport, *, max_answer: int
    ) -> None:
        self._service = service
        self._base = config.url.rstrip("/")
        self._transport = transport
        self._max_answer = max_answer

    async def exchange(
        self, method: str, path: str, headers: Mapping[str, str], options: SendOptions
    ) -> ServiceResponse:
        """Send one request and read its whole answer. ``headers`` have lower-case names.

        Raises:
            ServiceError: no connection, or it broke off, or what came was not HTTP.
            BadServiceCall: what should be sent is not HTTP.

        """
        try:
            request = httpx.Request(
                method,
                self._base + path,
                # latin-1, RFC 9110 §5.5's obs-text: what a caller sent us travels on byte for byte.
                headers=httpx.Headers({**_DEFAULTS, **headers}, encoding="latin-1"),
                params=options.get("params"),
                json=options.get("json"),
                content=options.get("content"),
                data=options.get("data"),
                files=options.get("files"),
            )
            if not isinstance(request.stream, httpx.AsyncByteStream):
                raise TypeError("content is str, bytes or an asynchronous iterator of bytes")
            return await self._whole(await self._transport.handle_async_request(request), request)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translated(error, self._service) from error

    async def _whole(self, answer: httpx.Response, request: httpx.Request) -> ServiceResponse:
        response = ServiceResponse(
            answer.status_code,
            headers=answer.headers,
            stream=_LastWord(answer.stream),
            extensions=answer.extensions,
            request=request,
        )
        response.service = self._service
        response.max_body = self._max_answer
        try:
            await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response

    async def aclose(self) -> None:
        """Close its connections."""
        await self._transport.aclose()


class Transports:
    """Makes real transports: sockets, with one SSL context for all services, made when https first appears
    (it costs 19 ms). Mutable state: ``_context``.
    """

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None

    def make(self, _service: str, config: ServiceConfig) -> httpx.AsyncBaseTransport:
        """A pool of connections to one service."""
        verify: ssl.SSLContext | bool = False
        if config.url.startswith("https:"):
            self._context = verify = self._context or httpx.create_ssl_context()
        return httpx.AsyncHTTPTransport(
            verify=verify,
            trust_env=False,
            limits=httpx.Limits(
                max_connections=config.max_connections,
                max_keepalive_connections=config.max_connections,
                keepalive_expiry=config.keep_alive,
            ),
        )


MakeTransport = Callable[[str, ServiceConfig], httpx.AsyncBaseTransport]
