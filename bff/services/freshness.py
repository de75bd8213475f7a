"""RFC 9111 as functions: may an answer be kept, how long is it fresh, how old is it, may it be used now.

Pure: nothing here stores, sends or tells the time. Times are seconds: ``now`` on the monotonic clock, ``wall``
as Unix time, which only the ``Date`` and ``Expires`` fields are compared with. The cache is a shared one, and
it invents no lifetime: what says nothing is stale at once, unless routes.yaml states a lifetime or wants it guessed
(heuristics, §4.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import floor

from bff.config import CacheConfig
from bff.services import directives as said_by
from bff.services import httpdate, ranges
from bff.services.directives import Directives
from bff.services.fields import SAFE, Pairs, all_of, end_to_end, first, listed, seconds, without

_UNDERSTOOD = frozenset({200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 451, 501})
_CACHEABLE_BY_STATUS = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
"""RFC 9110 §15.1, but for 206: parts are kept where they say how long."""

_OF_ITS_REQUEST = frozenset({304, 412, 416})
"""Statuses that answer a condition or a range of one request: what others would get who sent neither."""

_STATED_TTL_FOR = frozenset({200, 203, 204, 300, 301, 308})
"""What a lifetime stated in routes.yaml is for. A 404 or a failure is kept only if it says so itself (nginx's
``proxy_cache_valid`` without a status is for 200, 301 and 302)."""

_GUESSED_SHARE, _GUESSED_MOST = 0.1, 86_400.0
"""Of the time since an answer's last change, "a typical setting" (RFC 9111 §4.2.2), and a day at most: beyond that
RFC 7234 §5.5.4 wanted a warning.
"""

ERRORS = frozenset({500, 502, 503, 504})
"""RFC 5861 §4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A ``cache`` section: what routes.yaml states beside what answers say. Seconds; tags for purging."""

    ttl: float | None = None
    stale_while_revalidate: float | None = None
    stale_if_error: float | None = None
    guesses: bool = False
    tags: tuple[str, ...] = ()


OBEDIENT = Policy()
"""``cache: true``: what answers say, and nothing else."""


def policy_of(config: CacheConfig) -> Policy:
    """A ``cache`` section for the rules below."""
    return Policy(
        ttl=config.ttl,
        stale_while_revalidate=config.stale_while_revalidate,
        stale_if_error=config.stale_if_error,
        guesses=config.heuristics,
        tags=config.tags,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The head of an answer, and when: ``asked`` and ``now`` are monotonic."""

    status: int
    fields: Pairs
    asked: float
    now: float
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long an answer is fresh from its making, how old it was on arrival, and what may be done after."""

    fresh_for: float
    age: float
    since: float
    directives: Directives
    stale_while_revalidate: float
    stale_if_error: float

    def age_at(self, now: float) -> float:
        """Its current age (§4.2.3)."""
        return self.age + now - self.since

    def remaining(self, now: float) -> float:
        """Seconds it stays fresh; negative once it is stale."""
        return self.fresh_for - self.age_at(now)


class Use(Enum):
    """What a kept answer is good for."""

    FRESH = "fresh"
    STALE_WHILE_REVALIDATE = "stale-while-revalidate"
    ASKED_FOR_STALE = "max-stale"
    AFTER_VALIDATION = "validate"


def lifetime_of(received: Received, policy: Policy) -> Lifetime:
    """How long it may be used (§4.2.1), and after that (RFC 5861)."""
    said = said_by.of_answer(received.fields)
    stated = explicit_lifetime(received, said)
    return Lifetime(
        fresh_for=_supposed(received, said, policy) if stated is None else stated,
        age=initial_age(received),
        since=received.now,
        directives=said,
        stale_while_revalidate=_grace(said, said.stale_while_revalidate, policy.stale_while_revalidate),
        stale_if_error=_grace(said, said.stale_if_error, policy.stale_if_error),
    )


def _supposed(received: Received, said: Directives, policy: Policy) -> float:
    """The lifetime of an answer that does not say one."""
    if policy.ttl is not None and received.status in _STATED_TTL_FOR:
        return policy.ttl
    if not policy.guesses or not (said.public or received.status in _CACHEABLE_BY_STATUS):
        return 0.0
    changed = httpdate.parse(first(received.fields, b"last-modified"), received.wall)
    made = _date(received) or received.wall
    return 0.0 if changed is None else min(_GUESSED_SHARE * max(0.0, made - changed), _GUESSED_MOST)


def explicit_lifetime(received: Received, said: Directives) -> float | None:
    """Seconds it is fresh from its making, as it says itself; None where it does not (§4.2.1)."""
    if said.s_maxage is not None:
        return float(said.s_maxage)
    if said.max_age is not None:
        return float(said.max_age)
    expires = all_of(received.fields, b"expires")
    if not expires or said.is_targeted:
        return None
    if any(other != expires[0] for other in expires):
        return 0.0
    when = httpdate.parse(expires[0], received.wall)
    return 0.0 if when is None else max(0.0, when - (_date(received) or received.wall))


def _date(received: Received) -> float | None:
    return httpdate.parse(first(received.fields, b"date"), received.wall)


def _grace(said: Directives, own: int | None, stated: float | None) -> float:
    """How long past its freshness: what the answer says, else what routes.yaml states; nothing where the
    answer forbids staleness (§4.2.4). An s-maxage forbids it too, but for an answer that allows it in the same
    breath: there the extension is meant (§5.2.3).
    """
    if said.no_cache or said.must_revalidate or said.proxy_revalidate:
        return 0.0
    if own is not None:
        return float(own)
    return 0.0 if stated is None or said.s_maxage is not None else stated


def initial_age(received: Received) -> float:
    """How old it was when it came: the larger of what ``Date`` and what ``Age`` tell (§4.2.3)."""
    date = _date(received)
    apparent = 0.0 if date is None else max(0.0, floor(received.wall) - date)  # dates are whole seconds
    # A list counts by its first member, what is no number not at all (§5.1).
    told = seconds(first(received.fields, b"age").partition(b",")[0].strip(b" \t"))
    return max(apparent, (told or 0) + received.now - received.asked)


def may_keep(
    method: str, asked: Directives, received: Received, policy: Policy, *, is_authorized: bool = False
) -> bool:
    """Whether a shared cache may keep this answer to this request (§3, §3.5).

    ``is_authorized``: the request carried an ``Authorization`` that is not the gateway's own.
    """
    status, fields, said = received.status, received.fields, said_by.of_answer(received.fields)
    if method != "GET" or status < 200 or status in _OF_ITS_REQUEST or asked.no_store or said.private:
        return False
    if status == 206 and ranges.held(fields) is None:
        return False
    if said.must_understand:
        if status not in _UNDERSTOOD:
            return False
    elif said.no_store:
        return False
    is_for_all = said.public or said.s_maxage is not None
    if is_authorized and not (is_for_all or said.must_revalidate):
        return False
    # RFC 9111 would let these pass, and with them one caller's session into another's answer.
    if not (is_for_all or _leaves_out(said, b"set-cookie")) and any(
        name == b"set-cookie" for name, _ in fields
    ):
        return False
    if b"*" in listed(fields, b"vary"):
        return False
    return _is_cacheable(received, said, policy)


def _is_cacheable(received: Received, said: Directives, policy: Policy) -> bool:
    """§3's last condition, and that keeping it is of any use: fresh for a while, or validated, or good stale."""
    if explicit_lifetime(received, said) is None:
        if policy.ttl is not None and received.status in _STATED_TTL_FOR:
            return True
        if not (said.public or said.no_cache or received.status in _CACHEABLE_BY_STATUS):
            return False
    lifetime = lifetime_of(received, policy)
    is_good = max(lifetime.fresh_for, lifetime.stale_while_revalidate, lifetime.stale_if_error) > 0
    return is_good or has_validator(received.fields)


