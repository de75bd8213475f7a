"""What of a function's answer is kept, and for whom: decided once it has answered.

A page may depend on whatever its function could see; see docs/adr/0024. What it says of caching is its own
word, else that of its parts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bff.sdk.invocation import Invocation
from bff.sdk.reply import Answer
from bff.services import composed, freshness, httpdate
from bff.services.cache import Asked, Cache, Found
from bff.services.composed import Parts
from bff.services.fields import Pair, without
from bff.services.freshness import Policy, Received
from bff.services.stored import Stored

_CREDENTIALS = (b"authorization", b"cookie")
_NOT_KEPT = frozenset({b"content-length", b"date", b"x-request-id", b"server-timing"})


def keep(
    cache: Cache, asked: Asked, answer: Answer, invocation: Invocation, activator: Any, began: float
) -> Stored | None:
    """Keep a whole answer for whoever may have it; None where that is nobody. An answer to a method that
    changes something drops what is kept of its URL instead.
    """
    parts = _spoken_for(answer, invocation)
    fields = _said(answer, asked, invocation, parts)
    received = cache.received(answer.status, fields, began)
    verdict = cache.heard(asked, Found(why="miss"), received)
    seen = _seen(invocation, activator)
    if not verdict.keeps or seen is None or invocation.missing or not _is_of_use(received, asked.policy):
        return None
    return cache.keep(replace(asked, varies=seen), received, answer.body, parts)


def _is_of_use(received: Received, policy: Policy) -> bool:
    """Whether it may be served at all as it is: a function is not asked whether its page has changed."""
    lifetime = freshness.lifetime_of(received, policy)
    return max(lifetime.fresh_for, lifetime.stale_while_revalidate, lifetime.stale_if_error) > 0


def _spoken_for(answer: Answer, invocation: Invocation) -> Parts | None:
    """What the parts of a page say of caching, if the page itself does not."""
    speaks = any(name == b"cache-control" for name, _ in answer.headers)
    parts: Parts | None = None if speaks else invocation.parts
    return parts


def _said(answer: Answer, asked: Asked, invocation: Invocation, parts: Parts | None) -> list[Pair]:
    """The answer's fields, with a ``Date`` of its own, and what its parts say of caching to the store: all of it
    where the route states no lifetime, else what they forbid. What they say to a caller is written for each anew.
    """
    fields = [*without(answer.headers, _NOT_KEPT), (b"date", httpdate.written(invocation.clock.wall()))]
    if parts is None:
        return fields
    if asked.policy.ttl is None:
        written = parts.written()
        return fields if written is None else [*fields, (b"cache-control", written)]
    return [*fields, (b"cache-control", b"no-store")] if composed.forbids_keeping(parts) else fields


def _seen(invocation: Invocation, activator: Any) -> tuple[bytes, ...] | None:
    """The fields of the request that the answer may depend on, as selecting fields: those that the route hands
    on to services and those that the handler's arguments are made of. One that saw the whole request depends
    on both credentials, besides what its own ``Vary`` names. None: it cannot be told.
    """
    incoming = invocation.incoming
    assert incoming is not None
    read = activator.reads(invocation.route)
    if read is None:
        return None
    cookies = tuple(b"cookie:" + name.encode() for name in incoming.forwarding.cookies)
    whole = _CREDENTIALS if incoming.was_seen_whole else ()
    return (*incoming.forwarding.headers, *cookies, *read, *whole)
