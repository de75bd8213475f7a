"""What of a call a choice may look at: header fields, cookies, the query, claims, the caller's address. Pure.

Read only as far as somebody asks, and each at most once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from bff.config.matching import Matcher
from bff.sdk.invocation import Invocation
from bff.sdk.trust import claim_of

if TYPE_CHECKING:
    from bff.config import Conditions

MOST_PARAMETERS = 100
"""Query parameters of one call; who sends more says nothing to a rule."""


class Facts:
    """Of one call: its record, and the header fields that may be asked for."""

    __slots__ = ("fields", "invocation", "query")

    def __init__(self, invocation: Invocation, wanted: Collection[bytes]) -> None:
        """``wanted`` are names in lower case."""
        self.invocation = invocation
        self.fields: dict[bytes, bytes] = {}
        self.query = b""
        """As it was sent."""
        incoming = invocation.incoming
        if incoming is None:
            return
        self.query = incoming.scope.get("query_string", b"")
        if wanted:
            fields = self.fields
            for name, value in incoming.scope["headers"]:
                if name in wanted:
                    fields[name] = value if name not in fields else _joined(name, fields[name], value)


def _joined(name: bytes, first: bytes, second: bytes) -> bytes:
    """One field, its lines joined (RFC 9110 §5.2; RFC 9113 §8.2.3 for cookies)."""
    return first + (b"; " if name == b"cookie" else b", ") + second


Read = Callable[[Facts], str | None]


@dataclass(frozen=True, slots=True)
class Key:
    """Something a call may say: ``read`` it, and the header field that holds it, if one does."""

    read: Read
    field: bytes = b""


@dataclass(frozen=True, slots=True)
class Condition:
    """A call says so; one that does not say it at all does not meet it."""

    key: Key
    matches: Matcher


def header(name: str) -> Key:
    """A header field."""
    wanted = name.lower().encode()

    def read(facts: Facts) -> str | None:
        value = facts.fields.get(wanted)
        return None if value is None else value.decode("latin-1")

    return Key(read, wanted)


def cookie(name: str) -> Key:
    """A cookie's value, as it was sent."""
    find = re.compile(rb"(?:^|;)[ \t]*" + re.escape(name.encode()) + rb"=([^;]*)").search

    def read(facts: Facts) -> str | None:
        found = find(facts.fields.get(b"cookie", b""))
        return None if found is None else found[1].decode("latin-1").strip()

    return Key(read, b"cookie")


def query(name: str) -> Key:
    """A query parameter's first value; a query of very many parameters has none."""
    plain = name.encode()

    def read(facts: Facts) -> str | None:
        text = facts.query
        if not text or (plain not in text and b"%" not in text and b"+" not in text):
            return None
        pairs = text.split(b"&", MOST_PARAMETERS)
        for pair in pairs if len(pairs) <= MOST_PARAMETERS else ():
            key, _, value = pair.partition(b"=")
            if key == plain or ((b"%" in key or b"+" in key) and _unquoted(key) == name):
                return _unquoted(value)
        return None

    return Key(read)


def _unquoted(text: bytes) -> str:
    return unquote_plus(text.decode("latin-1"))


def claim(name: str) -> Key:
    """A claim of an authenticated caller; those who are not have none."""
    return Key(lambda facts: claim_of(facts.invocation.caller, name))


def client() -> Key:
    """The caller's address."""
    return Key(lambda facts: facts.invocation.client or None)


def conditions_of(rule: Conditions) -> tuple[Condition, ...]:
    """All conditions of a rule in routes.yaml, the cheap ones first."""
    return tuple(_conditions(rule))


def _conditions(rule: Conditions) -> Iterator[Condition]:
    for keys, matches in (
        (header, rule.headers),
        (cookie, rule.cookies),
        (query, rule.query),
        (claim, rule.claims),
    ):
        for name, match in matches.items():
            yield Condition(keys(name), match.matcher())


def fields_of(conditions: Iterable[Condition]) -> frozenset[bytes]:
    """The header fields that conditions look at."""
    return frozenset(condition.key.field for condition in conditions) - {b""}


Test = Callable[[Facts], bool]


def meeting(conditions: Iterable[Condition]) -> Test:
    """What tells whether a call meets all of them. Made once, asked for every call: nothing is looked up any more."""
    pairs = tuple((condition.key.read, condition.matches) for condition in conditions)
    if len(pairs) == 1:
        ((read, matches),) = pairs

        def meets_it(facts: Facts) -> bool:
            value = read(facts)
            return value is not None and matches(value)

        return meets_it

    def meets_all(facts: Facts) -> bool:
        for read, matches in pairs:
            value = read(facts)
            if value is None or not matches(value):
                return False
        return True

    return meets_all
