"""A request that passes through to a service by way of the store: answered from it, asked under its conditions, or
kept for the next who asks for the same.

The rules are :mod:`bff.services.cache`'s. What is kept is what the service sent; which of its fields a caller hears
is decided anew each time, as for any answer that passes through.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from bff.errors import BffError
from bff.gateway import onward, rawpath
from bff.gateway.door.failures import NotCached
from bff.gateway.passingcache import PassingCache, under
from bff.gateway.passthrough import Passage
from bff.gateway.subject import OF_ONE_CALLER, subject_of
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import ServiceError
from bff.services.cache import PASSED, Asked, Found, Verdict
from bff.services.cachestatus import Handled
from bff.services.client import ServiceClient
from bff.services.fields import READING, SAFE, Pair, first, without
from bff.services.freshness import OBEDIENT, Received
from bff.services.gathering import Gathering
from bff.services.passing import Exchange, Onward, unheard
from bff.services.stored import Key, Stored
from bff.services.validators import CONDITIONS

_SPECIAL = CONDITIONS | {b"range", b"cache-control"}
"""What the caller says to us, whichever of it the route's rules let through to the service."""


@dataclass(slots=True, kw_only=True)
class _Way:
    """How far one request has come. Mutable: all of it."""

    asked: Asked
    found: Found
    began: float = 0.0
    received: Received | None = None
    gathering: Gathering | None = None
    stored: Stored | None = None


