"""pydantic's errors in plain words, at their place in the file, with the key that was probably meant.

This is the only place that puts a value into a message, and it asks the tree whether the value may be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from bff.config.config import Config
from bff.config.mistake import KeyPath, Mistake, dotted
from bff.config.names import suggest
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
    "greater_than": "is too small; it must be more than {gt:g}",
    "less_than_equal": "is too large; the most is {le}",
    "literal_error": "is not one of {expected}",
    "too_short": "is an empty list; name at least {min_length}",
}
# How our own validators' messages begin when the value is their subject.
_VERBS = frozenset({"is", "needs", "must", "has", "belongs", "lists", "names"})


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
    """The keys that may stand in the mapping at a key path, told by the models; none where there is no telling."""
    kinds: list[Any] = [Config]
    for part in path:
        kinds = [below for kind in kinds for below in _below(kind, part)]
    fields = {alias: None for kind in kinds if _is_section(kind) for alias in _fields(kind)}
    return [alias for alias in fields if alias != "$schema"]


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    """What may stand at one step further: a section's field, or an entry of a mapping or list."""
    if _is_section(kind):
        yield from _options(_fields(kind).get(str(part)))
    elif get_args(kind):
        yield from _options(get_args(kind)[1 if issubclass(get_origin(kind), Mapping) else 0])


def _options(annotation: Any) -> Iterator[Any]:
    """The sections and collections among what an annotation allows."""
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    elif _is_section(annotation) or isinstance(get_origin(annotation), type):
        yield annotation


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _fields(section: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}


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
