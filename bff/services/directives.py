"""What a ``Cache-Control`` field says, read once; and the targeted fields that may stand in its place.

Pure. What contradicts itself or cannot be read is taken the strict way: a lifetime that is no number is none
at all (RFC 9111 §4.2.1), a prohibition with strange arguments is the whole prohibition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from bff.services import structured
from bff.services.fields import MOST_SECONDS, Pairs, joined, members, seconds

TARGETS = (b"bff-cache-control", b"cdn-cache-control")
"""Fields meant for this cache, the nearest first (RFC 9213 §2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """Directives of an answer or a request (RFC 9111 §5.2, RFC 5861, RFC 8246). Seconds; None where nothing is said."""

    max_age: int | None = None
    s_maxage: int | None = None
    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: frozenset[bytes] = frozenset()
    private: bool = False
    private_fields: frozenset[bytes] = frozenset()
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    immutable: bool = False
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    min_fresh: int | None = None
    max_stale: int | None = None
    only_if_cached: bool = False
    is_targeted: bool = False


NOTHING_SAID = Directives()

# token [ "=" ( token / quoted-string ) ], up to the comma that ends it
_MEMBER = re.compile(
    rb"[ \t]*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    rb"(?:=(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<token>[!#$%&'*+.^_`|~0-9A-Za-z-]*)))?[ \t]*(?:,|$)",
    re.DOTALL,
)
_BROKEN = re.compile(
    rb"[ \t]*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]*)(?:[^,\"]|\"(?:[^\"\\]|\\.)*\")*(?:,|$)", re.DOTALL
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_UNREADABLE = b"?"

_SECONDS = {
    b"max-age": "max_age",
    b"s-maxage": "s_maxage",
    b"stale-while-revalidate": "stale_while_revalidate",
    b"stale-if-error": "stale_if_error",
    b"min-fresh": "min_fresh",
    b"max-stale": "max_stale",
}
_FLAGS = {
    b"no-store": "no_store",
    b"public": "public",
    b"must-revalidate": "must_revalidate",
    b"proxy-revalidate": "proxy_revalidate",
    b"must-understand": "must_understand",
    b"immutable": "immutable",
    b"only-if-cached": "only_if_cached",
}
_LISTS = {b"no-cache": ("no_cache", "no_cache_fields"), b"private": ("private", "private_fields")}


def of_answer(fields: Pairs) -> Directives:
    """What an answer says to this cache: the first targeted field that can be read, else Cache-Control."""
    for target in TARGETS:
        value = joined(fields, target)
        if value is not None and (found := targeted(value)) is not None:
            return found
    return of_field(fields)


def of_field(fields: Pairs) -> Directives:
    """What the ``Cache-Control`` fields say."""
    value = joined(fields, b"cache-control")
    if value is None:
        return NOTHING_SAID
    return _remembered(value) if len(value) <= 200 else parse(value)


def parse(value: bytes) -> Directives:
    """The directives of a whole field value; names are matched without case."""
    said: dict[str, object] = {}
    for name, argument in _read(value):
        _note(said, name, argument)
    return Directives(**said)  # type: ignore[arg-type]


# The same few values come again and again; parsing is a pure function of them.
_remembered = lru_cache(maxsize=512)(parse)


def _read(value: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    at = 0
    while at < len(value):
        match = _MEMBER.match(value, at)
        if match is not None:
            quoted = match["quoted"]
            argument = match["token"] if quoted is None else _ESCAPE.sub(rb"\1", quoted)
            yield match["name"].lower(), argument
            at = match.end()
            continue
        match = _BROKEN.match(value, at)
        if match is None:  # a quoted string that never ends may hide anything
            yield b"no-store", None
            return
        if match["name"]:
            yield match["name"].lower(), _UNREADABLE
        at = max(match.end(), at + 1)


def _note(said: dict[str, object], name: bytes, argument: bytes | None) -> None:
    if name in _FLAGS:
        said[_FLAGS[name]] = True
    elif name in _LISTS:
        _note_list(said, *_LISTS[name], argument)
    elif name in _SECONDS:
        _note_seconds(said, _SECONDS[name], argument)


def _note_list(said: dict[str, object], whole: str, some: str, argument: bytes | None) -> None:
    names = members(argument) if argument is not None and argument != _UNREADABLE else []
    if not names:
        said[whole] = True
        return
    before = said.get(some, frozenset())
    assert isinstance(before, frozenset)
    said[some] = before | frozenset(names)


def _note_seconds(said: dict[str, object], name: str, argument: bytes | None) -> None:
    if name == "max_stale" and argument is None:
        meant: int | None = MOST_SECONDS
    else:
        meant = seconds(argument or b"")
    # Of two that differ either the first counts or none does (RFC 9111 §4.2.1); what is no number is none.
    is_clear = meant is not None and said.get(name, meant) == meant
    said[name] = meant if is_clear else MOST_SECONDS if name == "min_fresh" else 0


def targeted(value: bytes) -> Directives | None:
    """The directives of a targeted field, a structured dictionary (RFC 9213 §2.1); None where that is broken
    or empty, and the field must be ignored. A member of the wrong type counts as not there.
    """
    members = structured.dictionary(value)
    if not members:
        return None
    said: dict[str, object] = {"is_targeted": True}
    for name, member in members.items():
        if name in _SECONDS and type(member) is int and member >= 0:
            said[_SECONDS[name]] = min(member, MOST_SECONDS)
        elif name in _FLAGS and member is True:
            said[_FLAGS[name]] = True
        elif name in _LISTS and member is not False:
            said[_LISTS[name][0]] = True
    return Directives(**said)  # type: ignore[arg-type]
