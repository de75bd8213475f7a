"""The store below one service's calls: what is kept is looked up, validated, refreshed and dropped here.

RFC 9111's decisions are :class:`bff.services.cache.Cache`'s; this carries them out over the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from bff.clock import Clock, Expiry
from bff.config import ServiceConfig
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import (
    ServiceConnectionLost,
    ServiceError,
    ServiceOverloaded,
    ServiceTimedOut,
    ServiceUnreachable,
)
from bff.services import replies
from bff.services.cache import Asked, Cache, Found, Whole
from bff.services.fields import Pair
from bff.services.freshness import Policy, policy_of
from bff.services.question import Landed, Question
from bff.services.refreshing import Refreshing
from bff.services.response import ServiceResponse
from bff.services.stored import Key, Stored
from bff.services.validators import CONDITIONS
from bff.services.varying import IDENTITY

NOT_IN_KEY = frozenset(name.decode() for name in CONDITIONS) | {"range", "cache-control", "pragma"}
"""Fields of a request that say how it may be answered, not what is asked for."""

_IDENTITY = frozenset(name.decode() for name in IDENTITY)
_NO_ANSWER = (ServiceUnreachable, ServiceConnectionLost, ServiceOverloaded, ServiceTimedOut)

STAND_IN_TIME = 0.01
"""Seconds of a call's time that are left for what stands in for its answer."""

_NOWHERE = ((b"content-length", b"0"),)


class Keeping:
    """Of one service with a ``cache`` section. Mutable state: what is ``_refreshing``."""

    def __init__(
        self, name: str, policy: Policy, *, timeout: float, cache: Cache, clock: Clock, space: str
    ) -> None:
        self._name = name
        self._space = space
        self._policy = policy
        self._timeout = timeout
        self._cache = cache
        self._clock = clock
        self._refreshing = Refreshing()

    @classmethod
    def of(
        cls, name: str, config: ServiceConfig, *, cache: Cache | None, clock: Clock, space: str
    ) -> Keeping | None:
        """What routes.yaml wants for this service."""
        if config.cache is None or cache is None:
            return None
        policy = policy_of(config.cache)
        return cls(name, policy, timeout=config.timeout, cache=cache, clock=clock, space=space)

    def from_store(self, question: Question, record: CallRecord) -> ServiceResponse | None:
        """The answer without asking anybody, where there is one."""
        asked = self._asked(question)
        found = self._cache.look(asked)
        if found.is_hit and found.stored is not None:
            record.cached = "hit" if self._cache.ttl(found.stored) > 0 else "stale"
            if found.refreshes:
                self._refresh(asked, found.stored, question)
            return self._made(self._cache.answer(found.stored, asked), question)
        if found.is_forbidden:
            return self._made(Whole(status=504, fields=_NOWHERE), question)
        return None

    async def fetch(self, question: Question) -> Landed:
        """Ask the service, under the conditions of what is kept, and keep what it says."""
        asked = self._asked(question)
        return await self._fetch(asked, self._cache.look(asked), question)

    async def _fetch(self, asked: Asked, found: Found, question: Question) -> Landed:
        began = self._clock.now()
        headers = _under(found.conditions, question.headers)
        if self._cache.failed(asked, found) is None:
            response = await question.exchange(headers)
        else:
            try:
                response = await self._exchanged_in_time(question, headers)
            except _NO_ANSWER:
                stand_in = self._cache.failed(asked, found)
                if stand_in is None:
                    raise
                return self._served(stand_in, asked, question, "stale")
        whole = replies.whole_of(response)
        received = self._cache.received(whole.status, whole.fields, began)
        verdict = self._cache.heard(asked, found, received)
        if verdict.again:
            return await self._fetch(asked, Found(why=found.why), question)
        if verdict.stored is not None:
            how = "stale" if verdict.is_stale else "revalidated"
            return self._served(verdict.stored, asked, question, how)
        if verdict.keeps:
            self._cache.keep(asked, received, whole.body)
        return Landed(response, question.headers)

    async def _exchanged_in_time(self, question: Question, headers: Mapping[str, str]) -> ServiceResponse:
        """The answer, given up while there is still time for what stands in for it."""
        try:
            with Expiry(self._clock, question.hurry(STAND_IN_TIME)):
                return await question.exchange(headers)
        except TimeoutError:
            question.flag(ServiceTimedOut.flag)
            raise ServiceTimedOut(self._name, self._timeout) from None

    def _served(self, stored: Stored, asked: Asked, question: Question, how: str) -> Landed:
        return Landed(self._made(self._cache.answer(stored, asked), question), question.headers, how)

    def _made(self, whole: Whole, question: Question) -> ServiceResponse:
        return replies.response_of(whole, service=self._name, ask=question.ask)

    def _asked(self, question: Question) -> Asked:
        caller = {name: value for name, value in question.caller.items() if name not in NOT_IN_KEY}
        key = Key(space=self._space, url=question.url, caller=tuple(sorted(caller.items())))
        fields = [(name.encode(), value.encode("latin-1")) for name, value in question.headers.items()]
        is_authorized = "authorization" in question.caller
        return Asked.read(question.method, key, fields, self._policy, is_authorized=is_authorized)

    def _refresh(self, asked: Asked, stored: Stored, question: Question) -> None:
        """Fetch a new one for an entry that names no caller, as a task of nobody's but ours."""
        if asked.key in self._refreshing:
            return
        headers = {name: value for name, value in question.headers.items() if name not in _IDENTITY}
        until = self._clock.now() + self._timeout
        alone = question.with_headers(headers, until=until, method="GET")
        anew = Asked(method="GET", key=asked.key, fields=asked.fields, policy=self._policy)
        found = Found(stored=stored, conditions=self._cache.conditions(stored), why="stale")
        self._refreshing.begin(asked.key, self._refreshed(anew, found, alone, until))

    async def _refreshed(self, asked: Asked, found: Found, question: Question, until: float) -> None:
        # After a failure the stale one goes on as long as it may, and whoever comes next tries again.
        with suppress(ServiceError, TimeoutError), Expiry(self._clock, until):
            await self._fetch(asked, found, question)

    def heard_change(self, question: Question, response: ServiceResponse) -> None:
        """A call that is not safe was answered: what is kept of its URL may be out of date."""
        asked = Asked(method=question.method, key=Key(space="", url=question.url), fields=())
        fields = replies.fields_of(response)
        received = self._cache.received(response.status_code, fields, self._clock.now())
        self._cache.heard(asked, Found(why="method"), received)

    async def aclose(self) -> None:
        """End what is refreshed."""
        await self._refreshing.aclose()


def _under(conditions: tuple[Pair, ...], headers: Mapping[str, str]) -> Mapping[str, str]:
    if not conditions:
        return headers
    kept = {name: value for name, value in headers.items() if name not in NOT_IN_KEY}
    return kept | {name.decode(): value.decode("latin-1") for name, value in conditions}
