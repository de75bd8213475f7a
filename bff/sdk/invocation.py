"""The record of one invocation: who called, what for, what it waited for and how it ended.

Every stop on the way writes into it; ``Server-Timing``, the access log, metrics and ``bff invoke`` read
from it. It is bounded: a function that calls services without end does not grow it without end.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bff import trace
from bff.clock import Clock, Deadline
from bff.errors import BffError, BodyTimedOut, BodyTooLarge, DeadlineExceeded, Fault
from bff.frozen import frozen
from bff.sdk.caller import NOBODY, Caller
from bff.sdk.callrecord import CallRecord
from bff.sdk.cohort import Cohort
from bff.sdk.formlimits import FORM_LIMITS, FormLimits
from bff.sdk.headerrules import HeaderRules
from bff.sdk.lane import BAGGAGE
from bff.signals import Signal

if TYPE_CHECKING:
    from bff.sdk.page import Page, Unfolder
    from bff.sdk.request import BoundedRequest

TIMER_ERROR = 0.002
"""Seconds a timer may be early: uvloop's count in whole milliseconds."""

MAX_CALLS = 200
"""Service calls one record keeps; further ones are counted in ``calls_dropped``."""


MAX_MISSING = 50
"""Names of missing parts one answer lists: they travel in a header field."""


@frozen
class Forwarding:
    """Which of the caller's fields a route hands on to services, and by which ``rules`` they change on the way."""

    headers: tuple[bytes, ...] = ()
    cookies: tuple[str, ...] = ()
    rules: HeaderRules | None = None


OFFER_KEY = "bff.offer"
"""In the scope of a request that offers WebSocket; its headers no longer say so."""

NO_FORWARDING = Forwarding()
NO_REASON: Mapping[str, Any] = MappingProxyType({})
"""Nothing is told of why a part is missing."""


@dataclass(slots=True)
class Incoming:
    """The HTTP side of an invocation, as the gateway hands it in."""

    scope: MutableMapping[str, Any]
    receive: Any
    path_params: Mapping[str, str]
    max_body: int
    forwarding: Forwarding = NO_FORWARDING
    unfolder: Unfolder | None = None  # who can send a page's parts as they come
    forms: FormLimits = FORM_LIMITS
    # A memo: the body once it was read, and the Starlette request once somebody asked for it.
    _body: bytes | None = field(default=None, init=False)
    _is_whole: bool = field(default=False, init=False)
    awaits_body: bool = field(default=False, init=False)  # whether it is the caller we wait for
    _request: BoundedRequest | None = field(default=None, init=False)

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            BodyTooLarge: it announces or brings more than ``max_body`` bytes.

        """
        if self._body is None:
            self._body = await self._read() if self._request is None else await self._request.body()
        return self._body

    async def _read(self) -> bytes:
        self.refuse_announced_excess()
        message = await self.hear()
        chunk: bytes = message.get("body", b"")
        if not message.get("more_body", False) and len(chunk) <= self.max_body:
            self.raise_if_left(message)
            return chunk
        chunks, total = [chunk], len(chunk)
        while message.get("more_body", False):
            if total > self.max_body:
                raise BodyTooLarge(self.max_body)
            message = await self.hear()
            self.raise_if_left(message)
            chunks.append(message.get("body", b""))
            total += len(chunks[-1])
        if total > self.max_body:
            raise BodyTooLarge(self.max_body)
        return b"".join(chunks)

    async def hear(self) -> MutableMapping[str, Any]:
        """The next message of the caller's; who is cancelled meanwhile was waiting for its body."""
        self.awaits_body = not self._is_whole
        message: MutableMapping[str, Any] = await self.receive()
        self.awaits_body = False
        self._is_whole = not message.get("more_body", False)
        return message

    @staticmethod
    def raise_if_left(message: Mapping[str, Any]) -> None:
        """Turn the server's word that the caller is gone into an error."""
        if message["type"] == "http.disconnect":
            from bff.errors import CallerLeft

            raise CallerLeft

    def refuse_announced_excess(self) -> None:
        """Refuse by Content-Length, before a byte was read or asked for by 100 Continue."""
        for name, value in self.scope["headers"]:
            if name == b"content-length" and int(value) > self.max_body:
                raise BodyTooLarge(self.max_body)

    async def close(self) -> None:
        """Let go of uploaded files, if a form was read."""
        if self._request is not None:
            await self._request.close()

    def forget(self) -> None:
        """Let go of what was read, once everybody has been told how the call ended, and of who sends the answer, who
        knows this invocation: a circle would wait for the collector, and with it all that the call held.
        """
        self._body = self._request = self.unfolder = None

    @property
    def read(self) -> bytes | None:
        """The body, if it was read whole."""
        return self._body

    @property
    def was_seen_whole(self) -> bool:
        """Whether the function took the raw request, and may know every field of it."""
        return self._request is not None

    @property
    def request(self) -> BoundedRequest:
        """The raw Starlette request, with the same limit on its body."""
        if self._request is None:
            from bff.sdk.request import BoundedRequest

            self._request = BoundedRequest(self.scope, self.hear, incoming=self, body=self._body)
        return self._request


