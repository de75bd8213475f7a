"""The fast path of one service: a plain GET for which all is well is written at once, and nothing of it runs until its
answer is there.

All is well: there is an endpoint with a closed breaker and an idle connection, a place, and time. What the layers
would do for such a call is little and known before, so it is done here, in one go, out of parts made when the layers were
laid. Whatever departs from it (another status, a failure, the deadline, a cancellation) is theirs: they go on from
the request that is under way, as if they had sent it (:class:`Underway`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from bff.clock import Clock, Ringing
from bff.sdk.begun import Begun
from bff.sdk.call import Call, SendOptions
from bff.sdk.callrecord import CallRecord
from bff.sdk.invocation import TIMER_ERROR, Invocation
from bff.services import http1
from bff.services.budget import RetryBudget
from bff.services.bulkhead import Bulkhead
from bff.services.composed import SILENT
from bff.services.composing import DEFAULTS, MAX_TARGET, Composer, with_query
from bff.services.connection import Answer, Connection
from bff.services.connections import Outgoing
from bff.services.endpoints import EndpointSet, Member
from bff.services.introduction import NOBODY, OF_THE_CALL, Introduction, introduce
from bff.services.joinedcall import JoinedCall
from bff.services.paths import is_plain
from bff.services.question import Landed
from bff.services.response import ServiceResponse
from bff.services.wire import OwnWire
from bff.trace import new_span_id

if TYPE_CHECKING:
    from bff.services.client import ServiceClient
    from bff.services.coalesce import Flight
    from bff.services.following import Surroundings
    from bff.services.sharing import Sharing
    from bff.services.ways import Ways

METHODS = frozenset({"GET", "HEAD"})


@dataclass(slots=True, kw_only=True)
class Underway:
    """A request that was sent already, as the layers find it: where, under which ``epoch`` of the breaker, with which
    ``headers``, and the ``answer`` to come; the ``flight`` that it is, if others may join. Its place is taken, and its endpoint counts it.
    """

    headers: Mapping[str, str]
    member: Member
    epoch: int
    outgoing: Outgoing
    connection: Connection
    answer: asyncio.Future[Answer]
    flight: Flight[Landed] | None


class FastPath:
    """Of one service. Immutable; what changes is its layers'."""

    def __init__(
        self,
        client: ServiceClient,
        *,
        own: Mapping[str, str],
        sharing: Sharing | None,
        endpoints: EndpointSet,
        places: Bulkhead,
        budget: RetryBudget,
        composer: Composer,
        clock: Clock,
        timeout_header: str,
        max_answer: int,
    ) -> None:
        self.client = client
        self.clock = clock
        self.sharing = sharing
        self._endpoints = endpoints
        self._places = places
        self.max_answer = max_answer
        self._budget = budget
        self._composer = composer
        self._timeout = client.config.timeout
        self._url = client.config.url.rstrip("/")
        self._prefix, self._end = composer.prefix, composer.end_without(own)
        self._own = http1.text_lines(own)
        self._milliseconds = f"{timeout_header}: "
        self._written_here = own.keys() | {timeout_header}
        self._of_connections = frozenset({*DEFAULTS, "host", timeout_header}) - own.keys()

    async def layers(
        self, call: Call[Any], invocation: Invocation, record: CallRecord, options: SendOptions
    ) -> Any:
        """What a call gives that was begun here and does not end here: they go on from where it stands."""
        response = await self.client.go_on(invocation, record.method, record.path, options, record)
        return call.taken(response)

    def begin(
        self, call: Call[Any], invocation: Invocation, method: str, path: str, options: SendOptions
    ) -> FastCall | JoinedCall | None:
        """See :class:`bff.sdk.begun.Begins`."""
        now = self.clock.now()
        allowed = invocation.deadline.of_calls - now
        target = _with_query(path, options) if options else path
        if allowed < TIMER_ERROR or method not in METHODS or not is_plain(target):
            return None
        if len(target) > MAX_TARGET:  # which the call will be told
            return None
        who = invocation.introduction or introduce(invocation)
        if who is NOBODY or (who.names and not self._written_here.isdisjoint(who.names)):
            return None
        until = now + (self._timeout if allowed > self._timeout else allowed)
        sharing, key = self.sharing, None
        if sharing is not None:
            # As questions have it, see flight_key.
            is_short = not options and not who.caller
            key = (method, path) if is_short else (method, self._url + target, who.caller)
            if not sharing.is_simple(invocation, key):
                return None
            flight = sharing.find(key)
            if flight is not None:
                record = invocation.open_call(self.client.name, method, path, now, until)
                return JoinedCall(self, sharing, flight, call, invocation, options, record, who, target)
        member = self._ready(now)
        if member is None:
            return None
        record = invocation.open_call(self.client.name, method, path, now, until)
        flight = None if sharing is None else sharing.lead(invocation, key)
        span = record.span_id = new_span_id()
        head = self._head(method, target, who, span, until - now)
        return FastCall(self, call, invocation, options, record, member, head, flight)

    def _ready(self, now: float) -> Member | None:
        """An endpoint with a connection at hand, its place taken; None, and nothing is taken."""
        member = self._endpoints.undisturbed(now)
        if member is None or self._places.inside >= self._places.most:
            return None
        if type(member.wire) is not OwnWire or not member.wire.connections.has_idle(now):
            return None
        self._places.inside += 1
        self._budget.deposit(now)
        member.active += 1
        return member

    def _head(self, method: str, target: str, who: Introduction, span: str, allowed: float) -> bytes:
        return (
            f"{method} {self._prefix}{target}{self._end}{who.before}{span}{who.after}{self._own}"
            f"{self._milliseconds}{int(1000 * allowed) or 1}\r\n\r\n"
        ).encode("latin-1")

    def asked(self, method: str, target: str, who: Introduction) -> httpx.Request:
        """What is asked of whoever has asked already, as httpx has it: without what a connection would add."""
        fields = http1.texts_of(self._head(method, target, who, new_span_id(), self._timeout))
        asked = {name: value for name, value in fields.items() if name not in self._of_connections}
        return httpx.Request(method, self._url + target, headers=httpx.Headers(asked, encoding="latin-1"))

    def ended(self, member: Member) -> None:
        """One has its answer."""
        self._places.inside -= 1
        self._endpoints.left(member)

    def request(self, head: bytes) -> httpx.Request:
        """What was sent, as httpx has it."""
        return self._composer.request_of(head)