def _leaves_out(said: Directives, name: bytes) -> bool:
    """Whether the answer itself wants this field not to be kept with it."""
    return name in said.no_cache_fields or name in said.private_fields


def has_validator(fields: Pairs) -> bool:
    """Whether it can be asked for again under a condition."""
    return any(name in (b"etag", b"last-modified") for name, _ in fields)


def kept_fields(fields: Pairs) -> tuple[tuple[bytes, bytes], ...]:
    """What of a head is kept (§3.1): nothing of the connection, and no field that may not be reused."""
    said = said_by.of_answer(fields)
    return tuple(without(end_to_end(fields), said.no_cache_fields | said.private_fields))


def use_of(lifetime: Lifetime, asked: Directives, now: float) -> Use:
    """What a kept answer is good for, for this request now (§4)."""
    said, age, remaining = lifetime.directives, lifetime.age_at(now), lifetime.remaining(now)
    if asked.no_cache or asked.no_store or said.no_cache:
        return Use.AFTER_VALIDATION
    is_settled = said.immutable and remaining > 0  # a reload need not ask, only no-cache does (RFC 8246 §2)
    if asked.max_age is not None and age > asked.max_age and not is_settled:
        return Use.AFTER_VALIDATION
    if asked.min_fresh is not None and remaining < asked.min_fresh:
        return Use.AFTER_VALIDATION
    if remaining > 0:
        return Use.FRESH
    if _may_be_stale(said) and asked.max_stale is not None and -remaining <= asked.max_stale:
        return Use.ASKED_FOR_STALE
    if -remaining < lifetime.stale_while_revalidate:
        return Use.STALE_WHILE_REVALIDATE
    return Use.AFTER_VALIDATION


def _may_be_stale(said: Directives) -> bool:
    return not (said.must_revalidate or said.proxy_revalidate or said.s_maxage is not None)


def may_replace_failure(lifetime: Lifetime, asked: Directives, status: int | None, now: float) -> bool:
    """Whether it may be served instead of this failure, None being no answer at all (RFC 5861 §4). A request
    may allow it too.
    """
    if status is not None and status not in ERRORS:
        return False
    said = lifetime.directives
    if said.no_cache or asked.no_cache or asked.no_store:
        return False
    grace = lifetime.stale_if_error
    if asked.stale_if_error is not None and _may_be_stale(said):
        grace = max(grace, asked.stale_if_error)
    return -lifetime.remaining(now) < grace


def invalidates(method: str, status: int) -> bool:
    """Whether an answer to this method means that kept answers of its URL are out of date (§4.4)."""
    return method not in SAFE and 200 <= status < 400
