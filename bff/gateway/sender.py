"""Writes one answer to one caller: head fields in one place, bodies, streams, problems and foreign responses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from bff.clock import Clock
from bff.config.gateway import Timing
from bff.errors import BffError, problem
from bff.frozen import frozen
from bff.gateway import unfolding, views
from bff.gateway.door import caution, smaller
from bff.gateway.door.carried import Ready, pairs_of
from bff.gateway.foreign import Foreign, as_whole
from bff.gateway.incomplete import with_errors
from bff.gateway.protocol import SCOPE_KEY, LimitedProtocol
from bff.gateway.streaming import NO_STORE, Streaming
from bff.gateway.target import NOWHERE
from bff.gateway.unfolding import Unfolding
from bff.sdk.farewells import Farewells
from bff.sdk.invocation import OFFER_KEY, Invocation
from bff.sdk.page import Page
from bff.sdk.reply import Answer, HeaderPairs
from bff.services import httpdate, memo
from bff.services.composed import SILENT
from bff.services.fields import READING

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_NOT_TOKEN = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]+")
COMPLETE = b"bff-complete: true\r\n"
INCOMPLETE = b"cache-control: no-store\r\nbff-complete: false\r\n"
VARY = b"%b: %b\r\n" % unfolding.VARY
PROBLEM = (b"content-type", b"application/problem+json")
NOSNIFF = (b"x-content-type-options", b"nosniff")


class DateField:
    """The ``Date`` field, made once a second. Mutable state: ``_second`` and ``_line``."""

    __slots__ = ("_clock", "_line", "_second")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        """Its line in a head, for this second."""
        wall = self._clock.wall()
        if int(wall) != self._second:
            self._second = int(wall)
            self._line = b"date: %b\r\n" % httpdate.written(wall)
        return self._line


@frozen
class Stationery:
    """What all answers of one gateway are written with."""

    clock: Clock
    date: DateField
    farewells: Farewells


def fields_of(error: BffError) -> HeaderPairs:
    """The header fields an error brings along; some values are a service's."""
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in error.headers().items()]


def _is_of_caches(name: bytes) -> bool:
    return name in (b"etag", b"expires", b"surrogate-control") or name.endswith(b"cache-control")


def _encoded(document: dict[str, Any]) -> bytes:
    try:
        return to_json(document, fallback=str, inf_nan_mode="null")
    except ValueError:
        # A function's words are no Unicode, or its extra members no tree: RFC 9457's own members remain.
        kept = {name: document[name] for name in ("type", "status", "code", "fault", "retryable", "instance")}
        said = {name: document[name].encode("utf-8", "replace").decode() for name in ("title", "detail")}
        return to_json({**kept, **said})


@lru_cache(maxsize=8)
def _told(phases: tuple[tuple[str, float], ...]) -> bytes:
    """The same for everybody who waited for one warm-up, and they may be a thousand."""
    return b", ".join(b"%s;dur=%.2f" % (name.encode(), seconds * 1000) for name, seconds in phases)


