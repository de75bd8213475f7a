"""Conditions on a call's text: exactly, by prefix, by regular expression, by version range. Pure.

The first three are Istio's ``StringMatch``
(https://istio.io/latest/docs/reference/config/networking/virtual-service/#StringMatch).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Matcher = Callable[[str], bool]

LONGEST = 256
"""Characters of a value that a regular expression looks at; longer ones do not match."""
_LONGEST_VERSION = 64
_REMEMBERED = 256
_MOST_REPEATS = 2
_MOST_OPTIONAL = 8

_RANGE = re.compile(r"\s*(<=|>=|<|>)\s*v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,7})(?=[\s,]|$)[\s,]*")
_VERSION = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,7})(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?")
_COMPARES: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def exactly(text: str) -> Matcher:
    """Equal, letter for letter."""
    return text.__eq__


def beginning_with(prefix: str) -> Matcher:
    """The value begins so."""
    return lambda value: value.startswith(prefix)


def matching(pattern: str) -> Matcher:
    """The whole value matches, as with Istio and Envoy.

    Callers choose the value, so a pattern that could take them exponentially long is refused.

    Raises:
        ValueError: it is no pattern, or could; with the remedy.

    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    _refuse_slow(pattern)
    return lambda value: len(value) <= LONGEST and compiled.fullmatch(value) is not None


def _refuse_slow(pattern: str) -> None:
    """Python's engine backtracks: repeats within repeats, or many of them, cost exponential time."""
    repeats, optional = _repeats(re._parser.parse(pattern), within=False)  # type: ignore[attr-defined] # noqa: SLF001
    if repeats > _MOST_REPEATS or optional > _MOST_OPTIONAL:
        raise ValueError(
            f"could take very long: at most {_MOST_REPEATS} repeats and {_MOST_OPTIONAL} optional parts;"
            " write several rules instead"
        )


def _repeats(parsed: Any, *, within: bool) -> tuple[int, int]:
    """How many parts of open length, and how many optional ones."""
    repeats = optional = 0
    for kind, argument in parsed:
        name = str(kind)
        if name in ("GROUPREF", "GROUPREF_EXISTS") or (within and name == "BRANCH"):
            raise ValueError("could take very long: no back-references, and no alternatives within a repeat")
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = argument
            is_open = least != most and most != 1
            if within and is_open:
                raise ValueError("could take very long: no repeat within a repeat")
            more = _repeats(inner, within=within or most != 1)
            repeats += is_open + more[0]
            optional += (least != most and most == 1) + more[1]
            continue
        for inner in _inside(name, argument):
            more = _repeats(inner, within=within)
            repeats, optional = repeats + more[0], optional + more[1]
    return repeats, optional


def _inside(name: str, argument: Any) -> list[Any]:
    if name == "SUBPATTERN":
        return [argument[-1]]
    if name == "BRANCH":
        return list(argument[1])
    if name in ("ASSERT", "ASSERT_NOT"):
        return [argument[1]]
    return [argument] if name == "ATOMIC_GROUP" else []


def is_range(text: str) -> bool:
    """Whether it is written like a version range rather than a plain value."""
    return text.lstrip().startswith(("<", ">"))


def in_range(text: str) -> Matcher:
    """Versions within ``"<5.2"`` or ``">=5.0 <5.2"``. A pre-release comes before its version (semver.org §11);
    what is no version is in no range.

    Raises:
        ValueError: it is no range.

    """
    bounds, at = [], 0
    while at < len(text):
        found = _RANGE.match(text, at)
        if found is None:
            break
        bounds.append((_COMPARES[found[1]], _key(found[2], is_release=True)))
        at = found.end()
    if not bounds or at < len(text):
        raise ValueError("is not a version range; write <5.2, or >=5.0 <5.2")

    @lru_cache(maxsize=_REMEMBERED)  # there are few versions about, and many calls
    def is_within(value: str) -> bool:
        version = _VERSION.fullmatch(value.strip())
        if version is None:
            return False
        key = _key(version[1], is_release=version[2] is None)
        return all(compare(key, bound) for compare, bound in bounds)

    return lambda value: len(value) <= _LONGEST_VERSION and is_within(value)


def _key(numbers: str, *, is_release: bool) -> tuple[tuple[int, ...], bool]:
    """What versions are compared by; 5.2 and 5.2.0 are the same."""
    parts = [int(part) for part in numbers.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts), is_release
