"""A function's arguments, given as one JSON object, put where its handler will look for them. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bff.config.names import suggest
from bff.sdk.binding import Parameter

_BODIES = frozenset({"body", "raw", "event"})
_NOT_NAMED = frozenset({"context", "request", "event", "raw"})


class Misplaced(Exception):
    """An argument the handler does not take; the sentence says which and what was probably meant."""


def reads_body(parameters: Sequence[Parameter]) -> bool:
    """Whether the object is the body rather than the arguments by name."""
    return any(parameter.source in _BODIES for parameter in parameters)


def placed(given: Any, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """What to hand to httpx: the object as the JSON body if the handler reads one, else each key as what
    its argument is read from, the query unless the handler says otherwise.

    Raises:
        Misplaced: an argument that the handler does not take, or no object at all.

    """
    if reads_body(parameters):
        return {} if given is None else json_body(given)
    if not isinstance(given, dict | None):
        raise Misplaced('the arguments are a JSON object, such as {"name": "x"}')
    asked: dict[str, Any] = {}
    by_name = {
        key: each for each in parameters if each.source not in _NOT_NAMED for key in (each.key, each.name)
    }
    takes_anything = any(parameter.source == "request" for parameter in parameters)
    for name, value in (given or {}).items():
        if name not in by_name and not takes_anything:
            known = {parameter.name for parameter in by_name.values()}
            raise Misplaced(f"the handler takes no argument {name}{suggest(name, known) or _known(known)}")
        _place(asked, by_name.get(name), name, value)
    return asked


def json_body(value: Any) -> dict[str, Any]:
    """A JSON body for httpx."""
    content = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return {"content": content, "headers": {"content-type": "application/json"}}


def _known(names: set[str]) -> str:
    return f"; it takes {', '.join(sorted(names))}" if names else "; it takes none"


def _place(asked: dict[str, Any], parameter: Parameter | None, name: str, value: Any) -> None:
    source, key = (parameter.source, parameter.key) if parameter is not None else ("query", name)
    if value is None:
        return  # absent is how a query, a header or a form says null
    if source == "header":
        asked.setdefault("headers", {})[key] = _text(value)
    elif source == "cookie":
        asked.setdefault("cookies", {})[key] = _text(value)
    elif source == "form":
        asked.setdefault("data", {})[key] = _texts(value)
    elif source == "file":
        content = _text(value).encode()
        asked.setdefault("files", []).append((key, (key, content)))
    else:
        asked.setdefault("params", {})[key] = _texts(value)


def _texts(value: Any) -> str | list[str]:
    return [_text(each) for each in value] if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