class Sender:
    """The answer to one request. Mutable state: ``started``, its ``target`` once the route is found, the page that
    is ``unfolding``, if one is, and ``_extra``, what it carries besides its own.
    """

    __slots__ = (
        "_extra", "_invocation", "_scope", "_send", "_stationery", "_timing", "started", "target",
        "unfolding",
    )  # fmt: skip

    def __init__(
        self,
        stationery: Stationery,
        invocation: Invocation,
        scope: MutableMapping[str, Any],
        send: Send,
        extra: HeaderPairs,
        timing: Timing,
    ) -> None:
        self._stationery = stationery
        self._invocation = invocation
        self._scope = scope
        self._send = send
        self._extra = extra
        self._timing = timing
        self.started = False
        self.target = NOWHERE
        self.unfolding: Unfolding | None = None

    @property
    def _clock(self) -> Clock:
        return self._stationery.clock

    def unfold(self, media: str, page: Page) -> Unfolding:
        """Send the page's parts as they come, in this media type."""
        if self.unfolding is None:
            self.unfolding = Unfolding(
                self, self._invocation, self.target, self._clock, media=media, page=page
            )
        return self.unfolding

    async def answer(self, answer: Answer) -> None:
        """Send whatever the function gave."""
        if self.unfolding is not None and self.unfolding.has_begun:
            await self.unfolding.finish(answer)
            return
        if answer.farewells is not None and OFFER_KEY in self._scope:
            await self._converse(answer)
            return
        if answer.response is not None:
            answer = self.as_whole(answer)
        if answer.response or answer.stream:
            self.flush_smaller()
        if answer.response is not None:
            await Foreign(self, self._invocation, self.target, self._clock).run(
                answer.response, self._scope, self._send
            )
        elif answer.stream is not None:
            await Streaming(self, self._invocation, self.target, self._clock).run(
                answer, self._stationery.farewells
            )
        else:
            missing = self._invocation.missing
            if missing and self.target.tells_errors:
                answer.body = with_errors(answer.body, missing, self._invocation.reasons)
            await self.whole(self._seen_by_caches(answer))

    def flush_smaller(self) -> None:
        """Make the stream that begins now smaller piece by piece, where the route says so and the caller takes it."""
        compression = self.target.compression
        if compression is not None and compression.streams:
            asked, method = self._scope["headers"], self._invocation.method
            self._send = smaller.Flushed(self._send, compression, asked=asked, method=method)

    async def _converse(self, answer: Answer) -> None:
        from bff.gateway.conversation import Conversation  # and a library, for who has WebSockets

        connection: LimitedProtocol = self._scope[SCOPE_KEY]
        talk = Conversation(
            self, connection, invocation=self._invocation, target=self.target, clock=self._clock
        )
        await talk.run(answer, self._stationery.farewells)

    def as_whole(self, answer: Answer) -> Answer:
        """The answer, a plain Starlette response as what it is: status, fields and body."""
        return self.whole_of(answer, self._invocation.function) or answer

    @staticmethod
    def whole_of(answer: Answer, function: str) -> Answer | None:
        """The answer if its body is all there; None for streams and applications."""
        if answer.response is not None:
            return as_whole(answer, function)
        return None if answer.stream is not None else answer

    def _seen_by_caches(self, answer: Answer) -> Answer:
        """A page with what caches are told of it, or the word that it has not changed."""
        parts = self._invocation.parts
        views.with_vary(answer, parts)
        if not views.is_worth_it(answer, self._invocation):
            return answer
        asked = self._scope["headers"]
        if parts is not None and parts is not SILENT:
            views.with_control(answer, parts, identified=views.is_identified(self._invocation, asked))
        views.with_tag(answer)
        return views.unchanged(answer, asked, self._clock.wall())

    async def whole(self, answer: Answer, *, is_page: bool = True, is_dated: bool = False) -> None:
        """Send a head and a body that is all there; ``is_page`` is false for what has no parts to miss."""
        self._invocation.answered = answer.body
        if self.target.compression is not None:
            await smaller.whole(answer, self.target.compression, self._scope["headers"])
        fields, body = answer.headers, answer.body
        carried = self._carried(fields)
        if answer.status in (204, 304):
            # What followed such a head would be read as the next answer (RFC 9110 §15.3.5).
            own = body = b""
        else:
            own = b"content-length: %d\r\n" % len(body)
        own += self._own(fields, is_page=is_page, is_dated=is_dated)
        if isinstance(carried, Ready):
            own += carried.raw
        else:
            fields.extend(carried)
        if not self._written(answer.status, fields, body, own):
            await self.head(answer.status, [*fields, *pairs_of(own)])
            await self._send({"type": "http.response.body", "body": body})

    async def at_once(self, status: int, fields: HeaderPairs, body: bytes) -> None:
        """Send a finished head and its body, in one write where the connection takes it."""
        if not self._written(status, fields, body):
            await self.head(status, fields)
            await self._send({"type": "http.response.body", "body": body})

    def _written(self, status: int, fields: HeaderPairs, body: bytes, own: bytes = b"") -> bool:
        connection: LimitedProtocol | None = self._scope.get(SCOPE_KEY)
        if connection is None or not connection.respond(self._scope, status, fields, body, own):
            return False
        self.started = True
        self._invocation.status = status
        return True

    async def piece(self, body: bytes, *, more: bool) -> None:
        """Send some of the body; returns when the caller takes yet more."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def problem(self, error: BffError) -> None:
        """Send an error as RFC 9457 problem+json."""
        document = problem(error, instance=f"urn:request:{self._invocation.request_id}")
        await self.problem_document(document, error)

    async def problem_document(self, document: dict[str, Any], error: BffError) -> None:
        """Send a problem document of this error."""
        self._invocation.missing = None
        if not 400 <= document["status"] <= 599:
            document["status"] = 500  # a function raised it with a status that is no error's
        fields = [PROBLEM, NO_STORE, NOSNIFF, *fields_of(error)]
        await self.whole(Answer(document["status"], fields, _encoded(document)), is_page=False)

    def carry(self, fields: HeaderPairs) -> None:
        """Have the answer carry these, whoever writes it, instead of what it would."""
        self._extra = fields

    def carry_too(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """Have the answer carry these besides."""
        self._extra = [*self._extra, *fields]

    def caller_left(self, task: asyncio.Task[Any]) -> None:
        """End the work that the answer is made by; what may have an effect only while it waits for a warm-up or a
        place, and has none yet.
        """
        invocation = self._invocation
        finishes = invocation.method not in READING and not self.target.cancel_on_disconnect
        if finishes and invocation.revision:
            return
        invocation.left = True
        task.cancel()

    def break_off(self) -> None:
        """What was begun cannot be finished: let the caller see that."""
        connection: LimitedProtocol | None = self._scope.get(SCOPE_KEY)
        if connection is not None:
            connection.break_off(self._scope)

    async def head(self, status: int, fields: HeaderPairs) -> None:
        """Send the head; from here on the status cannot be changed, and the function's calls ask anew."""
        memo.end(self._invocation)
        await self.begin(status, fields)

    async def begin(self, status: int, fields: HeaderPairs) -> None:
        """Send the head of an answer that is still being made."""
        self.started = True
        self._invocation.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": fields})

    def add_own(self, fields: HeaderPairs, *, is_page: bool = True, is_timed: bool = True) -> None:
        """What we add to everything a function answers, and what every answer carries."""
        carried = self._carried(fields)
        fields.extend(pairs_of(self._own(fields, is_page=is_page, is_timed=is_timed)))
        fields.extend(carried)

    def _own(
        self, fields: HeaderPairs, *, is_page: bool = True, is_dated: bool = False, is_timed: bool = True
    ) -> bytes:
        """The lines of identity, revision, completeness, timing and date. What was kept ``is_dated`` already: it has
        the date of its making. While the handler runs nothing ``is_timed`` yet.

        What is no page (a stream, an error) never calls itself complete, but does say what is missing already.
        """
        invocation = self._invocation
        date = b"" if is_dated else self._stationery.date.line()
        if not invocation.revision:
            return b"x-request-id: %b\r\n%b" % (invocation.request_id.encode(), date)
        said = COMPLETE if is_page else b""
        if invocation.missing:
            # Whatever the function said of caches, it said of the whole page (CDN-Cache-Control: RFC 9213).
            fields[:] = [pair for pair in fields if not _is_of_caches(pair[0])]
            said = _incompleteness(invocation.missing)
        if is_page and invocation.varies:
            said += VARY
        if is_timed and self._timing != "none":
            said += self._times()
        names = invocation.revision.encode(), said, invocation.request_id.encode(), date
        return b"bff-revision: %b\r\n%bx-request-id: %b\r\n%b" % names

    def _carried(self, fields: HeaderPairs) -> HeaderPairs:
        """What an answer with these fields carries besides."""
        for name, _ in fields:
            if name in caution.NAMES:
                return caution.without_what_is_said(self._extra, fields)
        return self._extra

    def add_passing(self, fields: HeaderPairs) -> None:
        """What we add to a service's own answer: the request's id, what every answer carries, and a date if it has
        none (RFC 9110 §6.6.1).
        """
        carried = self._carried(fields)
        fields.append((b"x-request-id", self._invocation.request_id.encode()))
        if not any(name == b"date" for name, _ in fields):
            fields.extend(pairs_of(self._stationery.date.line()))
        fields.extend(carried)

    def _times(self) -> bytes:
        """``Server-Timing``, in milliseconds: the handler, the phases of a cold call, each service if it may be told."""
        invocation = self._invocation
        tells = self._timing == "services"
        if invocation.phases is None and not tells:  # as usual
            return b"server-timing: handler;dur=%.2f\r\n" % (invocation.handler_seconds * 1000)
        timing = b"handler;dur=%.2f" % (invocation.handler_seconds * 1000)
        if invocation.phases is not None:
            phases = _told(tuple(invocation.phases.items()))
            timing = b'cold;desc="%s", %s, %s' % (invocation.revision.encode(), phases, timing)
        if tells and invocation.calls:
            for call in invocation.calls:
                took = ((call.ended or self._clock.now()) - call.started) * 1000
                timing += b", %s;dur=%.2f" % (call.service.encode("ascii", "replace"), took)
                if how := call.how():
                    timing += b';desc="%s"' % how.encode("ascii", "replace")
        return b"server-timing: %b\r\n" % timing


def _incompleteness(missing: list[str]) -> bytes:
    # Part names are the function's: whatever they hold, the field stays a list of tokens.
    names = ", ".join(_NOT_TOKEN.sub("_", name) for name in missing)
    return INCOMPLETE + b"bff-missing: %b\r\n" % names.encode()
