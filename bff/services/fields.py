"""Header fields as caches see them: pairs of bytes, names in lower case, in the order they came. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bff.config.names import HOP_BY_HOP

Pair = tuple[bytes, bytes]
Pairs = Sequence[Pair]

HOP_BY_HOP_FIELDS = frozenset(name.encode() for name in HOP_BY_HOP) | {b"proxy-authentication-info"}
"""Fields of one connection (RFC 9110 §7.6.1) and of proxies (RFC 9111 §3.1), never kept."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH"})
"""Methods that change nothing, as IANA's registry has them; every other invalidates (RFC 9111 §4.4)."""

READING = frozenset({"GET", "HEAD"})
"""Methods whose answers are kept, shared and told to be unchanged (RFC 9111 §3, RFC 9110 §13.1.2)."""

_DELTA = re.compile(rb"[0-9]+")
MOST_SECONDS = 2**31
"""RFC 9111 §1.2.2: what larger numbers of seconds mean."""


def all_of(fields: Pairs, name: bytes) -> list[bytes]:
    """The values of every field of that name."""
    return [value for key, value in fields if key == name]


def joined(fields: Pairs, name: bytes) -> bytes | None:
    """The values of every field of that name as one (RFC 9110 §5.3); None without any."""
    values = all_of(fields, name)
    if len(values) == 1:
        return values[0]
    return b", ".join(values) if values else None


def first(fields: Pairs, name: bytes) -> bytes:
    """The first field of that name; empty without any."""
    for key, value in fields:
        if key == name:
            return value
    return b""


def listed(fields: Pairs, name: bytes) -> list[bytes]:
    """The members of a field that is a list of tokens; see :func:`members`."""
    said = joined(fields, name)
    return [] if said is None else members(said)


def members(value: bytes) -> list[bytes]:
    """The members of a list of tokens, in lower case; empty ones are no members (RFC 9110 §5.6.1)."""
    return [member.lower() for each in value.split(b",") if (member := each.strip(b" \t"))]


def without(fields: Iterable[Pair], names: frozenset[bytes]) -> list[Pair]:
    """The fields of other names."""
    return [pair for pair in fields if pair[0] not in names]


def end_to_end(fields: Pairs) -> list[Pair]:
    """The fields that are not the connection's: neither by their name nor nominated by ``Connection``."""
    nominated = frozenset(listed(fields, b"connection"))
    return without(fields, HOP_BY_HOP_FIELDS | nominated)


def seconds(text: bytes) -> int | None:
    """Delta-seconds (RFC 9111 §1.2.2); None where it is something else."""
    if not _DELTA.fullmatch(text):
        return None
    return min(int(text), MOST_SECONDS) if len(text) < 20 else MOST_SECONDS
