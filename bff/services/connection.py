"""One HTTP/1.1 connection to an upstream: one request at a time, and its answer.

It decides what belongs to an answer and whether the connection may be used again; where connections come
from and who gets one next is the pool's business. Errors are httpx's: this is the inside of its transport.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import httptools
import httpx

from bff.services import http1
from bff.services.body import Body
from bff.services.draining import Draining
from bff.services.duplex import Duplex
from bff.services.heads import Found, Heads

MAX_HEAD = 64 * 1024
"""Bytes an answer's head may have, with interim answers before it (Envoy's ``max_request_headers_kb`` is 60)."""


class TooLarge(httpx.RemoteProtocolError):
    """A body has more bytes than were allowed: as they came, or decoded."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")
        self.limit = limit


class Answer:
    """What came: status, the head as it came and what was ``found`` in it, and the whole body or, if it was not wanted
    whole, a stream. ``duplex`` is the bare connection after a 101, whose
    end belongs to whoever asked.
    """

    __slots__ = ("body", "duplex", "found", "head", "status", "stream")

    def __init__(self, status: int, head: bytes, body: bytes, stream: Body | None, found: Found) -> None:
        self.status = status
        self.head = head
        self.body = body
        self.stream = stream
        self.found = found
        self.duplex: Duplex | None = None


class Watcher(Protocol):
    """Hears of the interim answers (1xx) before the one that was asked for."""

    may_switch: bool
    """Whether the request offers another protocol, so that 101 is an answer to it."""

    def interim(self, status: int, head: bytes) -> None:
        """One came, which is no answer yet."""


class Taker(Protocol):
    """Who is given the answer: a future, or who is like one."""

    def done(self) -> bool:
        """Whether it is not wanted any more."""

    def set_result(self, answer: Answer, /) -> None:
        """Here it is."""

    def set_exception(self, error: Exception, /) -> None:
        """There is none."""


class Home(Protocol):
    """Where connections belong. ``heads`` are those that it has seen."""

    heads: Heads

    def freed(self, connection: Connection) -> None:
        """Its answer is whole, and it may be used again."""

    def lost(self, connection: Connection) -> None:
        """It is closed."""

    def switched(self, connection: Connection) -> None:
        """It speaks another protocol from now on; it is heard of once more when it is lost."""


