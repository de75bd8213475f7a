"""GETs that need not reach the network: answered from the invocation's memo, from the store, or by the flight of
somebody who asks for the same. The layers of a service call from the outside in, down to the wire.

What may be shared with whom is decided here by the key: method, URL, and every field derived from a caller's
that is really sent. Who asks (trace, request id, address) is no part of it; an answer that says ``Vary`` on
those is given to nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlencode

import httpx
from cachetools import LRUCache

from bff.clock import Clock, Expiry
from bff.config import ServiceConfig
from bff.sdk.call import SendOptions
from bff.sdk.failures import ServiceConnectionLost, ServiceError, ServiceUnreachable
from bff.sdk.invocation import CallRecord, Invocation
from bff.services import directives, memo, replies
from bff.services.cache import Asked, Cache, Found, Whole
from bff.services.coalesce import Flight, Flights
from bff.services.fields import Pair, joined, members
from bff.services.freshness import Policy, policy_of
from bff.services.response import ServiceResponse
from bff.services.stored import ANONYMOUS, Key, Stored, selecting
from bff.services.validators import CONDITIONS

SHARED = frozenset({"GET", "HEAD"})
NOT_IN_KEY = frozenset(name.decode() for name in CONDITIONS) | {"range", "cache-control", "pragma"}
"""Fields of a request that say how it may be answered, not what is asked for."""

_IDENTITY = frozenset({b"traceparent", b"x-request-id", b"x-forwarded-for"})
_MOST_UNSHARED = 1024

Exchange = Callable[[Mapping[str, str]], Awaitable[ServiceResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One GET or HEAD: its URL, the fields it is sent with, those of them that came from a caller, and how to
    send it.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    caller: Mapping[str, str]
    exchange: Exchange
    ask: replies.Ask

    @property
    def flight_key(self) -> Hashable:
        """What must be the same to share a flight."""
        return (self.method, self.url, tuple(self.caller.items()) if self.caller else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What a flight brings: a response, how the store took part, and what its request was like."""

    response: ServiceResponse
    sent: Mapping[str, str]
    cached: str = ""


