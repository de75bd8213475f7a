"""The paths that the gateway itself answers where events come in and asynchronous calls are told of. Pure: read from
a file that may have mistakes, so what is wrong with a path itself is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bff.config.mistake import KeyPath
from bff.config.pattern import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorway:
    """One of them; ``said`` is the key of routes.yaml that makes it, which may be left to its default."""

    pattern: Pattern
    methods: tuple[str, ...]
    said: KeyPath


def doorways_of(data: Mapping[str, Any], *, has_calls: bool) -> Iterator[Doorway]:
    """All of a file's, as ``gateway.target`` compiles them; ``has_calls`` where a route may answer later."""
    calls = data.get("calls")
    if has_calls or calls is not None:
        yield from _of_calls(calls if isinstance(calls, dict) else {})
    events = data.get("events")
    if isinstance(events, dict):
        yield from _doorway(events.get("path"), "", ("POST",), ("events", "path"))


def _of_calls(calls: Mapping[str, Any]) -> Iterator[Doorway]:
    path, said = calls.get("path", "/calls"), ("calls", "path")
    yield from _doorway(path, "/{id}", ("GET", "HEAD", "DELETE"), said)
    yield from _doorway(path, "/{id}/result", ("GET", "HEAD"), said)
    names = calls.get("functions")
    for name in [names] if isinstance(names, str) else names if isinstance(names, list) else ():
        yield from _doorway("/async-function/", str(name), ("POST",), ("calls", "functions"))


def _doorway(path: Any, more: str, methods: tuple[str, ...], said: KeyPath) -> Iterator[Doorway]:
    try:
        yield Doorway(pattern=Pattern.parse(f"{path}{more}"), methods=methods, said=said)
    except ValueError:
        return
