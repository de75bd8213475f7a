"""pydantic's errors in plain words, at their place in the file, with the key that was probably meant.

This is the only place that puts a value into a message, and it asks the tree whether the value may be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from bff.config.config import Config
from bff.config.endpoints import DiscoveryConfig, EndpointConfig
from bff.config.faults import FaultConfig
from bff.config.function import Defaults, FunctionConfig
from bff.config.gateway import CorsConfig, GatewayConfig, TelemetryConfig
from bff.config.mistake import KeyPath, Mistake, dotted
from bff.config.names import suggest
from bff.config.resilience import BalanceConfig, BudgetConfig, HedgeConfig, OutlierConfig, RetriesConfig
from bff.config.route import RouteConfig
from bff.config.scale import ScaleConfig
from bff.config.service import ServiceConfig
from bff.config.tree import Node, Place, Scalar, find, may_show

_NOT_A_MAPPING = "is not a mapping; write its settings as key: value"
_NOT_A_LIST = "is not a list; write [a, b] or one '- item' per line"
_NOT_TEXT = "is not text; put it in quotes"
_SENTENCES = {
    "string_type": _NOT_TEXT,
    "string_unicode": "is not valid UTF-8 text",
    "path_type": _NOT_TEXT,
    "bool_type": "is neither true nor false",
    "int_type": "is not a whole number",
    "dict_type": _NOT_A_MAPPING,
    "mapping_type": _NOT_A_MAPPING,
    "model_type": _NOT_A_MAPPING,
    "model_attributes_type": _NOT_A_MAPPING,
    "tuple_type": _NOT_A_LIST,
    "greater_than_equal": "is too small; the least is {ge}",
    "less_than_equal": "is too large; the most is {le}",
    "literal_error": "is not one of {expected}",
}
# How our own validators' messages begin when the value is their subject.
_VERBS = frozenset({"is", "needs", "must", "has", "belongs", "lists", "names"})
_SECTIONS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Config,
    ("gateway",): GatewayConfig,
    ("gateway", "cors"): CorsConfig,
    ("telemetry",): TelemetryConfig,
    ("defaults",): Defaults,
    ("services", "*"): ServiceConfig,
    ("services", "*", "retries"): RetriesConfig,
    ("services", "*", "retries", "budget"): BudgetConfig,
    ("services", "*", "hedge"): HedgeConfig,
    ("services", "*", "outlier_detection"): OutlierConfig,
    ("services", "*", "balance"): BalanceConfig,
    ("services", "*", "endpoints", "*"): EndpointConfig,
    ("services", "*", "discovery"): DiscoveryConfig,
    ("services", "*", "faults", "*"): FaultConfig,
    ("defaults", "scale"): ScaleConfig,
    ("functions", "*", "scale"): ScaleConfig,
    ("functions", "*"): FunctionConfig,
    ("routes", "*"): RouteConfig,
}


def spoken(errors: Iterable[ErrorDetails], root: Node, file: str, broken: set[KeyPath]) -> Iterator[Mistake]:
    """A mistake for each place that has errors; what is ``broken`` was spoken of already."""
    seen: set[KeyPath] = set()
    for error in errors:
        path = tuple(part for part in error["loc"] if part != "[key]")
        if path in seen or any(path[:depth] in broken for depth in range(1, len(path) + 1)):
            continue
        seen.add(path)
        yield _mistake(error, path, find(root, path), file)


def _mistake(error: ErrorDetails, path: KeyPath, place: Place, file: str) -> Mistake:
    is_about_key = error["type"] == "extra_forbidden" or error["loc"][-1] == "[key]"
    line, column = place.at_key if is_about_key else place.at_value
    if error["type"] == "missing":
        key, message = path, "is missing"
    elif error["type"] == "extra_forbidden":
        key, message = path, _unknown_key(path)
    else:
        key, message = place.path, _sentence(error, place, is_about_key=is_about_key)
    return Mistake(file=file, line=line, column=column, key=dotted(key), message=message)


def _unknown_key(path: KeyPath) -> str:
    known = known_keys(path[:-1])
    meant = suggest(str(path[-1]), known)
    return f"unknown key{meant or '; known are ' + ', '.join(known)}"


def known_keys(path: KeyPath) -> list[str]:
    """The keys that may stand in the mapping at a key path."""
    # The parts that users name, and indices of lists, match the star.
    named = path[:1] in (("services",), ("functions",), ("routes",))
    general = tuple(
        "*" if isinstance(part, int) or (at == 1 and named) else str(part) for at, part in enumerate(path)
    )
    fields = _SECTIONS[general].model_fields
    return [field.alias or name for name, field in fields.items() if field.alias != "$schema"]


def _sentence(error: ErrorDetails, place: Place, *, is_about_key: bool) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    is_empty = isinstance(place.node, Scalar) and error["input"] is None
    if is_empty and not is_about_key:
        return "has no value; write one or remove the key"
    sentence = _SENTENCES.get(error["type"], "").format(**context) or error["msg"]
    hint = str(context.get("hint", "")) if is_about_key or may_show(place.node) else ""
    return _subject(sentence, place, is_about_key=is_about_key) + sentence + hint


def _subject(sentence: str, place: Place, *, is_about_key: bool) -> str:
    if sentence.partition(" ")[0] not in _VERBS:
        return ""
    if is_about_key:
        return "this name "
    if isinstance(place.node, Scalar):
        return f"{place.quoted or 'the value'} "
    return "this "
