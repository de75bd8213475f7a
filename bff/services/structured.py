"""Dictionaries of structured fields (RFC 9651 §4.2.2), as far as caches need them.

Pure, and strict as that RFC wants it: one mistake anywhere, and there is no dictionary. Parameters are
checked and dropped.
"""

from __future__ import annotations

import re

_KEY = rb"[a-z*][a-z0-9_.*-]*"
_BARE = (
    rb"(?:(?P<decimal>-?[0-9]{1,12}\.[0-9]{1,3})|(?P<integer>-?[0-9]{1,15})"
    rb"|(?P<string>\"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\"\\])*\")"
    rb"|(?P<token>[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*)"
    rb"|(?P<bytes>:[A-Za-z0-9+/=]*:)|\?(?P<boolean>[01])|(?P<date>@-?[0-9]{1,15}))"
)
_PLAIN = re.compile(rb"\?P<[a-z]+>")
_ITEM = _PLAIN.sub(rb"?:", _BARE).replace(rb"\?(?:[01])", rb"\?[01]")
_PARAMETERS = rb"(?:; *" + _KEY + rb"(?:=" + _ITEM + rb")?)*"
_INNER = rb"(?P<inner>\( *(?:" + _ITEM + _PARAMETERS + rb"(?: +|(?=\))))*\))"
_MEMBER = re.compile(rb"(?P<key>" + _KEY + rb")(?:=(?:" + _BARE + rb"|" + _INNER + rb"))?" + _PARAMETERS)
_COMMA = re.compile(rb"[ \t]*,[ \t]*")

Value = bool | int | bytes
"""Booleans and integers as such; everything else as it is written."""


def dictionary(value: bytes) -> dict[bytes, Value] | None:
    """The members by key, the last of a key winning; None if the field breaks the syntax."""
    value = value.strip(b" ")
    found: dict[bytes, Value] = {}
    at = 0
    while at < len(value):
        match = _MEMBER.match(value, at)
        if match is None:
            return None
        found.pop(match["key"], None)
        found[match["key"]] = _value_of(match)
        at = match.end()
        if at == len(value):
            return found
        comma = _COMMA.match(value, at)
        if comma is None or comma.end() == len(value):  # something else, or a comma that nothing follows
            return None
        at = comma.end()
    return found


def _value_of(match: re.Match[bytes]) -> Value:
    if match["integer"] is not None:
        return int(match["integer"])
    if match["boolean"] is not None:
        return match["boolean"] == b"1"
    for kind in ("decimal", "string", "token", "bytes", "date", "inner"):
        if match[kind] is not None:
            return match[kind]
    return True