class KeptPassage(Passage):
    """Mutable state besides :class:`Passage`'s: ``_way``, once it is known what is asked for."""

    def __init__(self, kept: PassingCache, **passage: Any) -> None:
        super().__init__(**passage)
        self._kept = kept
        self._way: _Way | None = None

    async def _exchanged(self, going: Onward, hop: onward.Hop, record: CallRecord) -> None:
        policy = self._target.cache
        asked = self._ask(going)
        self._way = way = _Way(asked=asked, found=Found(why="method"))
        if policy is not None and going.method in READING:
            # What is spoilt on purpose is for who asked for it alone.
            is_plain = going.parts is None and not going.upgrade and not going.fault
            way.found = found = self._kept.cache.look(asked) if is_plain else Found(why="bypass")
            if found.is_hit and found.stored is not None:
                if found.refreshes:
                    self._refresh(asked, found.stored, hop)
                handled = self._kept.cache.hit(found.stored)
                await self._serve(found.stored, handled, record, "hit" if (handled.ttl or 0) > 0 else "stale")
                return
            if found.is_forbidden:
                raise NotCached
        try:
            await self._passed_on(going, way, record)
        finally:
            if way.gathering is not None:
                way.gathering.give_up()

    async def _passed_on(self, going: Onward, way: _Way, record: CallRecord) -> None:
        way.began = self._clock.now()
        try:
            exchange = await self._opened(under(going, way.found))
        except ServiceError as failure:
            stored = self._stand_in(failure, way)
            if stored is None:
                raise
            record.error = failure.code
            record.flag(failure.flag)
            await self._serve(stored, self._went_on(way, stored, failure.status), record, "stale")
            return
        self._note(record, exchange)
        try:
            verdict = self._heard(exchange, way)
            if verdict.stored is not None:
                how = "stale" if verdict.is_stale else "revalidated"
                handled = self._went_on(way, verdict.stored, exchange.status)
                await self._serve(verdict.stored, handled, record, how)
            elif not verdict.again:
                await self._answer(exchange)
        finally:
            await exchange.aclose()
        if verdict.again:  # with nothing found, what comes of it is passed on
            way.found = Found(why=way.found.why)
            await self._passed_on(going, way, record)

    # What is asked, and what is heard.

    def _ask(self, going: Onward) -> Asked:
        """The request as the cache sees it. What the service hears of the caller's host and scheme its answer may
        be made of; the cookies that travel tell callers apart.
        """
        client, fields = self._client, going.fields
        path, query = rawpath.split(self._raw_target())
        host = first(fields, b"x-forwarded-host").decode("latin-1").lower()
        cookie = first(fields, b"cookie").decode("latin-1")
        said = [pair for pair in self._scope["headers"] if pair[0] in _SPECIAL]
        key = Key(
            space=f"passing {first(fields, b'x-forwarded-proto').decode()} {client.space} {self._target.space}",
            url=f"//{host}{(path + query).decode('latin-1')}",
            beyond=client.config.url.rstrip("/") + going.path.decode("latin-1"),
            lane=self._invocation.lane,
            subject=subject_of(self._invocation.caller),
            caller=(("cookie", cookie),) if cookie else (),
        )
        is_authorized = b"authorization" not in client.own_names and any(
            name == b"authorization" for name, _ in fields
        )
        return Asked.read(
            going.method,
            key,
            [*without(fields, _SPECIAL), *said],
            self._target.cache or OBEDIENT,
            is_authorized=is_authorized,
        )

    def _heard(self, exchange: Exchange, way: _Way) -> Verdict:
        """What the answer's head means; also for what is kept of its URL, where the request changed something."""
        if exchange.duplex is not None:
            return PASSED
        cache = self._kept.cache
        way.received = received = cache.received(exchange.status, exchange.fields, way.began)
        verdict = cache.heard(way.asked, way.found, received)
        if verdict.keeps and self._target.cache is not None and way.found.why != "bypass":
            way.gathering = self._kept.gathering(exchange.fields)
        return verdict

    def _stand_in(self, failure: BffError, way: _Way) -> Stored | None:
        """What may be served instead of no answer."""
        return self._kept.cache.failed(way.asked, way.found) if failure.status >= 500 else None

    def _passes(self, piece: bytes, *, is_last: bool) -> None:
        """Gathered before it is sent, so that whoever has the answer and asks again finds it kept."""
        way = self._way
        if way is None or way.gathering is None or way.received is None:
            return
        way.gathering.add(piece)
        if is_last and (body := way.gathering.whole()) is not None:
            way.stored = self._kept.cache.keep(way.asked, way.received, body)

    def _refresh(self, asked: Asked, stored: Stored, hop: onward.Hop) -> None:
        """As if nobody in particular had asked."""
        nobody = dataclasses.replace(hop, client="", peer="", request_id=f"{hop.request_id}-refresh")
        headers = without(self._scope["headers"], OF_ONE_CALLER)
        until = self._clock.now() + self._target.timeout
        # Nor does this request hear of it, which will have ended.
        unseen: dict[str, Any] = {"inform": None, "flag": unheard, "went": unheard}
        going = dataclasses.replace(self._going(nobody, headers), method="GET", until=until, **unseen)
        self._kept.refresh(asked, stored, going, self._client, self._target.stream_timeout)

    # What the caller hears.

    async def _serve(self, stored: Stored, handled: Handled, record: CallRecord, how: str) -> None:
        assert self._way is not None
        whole = self._kept.cache.answer(stored, self._way.asked)
        record.cached = how
        record.status = record.status or stored.status
        fields = self._back(list(whole.fields), whole.status, has_cors=self._has_cors)
        self._sender.add_passing(fields)
        self._last_answer()
        await self._sender.at_once(whole.status, [*fields, self._status(handled)], whole.body)

    def _told(self) -> list[Pair]:
        """``Cache-Status`` of an answer that is passed on. Whether a stream will be kept nobody knows yet."""
        way = self._way
        if way is None or self._target.cache is None:
            return []
        return [self._status(self._went_on(way, way.stored, None))]

    def _status(self, handled: Handled) -> Pair:
        self._invocation.kept = handled.word
        return handled.field()

    def _went_on(self, way: _Way, stored: Stored | None, status: int | None) -> Handled:
        ttl = None if stored is None else self._kept.cache.ttl(stored)
        is_kept = stored is not None and status is None
        return Handled(fwd=way.found.why, fwd_status=status, ttl=ttl, stored=is_kept)


def passage_of(client: ServiceClient, kept: PassingCache | None, **request: Any) -> Passage:
    """The way of one request: by the store where the route keeps something, or the request may change what is kept."""
    target, invocation = request["target"], request["invocation"]
    if kept is None or (target.cache is None and invocation.method in SAFE):
        return Passage(client, **request)
    return KeptPassage(kept, client=client, **request)
