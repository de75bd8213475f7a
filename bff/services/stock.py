"""Stock httpx below a service: for HTTP/2, for proxies, and for transports that tests hand in.

There is no ``httpx.AsyncClient``: its cookie jar would carry one caller's cookies into another's call, and it
costs 45 µs a call.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from bff.sdk.call import SendOptions
from bff.sdk.callrecord import CallRecord
from bff.services.dialing import origin_of
from bff.services.lastword import LastWord
from bff.services.passage import StockWay
from bff.services.passing import Way
from bff.services.response import ServiceResponse
from bff.services.wall import translated

_DEFAULTS = {
    "accept": "*/*",
    # Named by us, not by what else is installed: zstd and brotli unpack to far more than gzip's 1:1032.
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
    "user-agent": "bff-gateway",
}


class StockWire:
    """The connections to one endpoint, spoken to in httpx. Immutable; the transport and its pool are its maker's
    to close.

    Requests go to ``base`` and ask for ``asks_for``'s host, by Host and in TLS.
    """

    def __init__(
        self,
        service: str,
        base: str,
        transport: httpx.AsyncBaseTransport,
        *,
        asks_for: httpx.URL,
        max_answer: int,
    ) -> None:
        self._service = service
        self._base = base.rstrip("/")
        self._endpoint = origin_of(httpx.URL(self._base))
        self._transport = transport
        self._max_answer = max_answer
        self.way: Way = StockWay(service, httpx.URL(self._base), transport, asks_for=asks_for)
        is_elsewhere = httpx.URL(base).netloc != asks_for.netloc
        self._host = {"host": asks_for.netloc.decode()} if is_elsewhere else {}
        self._extensions = {"sni_hostname": asks_for.host} if is_elsewhere else {}

    async def exchange(
        self, method: str, path: str, headers: Mapping[str, str], options: SendOptions, record: CallRecord
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
                headers=httpx.Headers({**self._host, **_DEFAULTS, **headers}, encoding="latin-1"),
                extensions=self._extensions,
                params=options.get("params"),
                json=options.get("json"),
                content=options.get("content"),
                data=options.get("data"),
                files=options.get("files"),
            )
            if not isinstance(request.stream, httpx.AsyncByteStream):
                raise TypeError("content is str, bytes or an asynchronous iterator of bytes")
            record.endpoint, record.attempts = self._endpoint, record.attempts + 1
            response = await self._whole(await self._transport.handle_async_request(request), request)
            record.bytes_in = response.num_bytes_downloaded
            return response
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translated(error, self._service) from error

    async def _whole(self, answer: httpx.Response, request: httpx.Request) -> ServiceResponse:
        response = ServiceResponse(
            answer.status_code,
            headers=answer.headers,
            stream=LastWord(answer),
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
        """Nothing: the transport may lead to other endpoints too."""
