"""What CloudEvents 1.0.2 demands of the attributes of an event (spec §2, §3.1 and §4). Pure: every violation is
a few words, and all of them are told at once.

Stricter than the SDKs, which let control characters, wide integers and malformed references pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

REQUIRED = ("id", "source", "specversion", "type")
NAMED = (*REQUIRED, "subject", "time", "datacontenttype", "dataschema")
MOST_SHOWN = 60
"""Characters of a value that a violation repeats."""

_NAME = re.compile(r"[a-z0-9]+")
_BEYOND = "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_BEYOND}]")
_REFERENCE = re.compile(  # RFC 3986 §4.1, by its characters
    r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})*"
    r"(?:#(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+")
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - RFC 9110's word
_MEDIA_TYPE = re.compile(  # RFC 2045 §5.1, with the quoting of RFC 9110 §5.6.4
    rf'{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|"(?:[^"\\\x00-\x1f]|\\.)*"))*[ \t]*'
)
_TIME = re.compile(  # RFC 3339 §5.6
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(?:([0-5]\d)|60)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.IGNORECASE | re.ASCII,
)
_SMALLEST, _LARGEST = -(2**31), 2**31 - 1


def violations(attributes: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the attributes of an event, each in a few words; ``data`` is none of them."""
    yield from (f"{name} is missing" for name in REQUIRED if attributes.get(name) in (None, ""))
    for name, value in attributes.items():
        if name == "data" or not _NAME.fullmatch(name):
            shown = name[:MOST_SHOWN]
            yield f"the attribute name {shown!r} is not lower-case a-z0-9, or is reserved"
        elif name in NAMED:
            yield from _of_named(name, value)
        else:
            yield from _of_value(name, value)


def _of_named(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{name} is not a string"
    elif value == "":
        if name not in REQUIRED:
            yield f"{name} is empty"
    elif _FORBIDDEN.search(value):
        yield f"{name} has a character that no attribute may have"
    elif name in _FORMS and not _FORMS[name][0](value):
        yield f"{name} {value[:MOST_SHOWN]!r} {_FORMS[name][1]}"


def _of_value(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _FORBIDDEN.search(value):
            yield f"{name} has a character that no attribute may have"
    elif isinstance(value, bool):
        return
    elif not isinstance(value, int):
        yield f"{name} is not a string, an integer or a boolean"
    elif not _SMALLEST <= value <= _LARGEST:
        yield f"{name} is an integer of more than 32 bits"


def is_time(text: str) -> bool:
    """Whether it is a moment as RFC 3339 §5.6 has it, of a day that there is."""
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    try:
        datetime.fromisoformat(f"{found[1].upper()}{found[2] or '59'}")  # a leap second is :60
    except ValueError:
        return False
    return True


def is_reference(text: str) -> bool:
    """Whether it can be a URI-reference (RFC 3986 §4.1)."""
    return _REFERENCE.fullmatch(text) is not None


def _is_uri(text: str) -> bool:
    return is_reference(text) and _SCHEME.fullmatch(text) is not None


def _is_media_type(text: str) -> bool:
    return _MEDIA_TYPE.fullmatch(text) is not None


_FORMS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "specversion": (lambda text: text == "1.0", "is not 1.0"),
    "source": (is_reference, "is not a URI-reference (RFC 3986)"),
    "time": (is_time, "is not as RFC 3339 has it"),
    "datacontenttype": (_is_media_type, "is not a media type (RFC 2045)"),
    "dataschema": (_is_uri, "is not an absolute URI (RFC 3986)"),
}
"""What a named attribute must look like, and what is said of one that does not."""
