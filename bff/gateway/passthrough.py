"""Requests that pass through to a service: streamed both ways, framed anew, timed, recorded, never read.

One :class:`Passage` is one request. Until the head of the answer is there, it has the route's time; while the
caller's own body is on its way, that time begins anew with every piece. After that the stream's times count.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import suppress
from itertools import count
from typing import Any

from bff import trace
from bff.clock import Clock, Deadline, Expiry
from bff.config.names import METHODS
from bff.errors import BadRequest, BffError, BodyTimedOut, BodyTooLarge, CallerLeft, MethodNotAllowed
from bff.gateway import interim, onward, rawpath
from bff.gateway.offers import OFFER_KEY
from bff.gateway.protocol import SCOPE_KEY, TARGET_KEY, LimitedProtocol
from bff.gateway.router import allow_of
from bff.gateway.sender import Sender
from bff.gateway.streaming import TURN
from bff.gateway.target import Target
from bff.gateway.tunnel import join
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import ServiceConnectionLost, ServiceTimedOut
from bff.sdk.invocation import Incoming, Invocation
from bff.services.client import ServiceClient
from bff.services.passing import Exchange, Fields, Onward
from bff.services.paths import climbs

EXPECTATION = 1.0
"""Seconds a service may take to say 100 before the body is sent all the same (curl's own patience)."""

_BODILESS = frozenset({204, 304})


class Passage:
    """One request on its way to one service and back. Mutable state: ``_received`` bytes of the caller's body,
    ``_may_continue``, ``_is_callers_turn`` (whom we wait for), ``_expiry`` (until the answer's head is there), its ``_record``.
    """

    def __init__(
        self,
        client: ServiceClient,
        *,
        invocation: Invocation,
        target: Target,
        sender: Sender,
        clock: Clock,
        has_cors: bool,
    ) -> None:
        assert invocation.incoming is not None
        self._client = client
        self._invocation = invocation
        self._incoming: Incoming = invocation.incoming
        self._scope: MutableMapping[str, Any] = self._incoming.scope
        self._connection: LimitedProtocol | None = self._scope.get(SCOPE_KEY)
        self._target = target
        self._sender = sender
        self._clock = clock
        self._has_cors = has_cors
        self._received = 0
        self._is_callers_turn = False
        self._expiry: Expiry | None = None
        self._may_continue: asyncio.Event | None = None
        self._record: CallRecord | None = None

    async def run(self, trusts: Callable[[str], bool]) -> None:
        """Pass it through. ``trusts`` tells whether an address is a proxy of ours.

        Raises:
            BffError: there is no answer, or it broke off; the error says whose fault that was.

        """
        hop = self._hop(trusts)
        going = self._going(hop, self._scope["headers"])
        self._incoming.refuse_announced_excess()
        path = going.path.partition(b"?")[0].decode("latin-1")
        record = self._invocation.open_call(self._client.name, going.method, path)
        record.span_id = hop.span_id
        self._record = record
        self._client.passing += 1
        try:
            await self._exchanged(going, hop, record)
        except asyncio.CancelledError:
            record.error = "cancelled"
            raise
        except BaseException as error:
            record.error = error.code if isinstance(error, BffError) else type(error).__name__
            record.flag(getattr(error, "flag", ""))
            raise
        finally:
            self._client.passing -= 1
            record.ended = self._clock.now()

    async def _exchanged(self, going: Onward, _: onward.Hop, record: CallRecord) -> None:
        exchange = await self._opened(going)
        self._note(record, exchange)
        try:
            await self._answer(exchange)
        finally:
            await exchange.aclose()

    @staticmethod
    def _note(record: CallRecord, exchange: Exchange) -> None:
        record.status, record.endpoint = exchange.status, exchange.endpoint
        record.flag("RL" if exchange.status == 429 else "")

    # The way there.

    def _hop(self, trusts: Callable[[str], bool]) -> onward.Hop:
        peer = (self._scope.get("client") or ("",))[0]
        return onward.Hop(
            client=self._invocation.client,
            peer=peer,
            is_vouched=trusts(peer),
            scheme=self._scope["scheme"],
            version=self._scope["http_version"],
            request_id=self._invocation.request_id,
            trace=self._invocation.trace,
            span_id=trace.new_span_id(),
        )

    def _going(self, hop: onward.Hop, headers: Fields) -> Onward:
        method = self._invocation.method
        if method == "TRACE" and (self._client.own_headers or onward.is_the_last(headers)):
            # Its answer repeats what was sent (RFC 9110 §9.3.8), the service's credentials among it; ours would, too.
            raise MethodNotAllowed(method, allow_of(each for each in METHODS if each != method))
        path, query = rawpath.split(self._raw_target())
        path = self._target.asked(path)
        if climbs(path):
            raise BadRequest("The path has a . or .. segment.")
        length, has_body = _framing(self._scope["headers"], self._scope["http_version"])
        return Onward(
            method=method,
            path=path + query,
            fields=self._fields(hop, headers, has_body=has_body),
            parts=self._body() if has_body else None,
            length=length,
            inform=self._inform,
            upgrade=b"websocket" if OFFER_KEY in self._scope else b"",
            is_late=self._is_late,
            until=self._invocation.deadline.at,
            fault=self._client.fault_asked(self._invocation),
            flag=self._flag,
            went=self._went,
        )

    def _flag(self, flag: str) -> None:
        if self._record is not None:
            self._record.flag(flag)

    def _went(self, endpoint: str, attempts: int, sent: float | None) -> None:
        if (record := self._record) is not None:
            record.endpoint, record.sent = endpoint, sent
            record.attempts += attempts

    def _is_late(self) -> bool:
        """Whether what was cancelled was too slow: the service, not the caller."""
        return self._expiry is not None and self._expiry.has_expired and not self._is_callers_turn

    def _fields(self, hop: onward.Hop, headers: Fields, *, has_body: bool) -> Fields:
        fields = onward.onward(
            headers,
            hop,
            cookies=self._target.forwarding.cookies,
            own=self._client.own_headers,
            withheld=self._target.withheld,
            rules=(self._target.forwarding.rules, self._client.request_rules),
        )
        if self._invocation.method in onward.COUNTED:
            fields = onward.counted_down(fields)
        if has_body and any(name == b"expect" for name, _ in headers):
            self._may_continue = asyncio.Event()
            fields.append((b"expect", b"100-continue"))
        return fields

    def _raw_target(self) -> bytes:
        target: bytes | None = self._scope.get(TARGET_KEY)
        if target is not None:
            return target
        query: bytes = self._scope["query_string"]
        raw: bytes = self._scope["raw_path"]
        return raw + (b"?" + query if query else b"")

    def _inform(self, status: int, fields: Fields) -> None:
        if status == 100 and self._may_continue is not None:
            self._may_continue.set()
        if self._connection is not None:
            back = self._back(fields, status, has_cors=False)
            interim.inform(self._connection.cycle_of(self._scope), status, back)

    def _back(self, fields: Fields, status: int, *, has_cors: bool) -> Fields:
        return onward.back(
            fields,
            status=status,
            has_cors=has_cors,
            cookies=self._target.forwarding.cookies,
            rules=(self._client.response_rules, self._target.response_rules),
        )

    async def _opened(self, going: Onward) -> Exchange:
        allowed = self._target.timeout
        try:
            with Expiry(self._clock, self._invocation.deadline.at) as self._expiry:
                return await self._client.open(going)
        except TimeoutError:
            if self._is_callers_turn:
                raise BodyTimedOut(self._target.stream_idle_timeout) from None
            raise ServiceTimedOut(self._client.name, allowed) from None
        finally:
            self._expiry = None  # the rest of the body may still be on its way, and moves it no more

    async def _body(self) -> AsyncIterator[bytes]:
        """The caller's body as it comes, asked for no faster than the service takes it."""
        if self._connection is not None:
            self._connection.body_watch.is_left = True  # its times are the service's
        await self._continued()
        is_more = True
        while is_more:
            self._turn(is_callers=True)
            message = await self._incoming.receive()
            self._incoming.raise_if_left(message)
            piece: bytes = message.get("body", b"")
            self._received += len(piece)
            if self._received > self._target.max_body:
                raise BodyTooLarge(self._target.max_body)
            is_more = message.get("more_body", False)
            self._turn(is_callers=False)
            if piece:
                yield piece

    async def _continued(self) -> None:
        """Until the service has said that it wants the body, or has had the time to."""
        if self._may_continue is not None:
            self._turn(is_callers=False, extra=EXPECTATION)
            with suppress(TimeoutError), Expiry(self._clock, self._clock.now() + EXPECTATION):
                await self._may_continue.wait()

    def _turn(self, *, is_callers: bool, extra: float = 0.0) -> None:
        """From now on it is the caller we wait for, or the service."""
        if self._expiry is None:
            return
        self._is_callers_turn = is_callers
        allowed = self._target.stream_idle_timeout if is_callers else self._target.timeout
        latest = self._invocation.started + self._target.stream_timeout
        self._expiry.move(min(self._clock.now() + allowed + extra, latest))

    # The way back.

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.duplex is None and not 200 <= exchange.status <= 599:
            raise ServiceConnectionLost(self._client.name, "answered a status that is none of HTTP's")
        allowed = self._target.stream_timeout
        self._invocation.deadline = Deadline(self._clock.now() + allowed, allowed)
        fields = self._back(exchange.fields, exchange.status, has_cors=self._has_cors)
        self._sender.add_passing(fields)
        try:
            with Expiry(self._clock, self._invocation.deadline.at):
                if exchange.duplex is not None:
                    await self._switch(exchange, fields)
                else:
                    await self._send(exchange, fields)
        except TimeoutError:
            if self._is_callers_turn:
                raise CallerLeft from None  # it has stopped reading
            raise ServiceConnectionLost(self._client.name, "fell silent in its answer") from None

    async def _send(self, exchange: Exchange, fields: Fields) -> None:
        status = exchange.status
        self._last_answer()
        if self._invocation.method == "HEAD" or status in _BODILESS:
            self._passes(b"", is_last=True)
            await self._sender.at_once(status, [*fields, *self._told()], b"")
            return
        length = _length(fields)
        if length is not None and (whole := exchange.whole()) is not None:
            self._came(whole)
            self._passes(whole, is_last=True)
            await self._sender.at_once(status, [*fields, *self._told()], whole)
            return
        await self._sender.head(status, [*fields, *self._told()])
        await self._pieces(exchange, length)

    def _last_answer(self) -> None:
        if self._connection is not None:
            interim.last_answer(self._connection.cycle_of(self._scope))

    def _came(self, piece: bytes) -> None:
        if self._record is not None:
            self._record.bytes_in += len(piece)

    def _passes(self, piece: bytes, *, is_last: bool) -> None:
        """Hear some of the answer's body before the caller does; for who keeps it."""

    def _told(self) -> Fields:
        """What is said of the answer once its head has to be sent; for who keeps some."""
        return []

    async def _pieces(self, exchange: Exchange, length: int | None) -> None:
        """The body, no faster than the caller takes it, and no longer silent than it may be."""
        idle, sent, parts = self._target.stream_idle_timeout, 0, exchange.parts()
        self._is_callers_turn = False
        for number in count(1):
            if number % TURN == 0:
                await asyncio.sleep(0)
            with Expiry(self._clock, self._clock.now() + idle):
                piece = await anext(parts, None)
                if piece is None:
                    break
                sent += len(piece)
                self._came(piece)
                self._passes(piece, is_last=sent == length)
                self._is_callers_turn = True
                await self._sender.piece(piece, more=sent != length)
                self._is_callers_turn = False
        if sent != length:
            self._passes(b"", is_last=length is None)
            await self._sender.piece(b"", more=False)

    async def _switch(self, exchange: Exchange, fields: Fields) -> None:
        """101: from here on both sides speak WebSocket with each other, and we carry bytes."""
        assert exchange.duplex is not None
        cycle = None if self._connection is None else self._connection.cycle_of(self._scope)
        if cycle is None or self._connection is None:
            raise CallerLeft
        switching = [*fields, (b"connection", b"upgrade"), (b"upgrade", b"websocket")]
        interim.inform(cycle, 101, switching)
        self._sender.started = True
        self._invocation.status = 101
        caller = self._connection.take_over(self._scope)
        if caller is not None:
            await join(caller, exchange.duplex, clock=self._clock, idle=self._target.stream_idle_timeout)


def _framing(headers: Fields, version: str) -> tuple[int | None, bool]:
    """The length of the body that follows (None: chunked), and whether one does. llhttp has refused most of what
    could be read in two ways; the rest is refused here.
    """
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings:
        # RFC 9112 §6.1: what else is coded we could not pass on; of 1.0 nobody knows who understood it.
        if lengths or version == "1.0" or len(codings) > 1 or codings[0].strip().lower() != b"chunked":
            raise BadRequest("The body's framing is not understood.")
        return None, True
    if not lengths:
        return None, False
    if len(lengths) > 1 or not lengths[0].isdigit():
        raise BadRequest("The body's length is not understood.")
    length = int(lengths[0])
    return length, length > 0


def _length(fields: Fields) -> int | None:
    return next((int(value) for name, value in fields if name == b"content-length"), None)
