"""The wall to httpx: its transport below, our response and our errors above.

The one place that knows httpx's exceptions and opens connections. Answers are bounded in bytes.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx

from bff.sdk.failures import ServiceAnswered, ServiceBodyInvalid, ServiceConnectionLost, ServiceUnreachable

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
