"""uvicorn's httptools protocol with the limits that an ASGI layer comes too late for.

A head that is too large is 431, one that does not arrive in time 408, one that is no HTTP 400: each as
problem+json. It also tells the gateway at once when a caller leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from bff.errors import BadRequest, BffError, BodyTimedOut
from bff.gateway import offers, refusal
from bff.gateway.cycle import Cycle
from bff.gateway.door.failures import HeadTimedOut, HeadTooLarge, TargetTooLong
from bff.gateway.lean import SCOPE_KEY as SCOPE_KEY
from bff.gateway.lean import TARGET_KEY as TARGET_KEY
from bff.gateway.limits import HeadLimits as HeadLimits
from bff.gateway.offers import OFFER_KEY
from bff.gateway.timed import TimedProtocol
from bff.gateway.undelimited import UndelimitedCycle
from bff.sdk.reply import HeaderPairs
from bff.services.duplex import Duplex

_VERSIONS = frozenset({"1.0", "1.1"})

MOST_LEFT_OVER = 64 * 2**10
"""Bytes of an unwanted body that are let pass to keep the connection; beyond them our side is closed."""


class LimitedProtocol(TimedProtocol):
    """One connection. Mutable state of ours: ``on_left``, ``_in_head``, ``_in_body``, ``_head_size``, ``_idle_size``,
    ``_left_over``, ``_is_padded``, ``_is_chunk_large``, ``_is_chunk_mixed``, ``_held`` (what came behind an offer of WebSocket,
    until it is decided).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_left: Callable[[asyncio.Task[Any]], None] | None = None
        self._in_head = False
        self._in_body = False
        self._head_size = 0
        self._idle_size = 0  # bytes of a body's frame since its last content: extensions, trailers
        self._left_over = 0  # bytes of a body nobody reads any more
        self._is_chunk_large = False
        self._is_padded = False  # whether a field of the head may end in white space
        self._is_chunk_mixed = False  # whether a message ended in the chunk that is being read
        self._held: bytearray | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._is_let_in():
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
            if self.on_left is not None and self._task is not None:
                self.on_left(self._task)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._held is not None:
            self._hold(data)
            return
        # A head that comes whole in one small chunk, as nearly all do, cannot be over the limit.
        if self._in_head or self._in_body or len(data) > self._limits.size:
            self._receive_carefully(data)
            return
        self._feed(data)
        if self._in_head:
            self._head_size = self._exact_head_size()
            self._start_head_timer()
        elif self._in_body:
            self.body_watch.begin(self._limits.body)
        elif self.cycle is not None and self.cycle.response_complete:
            self._rest()  # an empty line between requests (RFC 9112 §2.2) had stopped it

    def _receive_carefully(self, data: bytes) -> None:
        self._is_chunk_large = True
        self._is_chunk_mixed = False
        if self._in_head:
            self._head_size += len(data)
        elif self._in_body:
            self._idle_size += len(data)
        self._feed(data)
        self._is_chunk_large = False
        if self._refused:
            return
        if self._in_head:
            if not self._head_size:  # it began within this chunk, perhaps behind another request
                self._head_size = self._exact_head_size() if self._is_chunk_mixed else len(data)
            self._start_head_timer()
            if self._head_size > self._limits.size:
                self._refuse(self._too_large())
        elif self._in_body:
            self._watch_body(len(data))
            self.body_watch.begin(self._limits.body)

    def _feed(self, data: bytes) -> None:
        """Let the parser read; what it finds comes back through the ``on_`` methods."""
        self._resting_since = None
        # Not `in`, which raises and drops an error before it looks for bytes.
        self._is_padded = self._in_head or data.find(b" \r\n") >= 0 or data.find(b"\t\r\n") >= 0
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    return
                except httptools.HttpParserUpgrade as offered:
                    data = data[offered.args[0] :]
                    if OFFER_KEY in self.scope and not self._refused:
                        self._new_parser()
                        self._hold(data)
                        return
                    data = self._without_upgrade(data)
        except httptools.HttpParserError:
            self._refuse(BadRequest("This is not a valid HTTP/1.1 request."))

    def _without_upgrade(self, rest: bytes) -> bytes:
        """The request again as if it had offered no upgrade, before what followed its head.

        An offer may be ignored (RFC 9110 §7.8), but the parser would take the body for the other protocol's
        and drop it; Java's HttpClient offers h2c on every first call, bodies included.
        """
        if self._refused:
            return b""
        version = self.parser.get_http_version().encode()
        head = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
        head += b"".join([b"%b: %b\r\n" % pair for pair in offers.without(self.headers)])
        self._new_parser()
        return head + b"\r\n" + rest

    def _new_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _hold(self, data: bytes) -> None:
        """Whether this is WebSocket's or the next request is not decided yet."""
        self._held = (self._held or bytearray()) + data
        if len(self._held) > MOST_LEFT_OVER:
            self.flow.pause_reading()

    def _watch_body(self, arrived: int) -> None:
        """Limits for what the application never sees: the frame of a body, and a body it does not want."""
        if self._idle_size > self._limits.size:
            self._refuse(HeadTooLarge(self._limits.size))
        elif self.cycle.response_complete:
            self._left_over += arrived
            if self._left_over > MOST_LEFT_OVER:
                self._end_gently()

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.scope = self._template.copy()  # type: ignore[assignment]
        self._in_head = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._stop_head_timer()
        if self._refused:
            return
        if len(self.url) > self._limits.target or (
            self._is_chunk_large and self._exact_head_size() > self._limits.size
        ):
            self._refuse(self._too_large())
            return
        method = self.parser.get_method()
        if self.parser.should_upgrade():
            if method == b"CONNECT":
                self._refuse(BadRequest("This is a gateway, not a proxy."))
                return
            if not self._takes_offer(method):
                return  # comes again, without the offer
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            self._refuse(BadRequest("This is not HTTP/1.1."))
            return
        if b"#" in self.url:  # no part of a target (RFC 9112 §3.2), and who else reads it may cut elsewhere
            self._refuse(BadRequest("A request's target has no fragment."))
            return
        if self._is_padded:
            self._strip_fields()
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110 §10.1.1: it would take the answer for another
        self._begin(method, version)
        if version == "1.0":
            self.cycle.__class__ = UndelimitedCycle
        self._in_body = True
        self._idle_size = self._left_over = 0
        self.headers = []  # trailers go nowhere: who read the head has read all of it (RFC 9110 §6.5.1)

    def _strip_fields(self) -> None:
        """White space behind a value is none of it (RFC 9112 §5.1); llhttp leaves it there."""
        self.headers[:] = [(name, value.rstrip(b" \t")) for name, value in self.headers]
        expects = (b"expect", b"100-continue")
        self.expect_100_continue = any((name, value.lower()) == expects for name, value in self.headers)

    def _takes_offer(self, method: bytes) -> bool:
        """Whether the application shall decide on it."""
        if not offers.is_websocket(method, self.parser.get_http_version(), self.headers):
            return False
        self.scope[OFFER_KEY] = True  # type: ignore[literal-required]
        self.headers[:] = offers.without(self.headers)
        return True

    def on_body(self, body: bytes) -> None:
        self._idle_size = 0
        self.body_watch.is_heard = True
        if not self._refused:
            if not self.cycle.body:
                self.cycle.body = bytearray()  # grows in place, however small the pieces are
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._in_body or self._refused:
            return
        self._in_body = False
        self.body_watch.done()
        self._is_chunk_mixed = True
        cycle: Cycle = self.cycle  # type: ignore[assignment]
        if cycle.response_complete:
            self._stop_end_timer()
            self._rest()
        else:
            cycle.more_body = False
            cycle.hear()

    def on_response_complete(self) -> None:
        self._next_or_rest()
        if self.flow.write_paused or self.transport.is_closing():
            self._watch_reader()
        if self._in_body and self.cycle.response_complete and not self.transport.is_closing():
            # The rest of its body is let pass for a while, so that the connection can be used again.
            self._start_end_timer()
        if self._held is not None and self.cycle.response_complete and not self.transport.is_closing():
            held, self._held = bytes(self._held), None  # the offer was ignored: it was the next request
            if held:
                self.data_received(held)

    def _too_large(self) -> BffError:
        if len(self.url) > self._limits.target:
            return TargetTooLong(self._limits.target)
        return HeadTooLarge(self._limits.size)

    def _body_is_silent(self) -> bool:
        """Nothing came for a while: the caller's doing, unless it is us who do not read, or answered already."""
        if not self._in_body or self.transport.is_closing():
            return False
        if self.flow.read_paused or self.cycle.response_complete or self.cycle.waiting_for_100_continue:
            return True
        self._refuse(BodyTimedOut(self._limits.body))
        return False

    def _exact_head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _head_expired(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self._in_head:
            self._refuse(HeadTimedOut(self._limits.seconds))
        elif self.cycle is None:
            self.transport.close()  # connected and said nothing

    def _refuse(self, error: BffError) -> None:
        """Answer on the bare connection and close it; an answer still under way is cut instead."""
        self._refused = True
        self._stop_head_timer()
        self._tell(error)
        running = self._running
        if running is not None and not running.response_complete:
            if running is not self.cycle or running.response_started or not self._in_body:
                self._close()
                return
            # Its own body is what was wrong: nobody else will answer it.
            running.disconnected = True
            running.message_event.set()
        self.transport.write(refusal.written(error))
        self._end_gently()

    def _tell(self, error: BffError) -> None:
        untold = "" if self._crowd is None else self._crowd.telling.heard(self.loop.time())
        if untold is not None:
            said = (error.status, error, self._address, untold)
            self.logger.warning("refused with %d: %s (from %s)%s", *said)

    def _end_gently(self) -> None:
        """Close our side, and let the caller's bytes fall on the floor for a while: closing at once would
        reset the connection, and with it the answer the caller has not read yet (RFC 9112 §9.6).
        """
        self._refused = True
        if self.transport.is_closing():
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self._start_end_timer()

    def respond(self, scope: Any, status: int, fields: HeaderPairs, body: bytes, own: bytes = b"") -> bool:
        """Write a whole answer at once, past ASGI's two messages; False when it must go the long way. ``own`` are
        further lines of the head, known to be good.

        Same bytes as uvicorn's own cycle would write, at a third of the cost: our field names are known to
        be good, so only line breaks in values have to be looked for. Not while the caller reads slowly:
        then ``send`` waits, and this cannot.
        """
        cycle = self._running
        if cycle is None or cycle.scope is not scope:
            return False
        if cycle.response_started or cycle.disconnected or self.flow.write_paused:
            return False
        head = b"".join([b"%b: %b\r\n" % pair for pair in fields])
        lines = len(fields)
        if head.count(b"\n") != lines or head.count(b"\r") != lines:
            return False
        head = b"%b%b%b" % (STATUS_LINE[status], head, own)
        if cycle.waiting_for_100_continue:
            cycle.keep_alive = False  # whether the body still comes, nobody can tell (RFC 9110 §10.1.1)
        if not cycle.keep_alive:
            head += b"connection: close\r\n"
        if scope["method"] == "HEAD":
            body = b""
        cycle.response_started = cycle.response_complete = True
        self.transport.write(head + b"\r\n" + body)
        cycle.hear()
        if not cycle.keep_alive:
            if self._in_body and cycle is self.cycle:
                self._end_gently()
            else:
                self.transport.close()
        cycle.on_response()
        return True

    def break_off(self, scope: Any) -> None:
        """End an answer that cannot be finished: the caller sees a body cut short, never a whole one."""
        cycle = self._running
        if cycle is None or cycle.scope is not scope or cycle.response_complete:
            return
        cycle.disconnected = True
        if self.flow.write_paused:
            self.transport.abort()  # the caller does not read: what waits to be sent would wait for ever
        else:
            self._close()

    def cycle_of(self, scope: Any) -> Cycle | None:
        """The cycle that answers this request now; None when it is answered, or its connection gone."""
        cycle = self._running
        return cycle if cycle is not None and cycle.scope is scope and not cycle.disconnected else None

    def take_over(self, scope: Any) -> Duplex | None:
        """The bare connection, to speak another protocol on: what was offered is agreed to. None when the caller
        has left.
        """
        cycle = self.cycle_of(scope)
        if cycle is None or self._held is None or self.transport.is_closing():
            return None
        held, self._held = bytes(self._held), None
        cycle.response_started = cycle.response_complete = True
        self._running = None
        self._stop_head_timer()
        return Duplex(self.transport, held, self.connection_lost)
