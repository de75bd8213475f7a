"""The cache itself: looks requests up, hears answers, and says what to send. RFC 9111's flow over the store.

It sends nothing and waits for nothing, so that service calls, routes and passthrough can each go on in their
own way: :meth:`Cache.look` before, :meth:`Cache.heard` or :meth:`Cache.failed` after, and :meth:`Cache.keep`
once the whole body is there. The rules are in :mod:`bff.services.freshness` and
:mod:`bff.services.validators`; what is kept is in :mod:`bff.services.cachestore`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bff.clock import Clock
from bff.services import freshness, httpdate, ranges, validators
from bff.services.cachestatus import Handled
from bff.services.cachestore import CacheStore, places_of
from bff.services.changes import Changes
from bff.services.composed import Parts
from bff.services.directives import NOTHING_SAID, Directives, of_field
from bff.services.fields import READING, Pair, Pairs, first, listed, without
from bff.services.freshness import OBEDIENT, Policy, Received, Use
from bff.services.pointed import pointed_to
from bff.services.stored import Key, Stored, vary_of
from bff.services.varying import TELLING

_AGE = frozenset({b"age"})
_NOT_OURS = frozenset({b"if-match", b"if-unmodified-since"})
"""Conditions that only the origin can judge (RFC 9111 §4.3.2): such a request travels with its own."""

_SPECIAL = validators.CONDITIONS | {b"range"}
_OF_WHOLES = validators.CONDITIONS - {b"if-range"}
_AGE_AND_DATE = frozenset({b"age", b"date"})
_NO_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as the cache sees it. ``varies`` are selecting fields besides those an answer's ``Vary`` names."""

    method: str
    key: Key
    fields: Pairs
    policy: Policy = OBEDIENT
    directives: Directives = NOTHING_SAID
    is_authorized: bool = False
    varies: tuple[bytes, ...] = ()

    @classmethod
    def read(
        cls,
        method: str,
        key: Key,
        fields: Pairs,
        policy: Policy = OBEDIENT,
        *,
        is_authorized: bool = False,
        varies: tuple[bytes, ...] = (),
    ) -> Asked:
        """The same with its ``Cache-Control`` read."""
        return cls(
            method=method,
            key=key,
            fields=fields,
            policy=policy,
            directives=of_field(fields),
            is_authorized=is_authorized,
            varies=varies,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a look brought. With ``is_hit`` the answer is ``stored``, without anybody being asked; with
    ``refreshes`` somebody should be asked meanwhile. Otherwise the request goes on, with ``conditions`` if
    there are any; ``why`` is RFC 9211's word for that.
    """

    stored: Stored | None = None
    is_hit: bool = False
    refreshes: bool = False
    conditions: tuple[Pair, ...] = ()
    why: str = ""
    is_forbidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer's head means: serve ``stored`` instead of it, or ask ``again`` without conditions, or pass
    it on, and with ``keeps`` keep it once its body is whole.
    """

    stored: Stored | None = None
    again: bool = False
    keeps: bool = False
    is_stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole answer: what an upstream gave, or what is served from the store."""

    status: int
    fields: tuple[Pair, ...]
    body: bytes = b""


PASSED = Verdict()


class Cache:
    """One for the whole gateway. Mutable state: its ``store``, and when what was dropped from it; ``_holds_parts``, once
    there was one.
    """

    def __init__(self, *, clock: Clock, store: CacheStore | None = None) -> None:
        self.store = CacheStore() if store is None else store
        self._clock = clock
        self._changes = Changes()
        self._holds_parts = False

    def look(self, asked: Asked) -> Found:
        """What is kept for this request, and what it is good for now."""
        if asked.method not in READING:
            return Found(why="method")
        stored = self.store.find(asked.key, asked.fields)
        is_forbidden = asked.directives.only_if_cached
        if stored is None and (part := self._part_for(asked)) is not None:
            return Found(stored=part, is_hit=True)
        if stored is None:
            why = "vary-miss" if self.store.has(asked.key) else "uri-miss"
            return Found(why=why, is_forbidden=is_forbidden)
        use = freshness.use_of(stored.lifetime, asked.directives, self._clock.now())
        if use is Use.STALE_WHILE_REVALIDATE and (
            asked.is_authorized or not _names_nobody(asked.key, stored)
        ):
            use = Use.AFTER_VALIDATION  # no task of ours goes on with a caller's credential
        if use is not Use.AFTER_VALIDATION:
            return Found(stored=stored, is_hit=True, refreshes=use is Use.STALE_WHILE_REVALIDATE)
        is_fresh = stored.lifetime.remaining(self._clock.now()) > 0
        return Found(
            stored=stored,
            conditions=self.conditions(stored) if _may_be_validated(asked) else (),
            why="request" if is_fresh and not stored.lifetime.directives.no_cache else "stale",
            is_forbidden=is_forbidden,
        )

    def _part_for(self, asked: Asked) -> Stored | None:
        """A fresh part that holds all of the range that was asked for (RFC 9111 §3.3). Parts are not put together, and
        conditions on one are the origin's to judge.
        """
        if not self._holds_parts or asked.method != "GET":
            return None
        stored = self.store.find(asked.key.of_part, asked.fields)
        if stored is None or any(name in _OF_WHOLES for name, _ in asked.fields):
            return None
        if freshness.use_of(stored.lifetime, asked.directives, self._clock.now()) is not Use.FRESH:
            return None
        part = ranges.within(asked.fields, stored.fields, wall=self._clock.wall())
        return None if part is None else stored

    @staticmethod
    def conditions(stored: Stored) -> tuple[Pair, ...]:
        """Its validators, for a request that asks whether it still holds."""
        return tuple(validators.conditions(stored.fields))

    def received(self, status: int, fields: Pairs, asked_at: float) -> Received:
        """A head that came just now, to a request sent at ``asked_at`` (monotonic); one that does not tell when it was
        made is dated by its coming (RFC 9110 §6.6.1).
        """
        wall = self._clock.wall()
        if not first(fields, b"date"):
            fields = [*fields, (b"date", httpdate.written(wall))]
        return Received(status=status, fields=fields, asked=asked_at, now=self._clock.now(), wall=wall)

    def heard(self, asked: Asked, found: Found, received: Received) -> Verdict:
        """What the head of an answer means for this request, and for what is kept."""
        stored = found.stored
        if freshness.invalidates(asked.method, received.status):
            self._invalidate(asked.key, received.fields)
        if asked.method == "HEAD":
            self._hear_head(asked, received)
        if self._holds_parts and asked.method == "GET" and _is_news(received.status):
            self.store.drop(asked.key.of_part)  # of what was there before
        if stored is not None and received.status == 304 and found.conditions:
            return self._confirmed(asked, stored, received)
        if stored is not None and self._replaces(stored, asked, received.status):
            return Verdict(stored=stored, is_stale=True)
        keeps = freshness.may_keep(
            asked.method, asked.directives, received, asked.policy, is_authorized=asked.is_authorized
        )
        if stored is not None and not keeps and asked.method == "GET" and _is_news(received.status):
            self._drop_if_nobodys(asked, stored, received)
        return Verdict(keeps=keeps) if keeps else PASSED

    def failed(self, asked: Asked, found: Found) -> Stored | None:
        """A kept answer that may stand in where no answer came at all (RFC 5861 §4)."""
        stored = found.stored
        return stored if stored is not None and self._replaces(stored, asked, None) else None

    def keep(
        self, asked: Asked, received: Received, body: bytes, parts: Parts | None = None
    ) -> Stored | None:
        """Keep a whole answer whose verdict was to keep it; None where it is too large, varies too much, or was asked
        for before its URL was changed or purged: it may show what was there before.
        """
        if self._changes.came_after((*asked.key.places, *map(_tag, asked.policy.tags)), received.asked):
            return None
        stored = Stored(
            status=received.status,
            fields=freshness.kept_fields(received.fields),
            body=body,
            lifetime=freshness.lifetime_of(received, asked.policy),
            vary=vary_of(asked.fields, received.fields, *asked.varies),
            tags=asked.policy.tags,
            parts=parts,
        )
        key = asked.key
        if received.status == 206:
            if not _is_the_part_asked_for(asked, stored):
                return None
            key, self._holds_parts = key.of_part, True
        return stored if self.store.put(key, stored) else None

    def purge_url(self, url: str) -> int:
        """Drop what is kept of this URL, and what is on its way: see :meth:`CacheStore.purge_url`."""
        self._changes.note(places_of(url), self._clock.now())
        return self.store.purge_url(url)

    def purge_tag(self, tag: str) -> int:
        """Drop what was kept under this tag, and what is on its way: see :meth:`CacheStore.purge_tag`."""
        self._changes.note((_tag(tag),), self._clock.now())
        return self.store.purge_tag(tag)

    def answer(self, stored: Stored, asked: Asked) -> Whole:
        """What to send of a kept answer: all of it, a part, or that nothing has changed; with its ``Age``."""
        now, wall = self._clock.now(), self._clock.wall()
        age = (b"age", b"%d" % int(stored.lifetime.age_at(now)))
        fields = [*without(stored.fields, _AGE), age]
        if stored.status == 206:
            return _cut(ranges.within(asked.fields, stored.fields, wall=wall), fields, stored)
        if stored.status == 200 and not _SPECIAL.isdisjoint(name for name, _ in asked.fields):
            if validators.is_not_modified(asked.fields, stored.fields, wall=wall):
                return Whole(status=304, fields=tuple(validators.not_modified_fields(fields)))
            part = (
                ranges.wanted(asked.fields, stored.fields, len(stored.body), wall=wall)
                if asked.method == "GET"
                else None
            )
            if part is not None:
                return _part(part, fields, stored.body)
        if stored.status in _NO_BODY:
            return Whole(status=stored.status, fields=tuple(fields))
        whole = _sized(stored.status, fields, stored.body)
        return replace(whole, body=b"") if asked.method == "HEAD" else whole

    def ttl(self, stored: Stored) -> float:
        """Seconds it stays fresh; negative for how long it has been stale."""
        return stored.lifetime.remaining(self._clock.now())

    def hit(self, stored: Stored) -> Handled:
        """What ``Cache-Status`` says of an answer from the store."""
        return Handled(hit=True, ttl=self.ttl(stored))

    def _replaces(self, stored: Stored, asked: Asked, status: int | None) -> bool:
        return freshness.may_replace_failure(stored.lifetime, asked.directives, status, self._clock.now())

    def _confirmed(self, asked: Asked, stored: Stored, received: Received) -> Verdict:
        if not validators.is_meant(received.fields, stored.fields):
            return Verdict(again=True)
        return Verdict(stored=self._freshened(asked, stored, received))

    def _freshened(self, asked: Asked, stored: Stored, received: Received) -> Stored:
        """The kept answer with the news of a 304 or a HEAD, in the store too if it may still be there."""
        fields = validators.updated(stored.fields, received.fields)
        as_received = replace(received, status=stored.status, fields=fields)
        fresh = replace(
            stored,
            fields=freshness.kept_fields(fields),
            lifetime=freshness.lifetime_of(as_received, asked.policy),
            vary=_vary_anew(asked, stored, fields),
        )
        may_stay = freshness.may_keep(
            "GET", asked.directives, as_received, asked.policy, is_authorized=asked.is_authorized
        )
        if may_stay:
            self.store.swap(asked.key, stored, fresh)
        else:
            self._drop_if_nobodys(asked, stored, as_received)
        return fresh

    def _drop_if_nobodys(self, asked: Asked, stored: Stored, received: Received) -> None:
        """Drop what is kept where what is there now may not be; not where only this request wants nothing kept, or
        brings a credential: others' answers are not its to drop.
        """
        if not freshness.may_keep("GET", NOTHING_SAID, received, asked.policy):
            self.store.remove(asked.key, stored)

    def _hear_head(self, asked: Asked, received: Received) -> None:
        """RFC 9111 §4.3.5: a HEAD's answer updates the kept GET, or shows that it is out of date."""
        stored = self.store.find(asked.key, asked.fields)
        if stored is None or received.status != 200:
            return
        length = first(received.fields, b"content-length")
        known = first(stored.fields, b"content-length") or b"%d" % len(stored.body)
        if validators.is_meant(received.fields, stored.fields) and length in (b"", known):
            self._freshened(asked, stored, received)
        else:
            self.store.remove(asked.key, stored)

    def _invalidate(self, key: Key, fields: Pairs) -> None:
        """RFC 9111 §4.4: the URL itself, and those of the same origin that the answer points to; what passed
        through has an URL for its caller and one at its service.
        """
        for url in filter(None, (key.url, key.beyond)):
            for target in (url, *pointed_to(url, fields)):
                self.purge_url(target)


def _tag(name: str) -> str:
    """A tag among URLs, which have no blank in them."""
    return f"tag {name}"


def _names_nobody(key: Key, stored: Stored) -> bool:
    """Whether an answer can be fetched again without its caller: nothing that tells who asked made it. What its request
    did not have did not tell.
    """
    told = (name.partition(b":")[0] for name, value in stored.vary if value is not None)
    return key.is_anonymous and TELLING.isdisjoint(told)


def _is_news(status: int) -> bool:
    """Whether the kept answer is out of date, rather than a part of it asked for or the service in trouble."""
    return status in (404, 410) or (200 <= status < 400 and status not in (206, 304))


def _may_be_validated(asked: Asked) -> bool:
    """Whether our conditions may take the place of the request's own."""
    return asked.method == "GET" and _NOT_OURS.isdisjoint(name for name, _ in asked.fields)


def _vary_anew(asked: Asked, stored: Stored, fields: Pairs) -> tuple[tuple[bytes, bytes | None], ...]:
    """The selecting fields after a confirmation that may name others in its ``Vary``."""
    before = listed(stored.fields, b"vary")
    if listed(fields, b"vary") == before:
        return stored.vary
    return vary_of(asked.fields, fields, *(name for name in stored.names if name not in before))


def _is_the_part_asked_for(asked: Asked, stored: Stored) -> bool:
    """Whether it is as long as it says, fresh for a while, and no answer to who asked for the whole."""
    part = ranges.held(stored.fields)
    is_whole = part is not None and len(stored.body) == part.last - part.first + 1
    return (
        is_whole and stored.lifetime.fresh_for > stored.lifetime.age and bool(first(asked.fields, b"range"))
    )


def _cut(part: ranges.Part | None, fields: list[Pair], stored: Stored) -> Whole:
    """The range that was asked for, out of the part that is kept."""
    own = ranges.held(stored.fields)
    assert own is not None
    part = part or own
    said = [*(pair for pair in fields if pair[0] != b"content-range"), (b"content-range", part.content_range)]
    return _sized(206, said, stored.body[part.first - own.first : part.last - own.first + 1])


def _part(part: ranges.Part | ranges.Unmet, fields: list[Pair], body: bytes) -> Whole:
    """A 206, or a 416 that nobody keeps and that says nothing of the content."""
    content_range = (b"content-range", part.content_range)
    if isinstance(part, ranges.Part):
        return _sized(206, [*fields, content_range], body[part.first : part.last + 1])
    return _sized(416, [*(pair for pair in fields if pair[0] in _AGE_AND_DATE), content_range], b"")


def _sized(status: int, fields: list[Pair], body: bytes) -> Whole:
    fields = [pair for pair in fields if pair[0] != b"content-length"]
    return Whole(status=status, fields=(*fields, (b"content-length", b"%d" % len(body))), body=body)