NOBODY_TOLD: Callable[[Begun], object] = lambda _: None  # noqa: E731


class FastCall(Ringing):
    """See :class:`bff.sdk.begun.Begun`; it is also what its connection gives the answer to, and what rings when its
    time is over.

    Mutable state: ``told``, ``has_ended``, ``_value`` then; ``_answer``, where the layers find theirs.
    """

    __slots__ = (
        "_answer", "_call", "_connection", "_context", "_epoch", "_flight", "_head", "_invocation", "_member", "_options",
        "_path", "_record", "_value", "_wire", "has_ended", "told",
    )  # fmt: skip

    def __init__(
        self,
        path: FastPath,
        call: Call[Any],
        invocation: Invocation,
        options: SendOptions,
        record: CallRecord,
        member: Member,
        head: bytes,
        flight: Flight[Landed] | None,
    ) -> None:
        self._path = path
        self._call = call
        self._invocation = invocation
        self._options = options
        self._record = record
        self._member = member
        wire = member.wire
        assert isinstance(wire, OwnWire)
        self._wire: OwnWire = wire
        self._epoch = member.breaker.epoch
        self._head = head
        self._flight = flight
        self._context: Context | None = copy_context() if call.reads else None
        self._answer: asyncio.Future[Answer] | None = None
        self.has_ended = False
        self.told = NOBODY_TOLD
        self._connection = connection = wire.connections.pop_idle()
        connection.ask_for(self, head, is_head=record.method == "HEAD", limit=path.max_answer)
        path.clock.set(self, record.until)

    def result(self) -> Any:
        """See :class:`bff.sdk.begun.Begun`."""
        return self._value

    # What the connection tells.

    def done(self) -> bool:
        """See :class:`bff.services.connection.Taker`."""
        return False

    def set_result(self, answer: Answer) -> None:
        """The answer is whole: end with it, or leave it to the layers."""
        ends = 200 <= answer.status < 300 and self._member.breaker.is_spotless
        if ends:
            try:
                self._end(answer)
            except BaseException:
                # The layers, and then the call, fail in the same way, where somebody hears of it; and not while this is
                # handled, which would be the context of theirs.
                ends = False
        if ends:
            self.told(self)
        else:
            self._depart(answer)

    def set_exception(self, error: Exception) -> None:
        """There is no answer."""
        future = self._connection.future()
        future.set_exception(error)
        self._leave(future)

    def ring(self) -> None:
        """Its time is over, which the layers will find, too."""
        self._leave(self._connection.still_asked(self))

    # How it ends.

    def _end(self, answer: Answer) -> None:
        """As it mostly does. Until it is clear that nothing is wrong, nothing is changed."""
        path, record, body, found = self._path, self._record, answer.body, answer.found
        size = len(body)
        if found.is_encoded:
            body = self._wire.plain(answer)
        response = ServiceResponse.of(
            answer.status, answer.head, body, service=record.service, ask=partial(path.request, self._head)
        )
        response.is_silent = found.is_silent
        ended = path.clock.now()
        response.took(ended - record.started)
        call, context = self._call, self._context
        if context is not None:
            self._value = context.run(call.taken, response)
        else:
            self._value = response if call.is_given else call.taken(response)
        if not found.is_silent or self._invocation.parts is not SILENT:
            path.client.note(self._invocation, response, record, self._options)
        self.company.pop(self, None)
        record.status, record.ended, record.bytes_in = answer.status, ended, size
        record.attempts, record.sent, record.endpoint = (
            1,
            record.started,
            self._wire.connections.endpoint,
        )
        self.has_ended = True
        flight, self._flight = self._flight, None
        if flight is not None and path.sharing is not None:
            path.sharing.landed(flight, Landed(response, self._head))
        path.ended(self._member)

    def _depart(self, answer: Answer) -> None:
        future = self._connection.future()
        future.set_result(answer)
        self._leave(future)

    def _leave(self, answer: asyncio.Future[Answer] | None) -> None:
        self.company.pop(self, None)
        self._answer = answer
        self.told(self)

    def rest(self) -> Coroutine[Any, Any, Any]:
        """See :class:`bff.sdk.begun.Begun`."""
        self.company.pop(self, None)
        answer = self._answer or self._connection.still_asked(self)
        assert answer is not None
        record = self._record
        outgoing = Outgoing(self._head, is_head=record.method == "HEAD", is_replayable=True)
        outgoing.limit, outgoing.attempts, outgoing.sent = self._path.max_answer, 1, record.started
        outgoing.flight = self._flight
        record.underway = Underway(
            headers=http1.texts_of(self._head),
            member=self._member,
            epoch=self._epoch,
            outgoing=outgoing,
            connection=self._connection,
            answer=answer,
            flight=self._flight,
        )
        return self._path.layers(self._call, self._invocation, self._record, self._options)

    def __repr__(self) -> str:
        state = "ended" if self.has_ended else "under way" if self._answer is None else "left to the layers"
        return f"<FastCall {self._record.method} {self._record.path} to {self._record.service}: {state}>"


