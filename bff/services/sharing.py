"""GETs that need not reach the network: answered from the invocation's memo, from the store, or by the flight of
somebody who asks for the same. The layers of a service call from the outside in, down to the wire.

What may be shared with whom is decided here by the key: method, URL, and every field derived from a caller's
that is really sent. Who asks (trace, request id, address) is no part of it; an answer that says ``Vary`` on
those is given to nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial

import httpx

from bff.clock import Clock, Expiry
from bff.config import ServiceConfig
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import NothingKept, ServiceConnectionLost, ServiceTimedOut
from bff.sdk.invocation import Invocation
from bff.services import directives, memo, replies
from bff.services.cache import Cache
from bff.services.coalesce import Flight, Flights
from bff.services.fields import READING, SAFE, Pair, listed
from bff.services.keeping import Keeping
from bff.services.question import Landed, Question
from bff.services.response import ServiceResponse
from bff.services.stored import selecting
from bff.services.varying import ANYTHING, IDENTITY

_MOST_UNSHARED = 1024
_NEWS = ("no-cache", "no-store", "max-age=0")


class Sharing:
    """Of one service. Mutable state: ``_flights``, and ``_unshared``: what turned out to be for one caller only,
    and is not waited for again.
    """

    METHODS = READING

    def __init__(
        self,
        name: str,
        config: ServiceConfig,
        *,
        own: Mapping[str, str],
        cache: Cache | None,
        clock: Clock,
        space: str,
    ) -> None:
        self._name = name
        self._timeout = config.timeout
        self._coalesces = config.coalesce
        self._own = own
        self._clock = clock
        self._keeping = Keeping.of(name, config, cache=cache, clock=clock, space=space)
        self._flights: Flights[Landed] = Flights()
        self._unshared: dict[Hashable, None] = {}
        self.is_plain = self._coalesces and self._keeping is None
        """Whether a GET that nobody else asks for goes to the service as it is."""
        self.question = partial(Question, config.url.rstrip("/"))
        """Makes a call as it is passed on here; see :class:`Question`."""

    async def kept(self, question: Question, record: CallRecord, within: float) -> ServiceResponse:
        """What the store has, until ``within`` seconds after its freshness; nobody is asked.

        Raises:
            NothingKept: it has nothing, or nothing that may be used.

        """
        if self._keeping is not None and question.method in READING:
            if question.caller and self._own:
                question.leave_out(self._own)
            asked = {"cache-control": f"only-if-cached, max-stale={max(0, int(within))}"}
            asking = question.with_headers({**question.headers, **asked}, until=record.until)
            response = self._keeping.from_store(asking, record)
            if response is not None and record.cached:
                return response
        raise NothingKept(self._name)

    async def answer(self, question: Question, invocation: Invocation, record: CallRecord) -> ServiceResponse:
        """The answer, from wherever it may come.

        Raises:
            ServiceError: none came.

        """
        underway = record.underway
        if underway is not None:
            return await self._led(underway.flight, question, record)
        if question.caller and self._own:  # what routes.yaml itself sends is the same for everybody
            question.leave_out(self._own)
        key = question.flight_key()
        flight = self._recalled(key, question, invocation)
        if flight is not None:
            return await self._remembered(flight, question, record)
        if self._keeping is not None:
            response = self._keeping.from_store(question, record)
            if response is not None:
                return response
        if not self._coalesces:
            return await self._apart(question, record)
        flight, record.joined = record.joined, None
        if flight is None and key not in self._unshared:
            flight = self._flights.find(key)
        if flight is not None:
            response = await self._followed(flight, key, question, invocation, record)
            if response is not None:
                return response
        flight = self._begun(key)
        memo.remember(invocation, self._name, key, flight)
        return await self._led(flight, question, record)

    async def _led(self, flight: Flight[Landed], question: Question, record: CallRecord) -> ServiceResponse:
        """By a flight of our own."""
        record.flight = flight
        try:
            landed = await self._fetch(question)
        except BaseException as failure:
            self._flights.failed(flight, failure, partial(self._carried_on, flight, question))
            raise
        finally:
            record.flight = None
        self.landed(flight, landed)
        record.cached = landed.cached
        return landed.response

    def is_simple(self, invocation: Invocation, key: Hashable) -> bool:
        """Whether a plain call is answered by a flight, and no other than one it :meth:`find`s or :meth:`lead`s."""
        known = invocation.memo
        return key not in self._unshared and (known is None or (self._name, key) not in known)

    def find(self, key: Hashable) -> Flight[Landed] | None:
        """The flight to join."""
        return self._flights.find(key)

    def shared(
        self, flight: Flight[Landed], invocation: Invocation, ask: Callable[[], httpx.Request]
    ) -> ServiceResponse | None:
        """What a flight has brought for a plain call that has joined it; None where that must be looked at closely."""
        if flight.failure is not None or _varies_by(flight.outcome) != ():
            return None
        memo.remember(invocation, self._name, flight.key, flight)
        return replies.twin_of(flight.outcome.response, ask=ask)

    def lead(self, invocation: Invocation, key: Hashable) -> Flight[Landed]:
        """A flight for a plain call, whose caller sees that it lands, or goes on by :meth:`answer`."""
        flight = self._flights.begin(key)
        memo.remember(invocation, self._name, key, flight)
        return flight

    def landed(self, flight: Flight[Landed], landed: Landed) -> None:
        """Its answer is there, for all who have joined."""
        self._flights.landed(flight, landed)
        if flight.key in self._unshared:
            self._reconsider(flight.key, landed)

    def _recalled(self, key: Hashable, question: Question, invocation: Invocation) -> Flight[Landed] | None:
        """What this page has asked before, unless it wants news."""
        if invocation.memo is None or _wants_news(question):
            return None
        return memo.recalled(invocation, self._name, key)

    async def _remembered(
        self, flight: Flight[Landed], question: Question, record: CallRecord
    ) -> ServiceResponse:
        record.coalesced = True
        return replies.twin_of((await self._landing(flight)).response, ask=question.ask)

    async def _apart(self, question: Question, record: CallRecord) -> ServiceResponse:
        """By a call that nobody joins or remembers."""
        landed = await self._fetch(question)
        record.cached = landed.cached
        return landed.response

    def _begun(self, key: Hashable) -> Flight[Landed]:
        """A flight of our own; what is known to be for one caller only the same page may join (RFC 9111 §6)."""
        return self._flights.begin_sealed(key) if key in self._unshared else self._flights.begin(key)

    def _reconsider(self, key: Hashable, landed: Landed) -> None:
        """It may be for everybody now."""
        if not _is_for_one(replies.fields_of(landed.response)):
            self._unshared.pop(key, None)

    async def _carried_on(self, flight: Flight[Landed], question: Question) -> Landed:
        """Who led is gone, and others wait: what the wire began is finished, or begun again."""
        until = self._clock.now() + self._timeout
        try:
            with Expiry(self._clock, until):
                return await self._fetch(question.carried_on(until, flight.rest))
        except TimeoutError:
            raise ServiceTimedOut(self._name, self._timeout) from None

    async def _followed(
        self,
        flight: Flight[Landed],
        key: Hashable,
        question: Question,
        invocation: Invocation,
        record: CallRecord,
    ) -> ServiceResponse | None:
        """By somebody else's, if its answer turns out to be for us too; else by the call that this page has sent
        meanwhile, if it has.
        """
        landed = await self._landing(flight)
        if not _may_be_shared(landed, question):
            self._remember_unshared(key)
            own = self._recalled(key, question, invocation)
            return None if own is None else await self._remembered(own, question, record)
        record.cached, record.coalesced = landed.cached, True
        memo.remember(invocation, self._name, key, flight)
        return replies.twin_of(landed.response, ask=question.ask)

    def _remember_unshared(self, key: Hashable) -> None:
        """The next ones need not wait in vain."""
        self._unshared.pop(key, None)
        self._unshared[key] = None
        if len(self._unshared) > _MOST_UNSHARED:
            del self._unshared[next(iter(self._unshared))]

    async def _landing(self, flight: Flight[Landed]) -> Landed:
        try:
            return await flight.wait()
        except asyncio.CancelledError:
            if flight.is_abandoned and not _is_told_to_end():
                raise ServiceConnectionLost(self._name, "was closed") from None
            raise

    async def _fetch(self, question: Question) -> Landed:
        """One exchange."""
        if self._keeping is not None:
            return await self._keeping.fetch(question)
        return Landed(await question.exchange(question.headers), question.headers)

    async def send(self, question: Question, invocation: Invocation) -> ServiceResponse:
        """A call that is not shared. One that may change something ends the memo, what is kept of its URL is
        dropped once it went well, and who asks after it joins nobody who asked before.
        """
        if question.method in SAFE:
            return await question.exchange(question.headers)
        memo.forget(invocation, self._name)
        try:
            response = await question.exchange(question.headers)
        finally:
            self._flights.seal()  # also after a failure: it may have had its effect
        if self._keeping is not None:
            self._keeping.heard_change(question, response)
        return response

    async def aclose(self) -> None:
        """End what is under way."""
        await self._flights.close()
        if self._keeping is not None:
            await self._keeping.aclose()


def _is_told_to_end() -> bool:
    """Whether it is the task itself that was cancelled; who kept that in a variable would hold what it ends with."""
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())


def _wants_news(question: Question) -> bool:
    """Whether the function itself asks for an answer that nothing older replaces."""
    if not question.caller:
        return False
    said = question.caller.get("cache-control", "")
    return any(word in said for word in _NEWS)


def _is_for_one(fields: list[Pair]) -> bool:
    """Whether an answer is for the one who asked (RFC 9111 §4, on collapsing)."""
    said = directives.of_answer(fields)
    if said.no_store or said.private or any(name == b"set-cookie" for name, _ in fields):
        return True
    varying = listed(fields, b"vary")
    return ANYTHING in varying or not IDENTITY.isdisjoint(varying)


def _may_be_shared(landed: Landed, question: Question) -> bool:
    """Whether it answers this question too: it is for everybody, and varies by nothing that differs."""
    varies_by = _varies_by(landed)
    if not varies_by:
        return varies_by is not None
    return all(_sent(landed.sent, name) == _sent(question.headers, name) for name in varies_by)


def _varies_by(landed: Landed) -> Sequence[bytes] | None:
    if not landed.is_read:
        fields = replies.fields_of(landed.response)
        landed.varies_by = None if _is_for_one(fields) else tuple(listed(fields, b"vary"))
        landed.is_read = True
    return landed.varies_by


def _sent(headers: Mapping[str, str], name: bytes) -> bytes | None:
    value = headers.get(name.decode("latin-1"))
    return None if value is None else selecting([(name, value.encode("latin-1"))], name)