class Connection(Draining):
    """Mutable state: all of it, made anew by :meth:`ask`. ``served`` counts answers, ``has_heard`` tells
    whether a byte of the present answer came, ``watcher`` hears of interim ones, ``idle_since`` is the pool's.
    """

    __slots__ = (
        "_answer",
        "_body",
        "_found",
        "_head",
        "_home",
        "_interim",
        "_is_closed",
        "_is_complete",
        "_is_head",
        "_is_sending",
        "_is_spoilt",
        "_is_tunnel",
        "_limit",
        "_parser",
        "_parts",
        "_raw",
        "_raw_size",
        "_size",
        "_status",
        "_transport",
        "has_heard",
        "idle_since",
        "served",
        "watcher",
    )

    def __init__(self, home: Home, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._home = home
        self._transport: Any = None
        # From the connection's beginning to its end: the parser knows its connection, and such a circle would be left to
        # the collector, with the call that the connection was made for: many a second where a service is down.
        self._parser: Any = None
        self._answer: Taker | None = None
        self._body: Body | None = None
        self._is_closed = self._is_tunnel = self._is_sending = False
        self.watcher: Watcher | None = None
        self.served = 0
        self.idle_since = 0.0

    # What the pool does with it.

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent on it, as far as is known here."""
        return not self._is_closed and not self._transport.is_closing()

    def ask(
        self, data: bytes, *, is_head: bool, limit: int, whole: bool = True, more: bool = False
    ) -> asyncio.Future[Answer]:
        """Send a request, or its beginning if ``more`` is to come by :meth:`send`; the future is its answer.

        ``limit`` is the most bytes a whole body may have.
        """
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._is_sending, self._body = more, None if whole else Body(self)
        self.ask_for(answer, data, is_head=is_head, limit=limit)
        return answer

    def ask_for(self, taker: Taker, data: bytes, *, is_head: bool, limit: int) -> None:
        """Send a request; the taker is given its answer, in the very turn in which it is whole."""
        self._answer, self._is_head, self._limit, self.watcher = taker, is_head, limit, None
        self._head = b""
        self._raw: list[bytes] = []
        self._interim = self._size = self._status = self._raw_size = 0
        self._parts: list[bytes] = []
        self._is_complete = self._is_spoilt = self.has_heard = False
        self._transport.write(data)

    async def send(self, data: bytes) -> None:
        """More of the request; returns when the socket takes yet more."""
        if self.is_open:
            self._transport.write(data)
        if self._drained is not None:
            await self._drained

    def sent(self) -> None:
        """The request is complete."""
        self._is_sending = False

    def future(self) -> asyncio.Future[Answer]:
        """One of its loop, for an answer that has come already."""
        return self._loop.create_future()

    def still_asked(self, cancelled: object) -> asyncio.Future[Answer] | None:
        """Another future for an answer whose first one was cancelled; None if it is no longer to come."""
        if self._answer is None or self._answer is not cancelled:
            return None
        another: asyncio.Future[Answer] = self._loop.create_future()
        self._answer = another
        return another

    def give_up(self, wanted: object) -> None:
        """Close it, if this answer or body is still what it is about, or this answer was not taken any more."""
        if self._answer is wanted or self._body is wanted or _is_untaken(wanted):
            self._answer = self._body = None
            self.abort()

    def abort(self) -> None:
        """Close it at once."""
        self._close()
        self._transport.abort()

    def close(self) -> None:
        """Close it in good order: nothing is under way."""
        self._close()
        self._transport.close()

    def hold(self, *, full: bool) -> None:
        """Stop reading, or go on."""
        if not self._is_closed:
            (self._transport.pause_reading if full else self._transport.resume_reading)()

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._home.lost(self)

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        if self._answer is None and self._body is None:
            self.abort()  # it speaks unasked: whatever this is, it is nobody's answer
            return
        if not self._head:
            self.has_heard = True
            self._raw.append(data)
            self._raw_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._is_tunnel and isinstance(error, httptools.HttpParserUpgrade):
                self._switch(data[error.args[0] :])
                return
            if not self._is_complete:
                self._fail(_told(error))
                return
            self._is_spoilt = True
        if self._is_complete:
            self._finish()
        elif not self._head and self._raw_size > MAX_HEAD:
            self._fail(_too_long())

    def eof_received(self) -> None:
        if self._is_under_way and self._head and http1.ends_with_connection(self._head):
            self._is_spoilt = True
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        self._close()
        if self._is_under_way:
            failure = (
                httpx.RemoteProtocolError("the connection ended before the answer did")
                if error is None
                else httpx.ReadError("the connection broke")
            )
            failure.__cause__ = error
            self._fail(failure)
        self._parser = None
        self.resume_writing()

    @property
    def _is_under_way(self) -> bool:
        return self._answer is not None or self._body is not None

    # What the parser tells.

    def on_message_begin(self) -> None:
        if self._is_complete:
            self._is_spoilt = True  # more than was asked for

    def on_headers_complete(self) -> None:
        if self._is_complete:
            return  # of something that nobody asked for
        status = self._parser.get_status_code()
        raw, begin = self._raw[0] if len(self._raw) == 1 else b"".join(self._raw), self._interim
        end = raw.find(b"\r\n\r\n", begin) + 4
        if end > MAX_HEAD:
            raise _too_long()
        if status < 200:
            self._interim = end
            self._hear_interim(status, raw[begin:end])
            return
        head = raw[begin:end]
        heads = self._home.heads
        self._found = heads.known.get(head) or heads.read(head)
        self._status, self._head, self._raw = status, head, []
        if self._is_head:
            # llhttp cannot be told that this answer has no body, so it is asked no further.
            self._is_complete = True
            self._is_spoilt = len(raw) != end or not http1.may_go_on(self._head)
            self._parser = httptools.HttpResponseParser(self)
        elif self._body is not None:
            self._tell(self._body)

    def _hear_interim(self, status: int, head: bytes) -> None:
        """RFC 9110 §15.2; they have no body, so one that says otherwise leaves open where it ends."""
        watcher = self.watcher
        if status == 101 and (watcher is None or not watcher.may_switch):
            raise httpx.RemoteProtocolError("the service switched to a protocol nobody asked for")
        if status < 100 or http1.says_more(head):
            raise httpx.RemoteProtocolError("what came is no interim answer")
        if status == 101:
            self._status, self._head, self._is_tunnel = status, head, True
            self._found = Found(
                is_encoded=False, is_silent=False
            )  # where it is half an agreement, it is an answer
        elif watcher is not None:
            watcher.interim(status, head)

    def on_body(self, data: bytes) -> None:
        if self._is_complete:
            return
        if self._body is not None:
            self._body.feed(data)
            return
        self._size += len(data)
        if self._size > self._limit:
            raise TooLarge(self._limit)
        self._parts.append(data)

    def on_message_complete(self) -> None:
        if self._head:
            self._is_complete = True
            if not self._is_head and not self._parser.should_keep_alive():
                self._is_spoilt = True

    # What becomes of it.

    def _finish(self) -> None:
        """The answer is whole. The connection goes home first, so that who waits for the answer finds it there."""
        body, parts = self._body, self._parts
        answer, self._answer, self._body, self.served = self._answer, None, None, self.served + 1
        if body is not None:
            body.end()
        if self._is_spoilt or self._is_sending or self._is_closed:
            self.abort()
        else:
            self._home.freed(self)
        if answer is not None and not answer.done():
            whole = parts[0] if len(parts) == 1 else b"".join(parts)
            answer.set_result(Answer(self._status, self._head, whole, body, self._found))

    def _switch(self, rest: bytes) -> None:
        """From here on it is not HTTP."""
        answer, self._answer, self._body = self._answer, None, None
        if answer is None or answer.done():
            self.abort()
            return
        self._home.switched(self)
        told = Answer(self._status, self._head, b"", None, Found(is_encoded=False, is_silent=False))
        told.duplex = Duplex(self._transport, rest, lambda _: self._close())
        answer.set_result(told)

    def _tell(self, body: Body) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(Answer(self._status, self._head, b"", body, self._found))

    def _fail(self, error: Exception) -> None:
        answer, body = self._answer, self._body
        self._answer = self._body = None
        self.abort()
        if body is not None:
            body.fail(error)
        if answer is not None and not answer.done():
            answer.set_exception(error)


def _is_untaken(wanted: object) -> bool:
    """Whether it is an answer whose rest nobody will read: it came in the turn in which its asker was cancelled."""
    if (
        not isinstance(wanted, asyncio.Future)
        or not wanted.done()
        or wanted.cancelled()
        or wanted.exception()
    ):
        return False
    answer: Answer = wanted.result()
    return answer.duplex is not None or answer.stream is not None


def _too_long() -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError(f"the answer's head is larger than {MAX_HEAD} bytes")


def _told(error: Exception) -> Exception:
    """What a callback raised inside the parser, or what the parser itself has to say."""
    inner = error.__context__
    if isinstance(error, httptools.HttpParserCallbackError):
        if isinstance(inner, httpx.TransportError):
            inner.__context__ = None
            return inner
        if isinstance(inner, http1.NotHttp):
            return httpx.RemoteProtocolError(str(inner))
    return httpx.RemoteProtocolError("what came is not HTTP/1.1")