def fast_path_of(
    client: ServiceClient,
    ways: Ways,
    sharing: Sharing | None,
    around: Surroundings,
    *,
    clock: Clock,
    max_answer: int,
) -> FastPath | None:
    """The fast path of a service; None where a layer has something to do for every call, or its calls are not ours to
    write.
    """
    config, own = client.config, client.own_headers
    if sharing is not None and not sharing.is_plain:
        return None
    if (
        config.faults
        or around.heeds_fault_header
        or client.request_rules is not None
        or ways.wire.ends_attempts
    ):
        return None
    if not OF_THE_CALL.isdisjoint(own) or around.timeout_header in own:
        return None
    try:
        return FastPath(
            client,
            own=own,
            sharing=sharing,
            endpoints=ways.endpoints,
            places=ways.places,
            budget=ways.budget,
            composer=Composer(config.url),
            clock=clock,
            timeout_header=around.timeout_header,
            max_answer=max_answer,
        )
    except http1.NotHttp:  # which every call will be told
        return None


def _with_query(path: str, options: SendOptions) -> str:
    """The path with its parameters; "", which is no plain one, where they cannot be written, or the path is none even
    without the query whose place they take.
    """
    if not is_plain(path):
        return ""
    try:
        return with_query(path, options["params"])
    except Exception:
        return ""
