"""What a cache holds: a key, and the answers kept under it. Frozen values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from bff import trace
from bff.services.composed import Parts
from bff.services.fields import HOP_BY_HOP_FIELDS, Pair, Pairs, joined, listed
from bff.services.freshness import Lifetime

ANONYMOUS = "anonymous"
"""The subject of everybody who brought no credential."""

OVERHEAD = 512
"""Bytes a kept answer costs beside its text: objects, keys and indexes, as measured, rounded up."""

_HARMLESS = frozenset({"accept", "accept-language", "accept-encoding", "content-type", "user-agent"})
_CASELESS = frozenset({b"accept-charset", b"accept-encoding", b"accept-language"})
_COMMA = re.compile(rb"[ \t]*,[ \t]*")
_COOKIE = b"cookie:"
WHOLE = b"whole:"
"""The selecting field of an answer that may depend on any field of its request."""

_NOISE = HOP_BY_HOP_FIELDS | {
    *(
        b"accept-encoding",
        b"cache-control",
        b"date",
        b"dnt",
        b"forwarded",
        b"host",
        b"if-match",
        b"if-modified-since",
    ),
    *(
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"pragma",
        b"priority",
        b"range",
        b"sec-fetch-dest",
    ),
    *(b"sec-fetch-mode", b"sec-fetch-site", b"sec-fetch-user", b"via"),
    *trace.RAW_FIELDS,
    *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-request-id"),
}
"""Fields of a connection, of a way, of caching: no answer is made of them."""


def space_of(service: str, sent: Mapping[str, str], subset: str = "") -> str:
    """Where a service's answers are kept: apart for each set of headers that routes.yaml sends, since a service may
    tell by them whose data it gives, and a reload may change them; and for each subset, which may have the same URL.
    """
    name = f"service {service} {subset}" if subset else f"service {service}"
    return f"{name} {sha256(repr(sorted(sent.items())).encode()).hexdigest()}" if sent else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What must be the same for two requests to share an answer, besides the fields its ``Vary`` names.

    ``space`` tells routes from services; ``url`` is absolute, or begins with ``//`` where the scheme is not
    known; ``revision`` is a digest; ``caller`` are fields that were derived from a caller's and sent. What passed
    through is known by the URL ``beyond`` too, the one at its service.
    """

    space: str
    url: str
    revision: str = ""
    lane: str = ""
    subject: str = ANONYMOUS
    caller: tuple[tuple[str, str], ...] = ()
    beyond: str = ""

    @property
    def is_anonymous(self) -> bool:
        """Whether no caller can be told from what is kept here: those fields at most that all browsers of a
        kind send.
        """
        return self.subject == ANONYMOUS and all(name in _HARMLESS for name, _ in self.caller)

    @property
    def of_part(self) -> Key:
        """Where a part of the same is kept, beside the whole."""
        return replace(self, space=f"{self.space} part")

    @property
    def places(self) -> tuple[str, ...]:
        """The URLs it can be purged by: with the host, for a route without, and the one at its service."""
        if not self.url.startswith("//"):
            return (self.url,)
        path = "/" + self.url[2:].partition("/")[2]
        return (self.url, path, self.beyond) if self.beyond else (self.url, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A whole answer to GET, or a part (206). ``vary`` are the selecting fields as its request had them, None for absent; ``parts`` is
    what the parts of a page say of caching, where the page says nothing itself.
    """

    status: int
    fields: tuple[Pair, ...]
    body: bytes
    lifetime: Lifetime
    vary: tuple[tuple[bytes, bytes | None], ...] = ()
    tags: tuple[str, ...] = ()
    parts: Parts | None = None

    @property
    def size(self) -> int:
        """Bytes it takes, roughly."""
        texts = sum(len(name) + len(value) for name, value in self.fields)
        return OVERHEAD + len(self.body) + texts + sum(len(value or b"") for _, value in self.vary)

    @property
    def names(self) -> tuple[bytes, ...]:
        """The names of its selecting fields."""
        return tuple(name for name, _ in self.vary)

    def answers(self, asked: Pairs) -> bool:
        """Whether the request's selecting fields are the same (RFC 9111 §4.1)."""
        return all(selecting(asked, name) == value for name, value in self.vary)


def vary_of(asked: Pairs, answer: Pairs, *more: bytes) -> tuple[tuple[bytes, bytes | None], ...]:
    """The selecting fields that the answer's ``Vary`` names, and ``more``, as this request has them."""
    names = dict.fromkeys((*listed(answer, b"vary"), *more))
    return tuple((name, selecting(asked, name)) for name in names)


def selecting(asked: Pairs, name: bytes) -> bytes | None:
    """A request's field as it is compared: lines combined, no space around commas, in lower case where case means
    nothing (RFC 9110 §12.5). ``cookie:NAME`` is one cookie of all, :data:`WHOLE` every field that may matter.
    """
    if name == WHOLE:
        return _fingerprint(asked)
    if name.startswith(_COOKIE):
        return _cookie(asked, name[len(_COOKIE) :])
    value = joined(asked, name)
    if value is None:
        return None
    plain = _COMMA.sub(b",", value.strip(b" \t"))
    return plain.lower() if name in _CASELESS else plain


def _fingerprint(asked: Pairs) -> bytes:
    texts = sorted(b"%b: %b" % pair for pair in asked if pair[0] not in _NOISE)
    return sha256(b"\n".join(texts)).digest()


def _cookie(asked: Pairs, wanted: bytes) -> bytes | None:
    found = None
    for pair in (joined(asked, b"cookie") or b"").replace(b",", b";").split(b";"):
        name, _, value = pair.partition(b"=")
        if name.strip(b" \t") == wanted:
            found = value if found is None else found + b";" + value
    return found