class Invocation(Signal):
    """One call: a request now, an event later. Emitted as a signal once it has ended.

    Everything here may change until then; it belongs to one task. ``cohort`` is set for a call
    that a release counts, ``lane`` is the label its service calls carry, and ``carrier`` how.
    """

    # Defaults live on the class: most invocations never touch these, and making one is on the hot path. Those that
    # everybody asks for are set all the same: what lives on the class is found at three times the cost.
    route = ""
    function = ""
    revision = ""
    cohort: Cohort | None = None
    lane = ""
    carrier = BAGGAGE
    client = ""
    status = 0
    ended = 0.0
    queued = 0.0  # since when it waited for a warm-up or a place; 0 where it did not have to
    warmed = 0.0  # when the instance it waited for was warm
    began = 0.0  # when the handler began; 0 where none ran
    returned = 0.0  # when the handler had returned what was then encoded; 0 where that is not known
    handler_seconds = 0.0
    calls_dropped = 0
    left = False
    answered: bytes | None = None  # the body of an answer that was sent whole
    error: BaseException | None
    event: Any = None
    outbox: list[Any] | None = None  # events that are stored with the end of the delivery it works on
    incoming: Incoming | None = None
    caller: Caller
    phases: Mapping[str, float] | None
    calls: list[CallRecord] | None
    missing: list[str] | None
    batches: dict[Any, Any] | None = None  # the open ones of bff.sdk.batch
    memo: dict[Any, Any] | None = None  # the GETs of bff.services.memo
    introduction: Any = None  # that of bff.services.introduction, once made
    parts: Any = None  # what services said of caching, for the answer made of it
    memoizes = True
    page: Page | None = None  # what the handler declares to return
    varies = False  # whether another Accept would have had another answer
    kept = ""  # what became of it in the store, on such a route: hit, collapsed, or why it went on
    shelf: Any = None  # its way through the store, on a route with a cache section
    reasons: Mapping[str, Mapping[str, Any]] = NO_REASON
    deadline: Deadline
    known_trace: trace.TraceContext | None = None  # once somebody has asked for it
    known_span = ""  # the same
    labels: Any = None  # what telemetry knows of all that are like it; the same
    may_tell_of_a_trace = (
        True  # whether it has fields that may, whatever their format; False once somebody has looked
    )

    def __init__(
        self,
        request_id: str,
        method: str,
        clock: Clock,
        started: float,
        traceparent: bytes | None = None,
        origin: trace.Origin = trace.UNSAMPLED,
    ) -> None:
        self.request_id = request_id
        self.method = method
        self.clock = clock
        self.started = started
        self.traceparent = traceparent
        self.origin = origin
        self.error = self.calls = self.missing = self.phases = None
        self.caller = NOBODY

    @property
    def trace(self) -> trace.TraceContext:
        """The trace this belongs to: the caller's when it sent a valid one, else begun here."""
        if self.known_trace is None:
            if not self.may_tell_of_a_trace:
                self.known_trace = trace.begin(self.origin.share, self.origin.writes)
                return self.known_trace
            fields = () if self.incoming is None else self.incoming.scope["headers"]
            self.known_trace = self.origin.of(self.traceparent, fields)
        return self.known_trace

    @property
    def span_id(self) -> str:
        """The span that this invocation is in its trace."""
        if not self.known_span:
            self.known_span = trace.new_span_id()
        return self.known_span

    @property
    def complete(self) -> bool:
        """Whether every part of the answer came."""
        return not self.missing

    @property
    def fault(self) -> Fault | None:
        """Whose fault a failure was; None when there was none."""
        if self.error is None:
            return None
        return getattr(self.error, "fault", Fault.FUNCTION)

    @property
    def flags(self) -> str:
        """Envoy's response flags of its service calls, each once; its own failure's, such as RL of a limit at the
        door; and DC where the caller left.
        """
        calls = self.calls or ()
        found = [flag for call in calls if call.flags for flag in call.flags.split(",")]
        if self.error is not None and (own := getattr(self.error, "flag", "")):
            found.append(own)
        return ",".join(dict.fromkeys([*found, "DC"] if self.left else found))

    def remaining(self) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return self.deadline.at - self.clock.now()

    def mark_missing(self, part: str, reason: Mapping[str, Any] = NO_REASON) -> None:
        """Say that the answer goes out without this part; ``reason`` is for who reads the answer: no secrets."""
        if self.missing is None:
            self.missing, self.reasons = [], {}
        if part not in self.missing and len(self.missing) < MAX_MISSING:
            self.missing.append(part)
            if reason:
                self.reasons = {**self.reasons, part: reason}

    def open_call(
        self, service: str, method: str, path: str, now: float | None = None, until: float = float("inf")
    ) -> CallRecord:
        """Begin the record of a service call; ``now`` is the clock's, where its caller has just asked."""
        record = CallRecord(service, method, path, self.clock.now() if now is None else now)
        record.until = until
        if self.calls is None:
            self.calls = []
        if len(self.calls) < MAX_CALLS:
            self.calls.append(record)
        else:
            self.calls_dropped += 1
        return record

    def waiting_for(self) -> tuple[str, ...]:
        """Services whose answers are still out, or were when time ran out and cancelled them."""
        if not self.calls:
            return ()
        ran_out = self.deadline.of_calls - TIMER_ERROR
        return tuple(
            dict.fromkeys(call.service for call in self.calls if call.ended is None or call.ended >= ran_out)
        )

    def too_late(self) -> BffError:
        """What went wrong when its time ran out: whose turn it was."""
        allowed = self.deadline.allowed
        if self.incoming is not None and self.incoming.awaits_body:
            return BodyTimedOut(allowed, in_all=True)
        return DeadlineExceeded(allowed=allowed, waiting_for=self.waiting_for())

    def __repr__(self) -> str:
        return (
            f"<Invocation {self.request_id} of {self.revision or self.function}: {self.status or 'running'}>"
        )


current: ContextVar[Invocation] = ContextVar("bff_invocation")
"""The invocation this task works for. Set by the invoker; read by ``optional`` for parts that are no calls."""
