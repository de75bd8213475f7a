"""Conditional requests (RFC 9110 §13, RFC 9111 §4.3): asked under a condition, and asking under one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bff.services import httpdate
from bff.services.fields import HOP_BY_HOP_FIELDS, Pair, Pairs, first, joined, listed, without

_TAG = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_LIST = re.compile(rb'[ \t]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|$)|[ \t]*,')

CONDITIONS = frozenset(
    {b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since", b"if-range"}
)
"""Fields of a request that make it conditional."""

_NOT_UPDATED = HOP_BY_HOP_FIELDS | {b"content-length", b"content-encoding", b"content-range"}
"""What a 304 does not change: the body stays as it was decoded and measured (RFC 9111 §3.2)."""

NOT_MODIFIED_FIELDS = frozenset(
    {b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary", b"age", b"last-modified"}
)
"""What a 304 tells again (RFC 9110 §15.4.5)."""


def tags(value: bytes) -> list[bytes]:
    """The entity tags of a list; none at all if one of them is malformed."""
    found: list[bytes] = []
    at = 0
    while at < len(value):
        match = _LIST.match(value, at)
        if match is None:
            return []
        if match[1] is not None:
            found.append(match[1])
        at = match.end()
    return found


def is_strong(tag: bytes) -> bool:
    """Whether it is a well-formed strong entity tag."""
    return _TAG.fullmatch(tag) is not None and not tag.startswith(b"W/")


def opaque(tag: bytes) -> bytes:
    """What weak comparison compares (RFC 9110 §8.8.3.2)."""
    return tag.removeprefix(b"W/")


def is_not_modified(asked: Pairs, answer: Pairs, *, wall: float) -> bool:
    """Whether a 304 answers this GET or HEAD, the whole answer being this one with status 200 (§13.2.2).

    ``If-None-Match`` wins over ``If-Modified-Since``, which is ignored unless it is one date. An answer
    without ``Last-Modified`` is compared by its ``Date`` (RFC 9111 §4.3.2).
    """
    wanted = joined(asked, b"if-none-match")
    if wanted is not None:
        return _matches(wanted, first(answer, b"etag"))
    since = joined(asked, b"if-modified-since")
    if since is None:
        return False
    limit = httpdate.parse(since, wall)
    changed = httpdate.parse(first(answer, b"last-modified") or first(answer, b"date"), wall)
    return limit is not None and changed is not None and changed <= limit


def _matches(wanted: bytes, tag: bytes) -> bool:
    if wanted.strip(b" \t") == b"*":
        return True
    if not tag:
        return False
    return any(opaque(each) == opaque(tag) for each in tags(wanted))


def conditions(kept: Pairs) -> list[Pair]:
    """The validators of a kept answer as conditions of a request for it (RFC 9111 §4.3.1); perhaps none."""
    names = ((b"etag", b"if-none-match"), (b"last-modified", b"if-modified-since"))
    return [(condition, value) for name, condition in names if (value := first(kept, name))]


def under(conditions: Iterable[Pair], asked: Pairs) -> list[Pair]:
    """The request's fields with these conditions. What the caller itself wanted to compare, or a part of, is
    answered from whatever comes of this.
    """
    return [*without(asked, CONDITIONS | {b"range"}), *conditions]


def is_meant(confirmation: Pairs, kept: Pairs) -> bool:
    """Whether a 304 speaks of this kept answer (RFC 9111 §4.3.4): its strong validator must be the same, a
    weak one match, and one without any speaks of the only answer it was asked about.
    """
    tag, changed = first(confirmation, b"etag"), first(confirmation, b"last-modified")
    if tag:
        own = first(kept, b"etag")
        return tag == own if is_strong(tag) else bool(own) and opaque(tag) == opaque(own)
    own_date = first(kept, b"last-modified")
    return not changed or not own_date or changed == own_date


def updated(kept: Iterable[Pair], confirmation: Pairs) -> list[Pair]:
    """The kept fields, each replaced by what the confirmation says of it (RFC 9111 §3.2). An old ``Age`` goes in any
    case: age is counted from the last validation (§4.2.3).
    """
    nominated = frozenset(listed(confirmation, b"connection"))
    news = without(confirmation, _NOT_UPDATED | nominated)
    names = frozenset(name for name, _ in news)
    return [*without(kept, names | {b"age"}), *news]


def not_modified_fields(fields: Iterable[Pair]) -> list[Pair]:
    """What a 304 carries of the whole answer's fields: those of its content stay away."""
    return [
        (name, value)
        for name, value in fields
        if name in NOT_MODIFIED_FIELDS or not (name.startswith(b"content-") or name == b"transfer-encoding")
    ]
