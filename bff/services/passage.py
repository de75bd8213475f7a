"""The ways of requests that pass through: over our own connections, or over stock httpx where a service asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx

from bff.services import http1
from bff.services.body import Body
from bff.services.connections import Connections, Outgoing
from bff.services.dialing import origin_of
from bff.services.duplex import Duplex
from bff.services.lastword import LastWord
from bff.services.passing import Exchange, Fields, Inform, Onward
from bff.services.retry import SAFE
from bff.services.wall import translated


class _Watcher:
    """Hands on what a service says before its answer. Immutable."""

    def __init__(self, inform: Inform | None, *, may_switch: bool) -> None:
        self._inform = inform
        self.may_switch = may_switch

    def interim(self, status: int, head: bytes) -> None:
        if self._inform is not None:
            self._inform(status, _lowered(http1.fields_of(head)))


class OwnExchange:
    """Over our own connection. See :class:`bff.services.passing.Exchange`."""

    def __init__(
        self,
        service: str,
        status: int,
        fields: Fields,
        body: Body | None,
        duplex: Duplex | None,
        *,
        endpoint: str,
    ) -> None:
        self.status = status
        self.endpoint = endpoint
        self.fields = fields
        self.duplex = duplex
        self._service = service
        self._body = body

    def whole(self) -> bytes | None:
        return b"" if self._body is None else self._body.whole()

    async def parts(self) -> AsyncIterator[bytes]:
        if self._body is None:
            return
        try:
            async for part in self._body:
                yield part
        except httpx.HTTPError as error:
            raise translated(error, self._service) from error

    async def aclose(self) -> None:
        if self.duplex is not None:
            self.duplex.close()
        if self._body is not None:
            await self._body.aclose()


class OwnWay:
    """HTTP/1.1 by our own transport, head and framing written here. Immutable but for the connections."""

    def __init__(self, service: str, url: httpx.URL, connections: Connections) -> None:
        self._service = service
        self._prefix = url.raw_path.rstrip(b"/")
        self._host = url.netloc
        self._connections = connections

    async def open(self, onward: Onward) -> Exchange:
        """See :class:`bff.services.passing.Way`."""
        try:
            outgoing = self._outgoing(onward)
            try:
                answer = await self._connections.request(outgoing)
            finally:
                onward.went(self._connections.endpoint, outgoing.attempts, outgoing.sent)
        except httpx.HTTPError as error:
            raise translated(error, self._service) from error
        fields = _lowered(http1.fields_of(answer.head))
        return OwnExchange(
            self._service,
            answer.status,
            fields,
            answer.stream,
            answer.duplex,
            endpoint=self._connections.endpoint,
        )

    def _outgoing(self, onward: Onward) -> Outgoing:
        try:
            head = http1.request_line(onward.method.encode(), self._prefix + onward.path)
            head += http1.field_lines(_framed(onward, self._host))
        except http1.NotHttp as error:
            raise httpx.LocalProtocolError(str(error)) from None
        outgoing = Outgoing(
            head + b"\r\n",
            is_head=onward.method == "HEAD",
            is_replayable=onward.parts is None and onward.method in SAFE,
        )
        outgoing.parts, outgoing.length, outgoing.is_whole = onward.parts, onward.length, False
        outgoing.watcher = _Watcher(onward.inform, may_switch=bool(onward.upgrade))
        return outgoing


def _framed(onward: Onward, host: bytes) -> Fields:
    """All fields, with those that only the sender of a message can write."""
    has_host = any(name == b"host" for name, _ in onward.fields)
    fields = onward.fields if has_host else [(b"host", host), *onward.fields]
    if onward.upgrade:
        return [*fields, (b"connection", b"upgrade"), (b"upgrade", onward.upgrade)]
    if onward.length is not None:
        return [*fields, (b"content-length", b"%d" % onward.length)]
    return fields if onward.parts is None else [*fields, (b"transfer-encoding", b"chunked")]


class StockExchange:
    """Over stock httpx. See :class:`bff.services.passing.Exchange`."""

    duplex: Duplex | None = None

    def __init__(self, service: str, answer: httpx.Response, *, endpoint: str) -> None:
        self.status = answer.status_code
        self.endpoint = endpoint
        self.fields = _lowered(answer.headers.raw)
        self._service = service
        self._whole = b"".join(answer.stream) if isinstance(answer.stream, httpx.ByteStream) else None
        self._stream = LastWord(answer)

    def whole(self) -> bytes | None:
        return self._whole

    async def parts(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise translated(error, self._service) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


class StockWay:
    """HTTP/2, proxies, and transports that tests hand in. It upgrades nothing. Immutable.

    Requests go to ``url`` and ask for ``asks_for``'s host, by Host and in TLS.
    """

    def __init__(
        self, service: str, url: httpx.URL, transport: httpx.AsyncBaseTransport, *, asks_for: httpx.URL
    ) -> None:
        self._service = service
        self._url = url
        self._transport = transport
        self._host = asks_for.netloc
        self._extensions = {} if url.host == asks_for.host else {"sni_hostname": asks_for.host}

    async def open(self, onward: Onward) -> Exchange:
        """See :class:`bff.services.passing.Way`."""
        target = self._url.raw_path.rstrip(b"/") + onward.path
        try:
            request = httpx.Request(
                onward.method,
                self._url.copy_with(raw_path=target),
                headers=_framed(replace(onward, upgrade=b""), self._host),
                content=onward.parts,
                # The target byte for byte, which httpx.URL is not.
                extensions={"target": target, **self._extensions},
            )
            onward.went(origin_of(self._url), 1, None)
            answer = await self._transport.handle_async_request(request)
            return StockExchange(self._service, answer, endpoint=origin_of(self._url))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translated(error, self._service) from error


def _lowered(fields: Fields) -> Fields:
    return [(name.lower(), value) for name, value in fields]