class Sharing:
    """Of one service. Mutable state: ``_flights``, ``_refreshing`` and ``_unshared`` (what turned out to be for
    one caller only, and is not waited for again).
    """

    METHODS = SHARED

    def __init__(
        self, name: str, config: ServiceConfig, *, own: Mapping[str, str], cache: Cache | None, clock: Clock
    ) -> None:
        self._name = name
        self._base = config.url.rstrip("/")
        self._own = own
        self._timeout = config.timeout
        self._coalesces = config.coalesce
        self._policy = None if config.cache is None or cache is None else policy_of(config.cache)
        self._cache = cache
        self._clock = clock
        self._flights: Flights[Landed] = Flights()
        self._refreshing: Flights[Landed] = Flights()
        self._unshared: LRUCache[Hashable, bool] = LRUCache(_MOST_UNSHARED)

    def question(
        self,
        method: str,
        path: str,
        options: SendOptions,
        headers: Mapping[str, str],
        caller: Mapping[str, str],
        exchange: Exchange,
    ) -> Question:
        """A call as it is looked up. What routes.yaml itself sends is the same for everybody."""
        if caller and self._own:
            caller = {name: value for name, value in caller.items() if name not in self._own}
        url = self._url(path, options)
        return Question(
            method=method,
            url=url,
            headers=headers,
            caller=caller,
            exchange=exchange,
            ask=partial(_request, method, url, headers),
        )

    def _url(self, path: str, options: SendOptions) -> str:
        params = options.get("params")
        if params is None:
            return self._base + path
        query = urlencode(httpx.QueryParams(params).multi_items())
        return self._base + path.partition("?")[0] + (f"?{query}" if query else "")

    async def answer(self, question: Question, invocation: Invocation, record: CallRecord) -> ServiceResponse:
        """The answer, from wherever it may come.

        Raises:
            ServiceError: none came.

        """
        key = question.flight_key
        flight = memo.recalled(invocation, self._name, key) if self._coalesces else None
        if flight is not None and not _wants_news(question):
            record.coalesced = True
            return replies.twin_of((await self._landing(flight)).response, ask=question.ask)
        asked, found = None, Found(why="bypass")
        if self._policy is not None and self._cache is not None:
            asked = self._asked(question, self._policy)
            found = self._cache.look(asked)
            if (answered := self._from_store(self._cache, asked, found, question, record)) is not None:
                return answered
        return await self._together(key, question, asked, found, invocation, record)

    def _from_store(
        self, cache: Cache, asked: Asked, found: Found, question: Question, record: CallRecord
    ) -> ServiceResponse | None:
        if found.is_hit and found.stored is not None:
            record.cached = "hit" if cache.ttl(found.stored) > 0 else "stale"
            if found.refreshes:
                self._refresh(cache, asked, found.stored, question)
            return self._made(cache.answer(found.stored, asked), question)
        if found.is_forbidden:
            return self._made(Whole(status=504, fields=((b"content-length", b"0"),)), question)
        return None

    async def _together(
        self,
        key: Hashable,
        question: Question,
        asked: Asked | None,
        found: Found,
        invocation: Invocation,
        record: CallRecord,
    ) -> ServiceResponse:
        """By a flight: somebody else's that may be shared, or one of our own."""
        if not self._coalesces or key in self._unshared:
            return await self._alone(key, question, asked, found, record)
        flight = self._flights.find(key)
        is_mine = flight is None
        if flight is None:
            flight = self._flights.begin(key, self._fetch(question, asked, found))
            memo.remember(invocation, self._name, key, flight)
        landed = await self._landing(flight)
        if is_mine:
            record.cached = landed.cached
            return landed.response
        if not _may_be_shared(landed, question):
            self._unshared[key] = True  # the next ones need not wait in vain
            return await self._alone(key, question, asked, found, record)
        record.cached, record.coalesced = landed.cached, True
        memo.remember(invocation, self._name, key, flight)
        return replies.twin_of(landed.response, ask=question.ask)

    async def _alone(
        self, key: Hashable, question: Question, asked: Asked | None, found: Found, record: CallRecord
    ) -> ServiceResponse:
        landed = await self._fetch(question, asked, found)
        if key in self._unshared and not _is_for_one(replies.fields_of(landed.response)):
            del self._unshared[key]
        record.cached = landed.cached
        return landed.response

    async def _landing(self, flight: Flight[Landed]) -> Landed:
        try:
            return await flight.wait()
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if flight.is_abandoned and waiter is not None and not waiter.cancelling():
                raise ServiceConnectionLost(self._name, "was closed") from None
            raise

    async def _fetch(self, question: Question, asked: Asked | None, found: Found) -> Landed:
        """One exchange, within the service's time."""
        with Expiry(self._clock, self._clock.now() + self._timeout):
            if asked is None or self._cache is None:
                return Landed(response=await question.exchange(question.headers), sent=question.headers)
            return await self._fetch_for_store(self._cache, asked, found, question)

    async def _fetch_for_store(self, cache: Cache, asked: Asked, found: Found, question: Question) -> Landed:
        began = self._clock.now()
        headers = _under(found.conditions, question.headers)
        try:
            response = await question.exchange(headers)
        except (ServiceUnreachable, ServiceConnectionLost):
            stand_in = cache.failed(asked, found)
            if stand_in is None:
                raise
            return self._stale(cache, stand_in, asked, question)
        whole = replies.whole_of(response)
        received = cache.received(whole.status, whole.fields, began)
        verdict = cache.heard(asked, found, received)
        if verdict.again:
            return await self._fetch_for_store(cache, asked, Found(why=found.why), question)
        if verdict.stored is not None and verdict.is_stale:
            return self._stale(cache, verdict.stored, asked, question)
        if verdict.stored is not None:
            made = self._made(cache.answer(verdict.stored, asked), question)
            return Landed(response=made, sent=question.headers, cached="revalidated")
        if verdict.keeps:
            cache.keep(asked, received, whole.body)
        return Landed(response=response, sent=question.headers)

    def _stale(self, cache: Cache, stored: Stored, asked: Asked, question: Question) -> Landed:
        made = self._made(cache.answer(stored, asked), question)
        return Landed(response=made, sent=question.headers, cached="stale")

    def _made(self, whole: Whole, question: Question) -> ServiceResponse:
        return replies.response_of(whole, service=self._name, ask=question.ask)

    def _asked(self, question: Question, policy: Policy) -> Asked:
        caller = {name: value for name, value in question.caller.items() if name not in NOT_IN_KEY}
        key = Key(
            space=f"service {self._name}",
            url=question.url,
            subject=ANONYMOUS,
            caller=tuple(sorted(caller.items())),
        )
        fields = [(name.encode(), value.encode("latin-1")) for name, value in question.headers.items()]
        return Asked.read(
            question.method, key, fields, policy, is_authorized="authorization" in question.caller
        )

    def _refresh(self, cache: Cache, asked: Asked, stored: Stored, question: Question) -> None:
        """Fetch a new one for an entry that names no caller, as a task of nobody's but ours."""
        if self._refreshing.find(asked.key) is not None:
            return
        headers = {name: value for name, value in question.headers.items() if name.encode() not in _IDENTITY}
        alone = replace(question, headers=headers, method="GET")
        anew = replace(asked, method="GET", directives=directives.NOTHING_SAID)
        conditions = cache.conditions(stored)
        self._refreshing.begin(
            asked.key, self._refreshed(alone, anew, Found(stored=stored, conditions=conditions, why="stale"))
        )

    async def _refreshed(self, question: Question, asked: Asked, found: Found) -> Landed:
        try:
            return await self._fetch(question, asked, found)
        except (ServiceError, TimeoutError):
            # The stale one goes on as long as it may, and whoever comes next tries again.
            return Landed(response=self._made(Whole(status=504, fields=()), question), sent=question.headers)

    async def change(
        self,
        method: str,
        path: str,
        options: SendOptions,
        invocation: Invocation,
        exchange: Awaitable[ServiceResponse],
    ) -> ServiceResponse:
        """A call that may change something: what was read before is asked for anew, what is kept of its URL is
        dropped once it went well.
        """
        memo.forget(invocation, self._name)
        response = await exchange
        if self._cache is not None and self._policy is not None:
            asked = Asked(method=method, key=Key(space="", url=self._url(path, options)), fields=())
            fields = replies.fields_of(response)
            received = self._cache.received(response.status_code, fields, self._clock.now())
            self._cache.heard(asked, Found(why="method"), received)
        return response

    async def aclose(self) -> None:
        """End what is under way."""
        await self._flights.close()
        await self._refreshing.close()


