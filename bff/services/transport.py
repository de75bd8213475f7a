"""The wall to httpx: its transport below, our response and our errors above.

The one place that imports httpx, knows its exceptions and opens connections. httpx takes longer to import
than the rest of a start, so :mod:`bff.services.client` imports this module with the first call, or in the
background once the gateway listens. Answers are bounded in bytes.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from bff.config import ServiceConfig
from bff.sdk.call import SendOptions

from bff.sdk.failures import (
    ServiceAnswered,
    ServiceBodyInvalid,
    ServiceConnectionLost,
    ServiceUnreachable,
)

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes an upstream's body may have on the wire before the call is given up."""


class ServiceResponse(httpx.Response):
    """An httpx response whose failures name the service: ``json()`` and ``raise_for_status()`` raise ours."""

    service: str = ""
    relayed: bool = False

    def json(self, **kwargs: Any) -> Any:
        """The body as JSON.

        Raises:
            ServiceBodyInvalid: it is not JSON.

        """
        try:
            return super().json(**kwargs)
        except ValueError:
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


class BoundedStream(httpx.AsyncByteStream):
    """An upstream's body that ends in an error instead of filling the memory."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        total = 0
        async for chunk in self._stream:
            total += len(chunk)
            if total > MAX_ANSWER:
                raise httpx.ReadError(f"the body is larger than {MAX_ANSWER} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class ServiceTransport(httpx.AsyncBaseTransport):
    """Wraps any httpx transport so that it answers with bounded :class:`ServiceResponse` objects."""

    def __init__(self, service: str, inner: httpx.AsyncBaseTransport) -> None:
        self._service = service
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        response = ServiceResponse(
            answer.status_code,
            headers=answer.headers,
            stream=BoundedStream(answer.stream),
            extensions=answer.extensions,
        )
        response.service = self._service
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def translated(error: httpx.HTTPError | httpx.InvalidURL | httpx.StreamError, service: str) -> Exception:
    """Our error for httpx's. Timeouts are ours already, so httpx's own are pool and connect trouble."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        why = "failed the TLS handshake" if _is_tls(error) else "refused the connection"
        return ServiceUnreachable(service, why)
    if isinstance(error, httpx.PoolTimeout):
        return ServiceUnreachable(service, "has no free connection")
    if isinstance(error, httpx.DecodingError):
        return ServiceBodyInvalid(service, "cannot be decoded as its Content-Encoding says")
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError | httpx.CloseError):
        return ServiceConnectionLost(service)
    return ServiceConnectionLost(service, "could not be called")


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


class Wire:
    """An httpx client for one service. Immutable but for the pool of connections inside."""

    def __init__(self, service: str, config: ServiceConfig, transport: httpx.AsyncBaseTransport) -> None:
        self._service = service
        self._base = httpx.URL(config.url)
        self._client = httpx.AsyncClient(
            transport=ServiceTransport(service, transport),
            timeout=httpx.Timeout(None),  # one Expiry around the whole call instead of httpx's four
            follow_redirects=False,
            trust_env=False,
            headers={"user-agent": "bff-gateway"},
        )

    async def exchange(
        self, method: str, path: str, headers: dict[str, str], options: SendOptions
    ) -> ServiceResponse:
        """Send one request and read its whole answer.

        Raises:
            ServiceError: no connection, or it broke off, or what came was not HTTP.
        """
        try:
            request = self._client.build_request(
                method,
                self._base.copy_with(raw_path=self._base.raw_path.rstrip(b"/") + httpx.URL(path).raw_path),
                params=options.get("params"),
                headers=headers,
                json=options.get("json"),
                content=options.get("content"),
                data=options.get("data"),
                files=options.get("files"),
            )
            response = await self._client.send(request)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translated(error, self._service) from error
        assert isinstance(response, ServiceResponse)
        return response

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()


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
