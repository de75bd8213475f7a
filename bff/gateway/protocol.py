"""uvicorn's httptools protocol with the limits that an ASGI layer comes too late for.

A head that is too large is 431, one that does not arrive in time 408, one that is no HTTP 400: each as
problem+json. It also tells the gateway at once when a caller leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from bff.errors import BadRequest, BffError, HeadTimedOut, HeadTooLarge, problem
from bff.sdk.reply import HeaderPairs

SCOPE_KEY = "bff.protocol"


@dataclass(slots=True)
class HeadLimits:
    """Bytes and seconds a request's head may take. One object per listener; app changes it on reload."""

    size: int
    seconds: float


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Mutable state of ours: ``on_left``, ``_in_head``, ``_head_size``, ``_head_timer``,
    ``_is_chunk_large``, ``_refused``.
    """

    def __init__(self, *args: Any, limits: HeadLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self.on_left: Callable[[], None] | None = None
        self._in_head = False
        self._head_size = 0
        self._is_chunk_large = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        if self.on_left is not None and self.cycle is not None and not self.cycle.response_complete:
            self.on_left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        # A head that comes whole in one small chunk, as nearly all do, cannot be over the limit.
        if not self._in_head and len(data) <= self._limits.size:
            super().data_received(data)
            if self._in_head:
                self._head_size = self._exact_head_size()
                self._start_head_timer()
            return
        self._receive_carefully(data)

    def _receive_carefully(self, data: bytes) -> None:
        self._is_chunk_large = True
        if self._in_head:
            self._head_size += len(data)
        super().data_received(data)
        self._is_chunk_large = False
        if self._in_head and not self._refused:
            self._head_size = max(self._head_size, self._exact_head_size())
            self._start_head_timer()
            if self._head_size > self._limits.size:
                self._refuse(HeadTooLarge(self._limits.size))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_size = 0
        self.scope[SCOPE_KEY] = self  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._stop_head_timer()
        if self._refused:
            return
        if self._is_chunk_large and self._exact_head_size() > self._limits.size:
            self._refuse(HeadTooLarge(self._limits.size))
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            super().on_message_complete()

    def _exact_head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.seconds, self._head_expired)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_expired(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self._in_head:
            self._refuse(HeadTimedOut(self._limits.seconds))
        elif self.cycle is None:
            self.transport.close()  # connected and said nothing

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest("This is not a valid HTTP/1.1 request."))

    def _refuse(self, error: BffError) -> None:
        """Answer on the bare connection and close it; an answer still under way is cut instead."""
        self._refused = True
        self._stop_head_timer()
        if self.cycle is None or self.cycle.response_complete:
            body = to_json(problem(error))
            self.transport.write(
                STATUS_LINE[error.status]
                + b"content-type: application/problem+json\r\ncache-control: no-store\r\nconnection: close\r\n"
                + b"content-length: %d\r\n\r\n" % len(body)
                + body
            )
        self.transport.close()

    def respond(self, status: int, fields: HeaderPairs, body: bytes) -> bool:
        """Write a whole answer at once, past ASGI's two messages; False when it must go the long way.

        Same bytes as uvicorn's own cycle would write, at a third of the cost: our field names are known to
        be good, so only line breaks in values have to be looked for. Not while the caller reads slowly:
        then ``send`` waits, and this cannot.
        """
        cycle = self.cycle
        if cycle.response_started or cycle.disconnected or self.flow.write_paused:
            return False
        head = STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % pair for pair in fields])
        if head.count(b"\n") != len(fields) + 1 or head.count(b"\r") != len(fields) + 1:
            return False
        if not cycle.keep_alive:
            head += b"connection: close\r\n"
        if self.scope["method"] == "HEAD":
            body = b""
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"%b\r\n%b" % (head, body))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def break_off(self) -> None:
        """End an answer that cannot be finished: the caller sees a body cut short, never a whole one."""
        self.cycle.disconnected = True
        self.transport.close()