def _request(method: str, url: str, headers: Mapping[str, str]) -> httpx.Request:
    return httpx.Request(method, url, headers=httpx.Headers(dict(headers), encoding="latin-1"))


def _wants_news(question: Question) -> bool:
    """Whether the function itself asks for an answer that nothing older replaces."""
    said = question.caller.get("cache-control", "") if question.caller else ""
    return "no-cache" in said or "no-store" in said or "max-age=0" in said


def _under(conditions: tuple[Pair, ...], headers: Mapping[str, str]) -> Mapping[str, str]:
    if not conditions:
        return headers
    kept = {name: value for name, value in headers.items() if name not in NOT_IN_KEY}
    return kept | {name.decode(): value.decode("latin-1") for name, value in conditions}


def _is_for_one(fields: list[Pair]) -> bool:
    """Whether an answer is for the one who asked (RFC 9111 §4, on collapsing)."""
    said = directives.of_answer(fields)
    if said.no_store or said.private or any(name == b"set-cookie" for name, _ in fields):
        return True
    return not _IDENTITY.isdisjoint(varying := members(joined(fields, b"vary") or b"")) or b"*" in varying


def _may_be_shared(landed: Landed, question: Question) -> bool:
    """Whether it answers this question too: it is for everybody, and varies by nothing that differs."""
    fields = replies.fields_of(landed.response)
    if _is_for_one(fields):
        return False
    names = members(joined(fields, b"vary") or b"")
    return all(_sent(landed.sent, name) == _sent(question.headers, name) for name in names)


def _sent(headers: Mapping[str, str], name: bytes) -> bytes | None:
    value = headers.get(name.decode("latin-1"))
    return None if value is None else selecting([(name, value.encode("latin-1"))], name)
