"""What of a call a choice may look at: header fields, cookies, the query, claims, the caller's address. Pure.

Read only as far as somebody asks, and each at most once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from bff.config.matching import Matcher
from bff.sdk.invocation import Invocation

if TYPE_CHECKING:
    from bff.config import Conditions

MOST_PARAMETERS = 100
"""Query parameters that are looked at; a query with more has none for a rule."""


class Facts:
    """Of one call. Mutable state: ``_query``, parsed when first asked for."""

    __slots__ = ("_query", "fields", "invocation")

    def __init__(self, invocation: Invocation, wanted: Collection[bytes]) -> None:
        """``wanted`` are the header fields that may be asked for, in lower case."""
        self.invocation = invocation
        self.fields: dict[bytes, bytes] = {}
        self._query: Mapping[str, str] | None = None
        if wanted and invocation.incoming is not None:
            for name, value in invocation.incoming.scope["headers"]:
                if name in wanted:
                    self._add(name, value)

    def _add(self, name: bytes, value: bytes) -> None:
        fields = self.fields
        if name in fields:  # one field, its lines joined (RFC 9110 §5.2; RFC 9113 §8.2.3 for cookies)
            value = fields[name] + (b"; " if name == b"cookie" else b", ") + value
        fields[name] = value

    def query(self, name: str) -> str | None:
        """A query parameter's first value."""
        if self._query is None:
            self._query = self._parsed()
        return self._query.get(name)

    def _parsed(self) -> Mapping[str, str]:
        incoming = self.invocation.incoming
        text = incoming.scope.get("query_string", b"").decode("latin-1") if incoming is not None else ""
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
        except ValueError:
            return {}
        return dict(reversed(pairs))


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
    """A query parameter."""
    return Key(lambda facts: facts.query(name))


def claim(name: str) -> Key:
    """A claim of an authenticated caller; those who are not have none."""

    def read(facts: Facts) -> str | None:
        value: Any = (facts.invocation.claims or {}).get(name)
        return None if value is None else str(value)

    return Key(read)


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


def meets(facts: Facts, conditions: Iterable[Condition]) -> bool:
    """Whether a call meets all of them."""
    for condition in conditions:
        value = condition.key.read(facts)
        if value is None or not condition.matches(value):
            return False
    return True
