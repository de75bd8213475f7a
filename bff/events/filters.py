"""Whether an event is one that a trigger wants, and if not, which clause says so. Pure.

The dialects are those of Knative's triggers (exact, prefix, suffix, all, any, not); a key that begins with $ is a
path into the event's data. An attribute that is not there is unequal to everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bff.config import FilterConfig, jsonpath
from bff.sdk.cloudevent import CloudEvent

Clause = Callable[[CloudEvent], str]
"""Says "" for an event that it matches, else the clause that failed, in the words of routes.yaml."""

MOST_SHOWN = 80
Look = Callable[[CloudEvent], Any]


def compiled(filters: Iterable[FilterConfig]) -> Clause:
    """All of these filters as one clause."""
    return _all([_one(each) for each in filters])


def look(key: str) -> Look:
    """What is at a key of an event: an attribute, or what a path leads to in its data; ABSENT where nothing is."""
    if key.startswith("$"):
        steps = jsonpath.parsed(key)
        return lambda event: jsonpath.found(event.data, steps)
    return lambda event: _attribute(event, key)


def _attribute(event: CloudEvent, name: str) -> Any:
    value = event.attributes().get(name, jsonpath.ABSENT)
    if isinstance(value, bool):
        return str(value).lower()  # as the specification writes attributes (§3.2, type system)
    return str(value) if isinstance(value, int) else value


def _one(config: FilterConfig) -> Clause:
    if config.exact is not None:
        return _each("exact", config.exact, _is_equal)
    if config.prefix is not None:
        return _each(
            "prefix", config.prefix, lambda value, start: _is_text(value) and value.startswith(start)
        )
    if config.suffix is not None:
        return _each("suffix", config.suffix, lambda value, end: _is_text(value) and value.endswith(end))
    if config.all is not None:
        return _all([_one(each) for each in config.all])
    if config.any is not None:
        return _any([_one(each) for each in config.any])
    assert config.not_ is not None
    return _not(_one(config.not_), config.not_)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_equal(value: Any, wanted: Any) -> bool:
    """JSON's equality: true is not 1, but 1.0 is."""
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _each(kind: str, wanted: Mapping[str, Any], is_so: Callable[[Any, Any], bool]) -> Clause:
    looks = [(key, look(key), _text_of(key, value)) for key, value in wanted.items()]

    def clause(event: CloudEvent) -> str:
        for key, at, value in looks:
            there = at(event)
            if there is jsonpath.ABSENT or not is_so(there, value):
                has = "is not there" if there is jsonpath.ABSENT else f"is {shown(there)}"
                return f"{kind}: {key} {has}, not {shown(value)}"
        return ""

    return clause


def _text_of(key: str, value: Any) -> Any:
    """A value of routes.yaml as it would be in the event: attributes are text."""
    if key.startswith("$"):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _all(clauses: list[Clause]) -> Clause:
    def clause(event: CloudEvent) -> str:
        return next((why for each in clauses if (why := each(event))), "")

    return clause


def _any(clauses: list[Clause]) -> Clause:
    def clause(event: CloudEvent) -> str:
        failed = []
        for each in clauses:
            why = each(event)
            if not why:
                return ""
            failed.append(why)
        return f"any: {'; '.join(failed)}"

    return clause


def _not(inner: Clause, config: FilterConfig) -> Clause:
    said = config.model_dump(exclude_none=True, by_alias=True)

    def clause(event: CloudEvent) -> str:
        return "" if inner(event) else f"not: it matches {shown(said)}"

    return clause


def shown(value: Any) -> str:
    """A value in a sentence, cut where it is long."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"
