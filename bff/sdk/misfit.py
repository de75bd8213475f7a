"""Values and types that do not fit: what to say of a value without quoting it (it may be an upstream's, and
private), and of a type that nothing can be checked against.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import GenericAlias, NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import SchemaError, core_schema

_KNOWN = frozenset(get_args(core_schema.ErrorType))
# Of pydantic's own messages, those that may hold a piece of the input.
_QUOTING = frozenset(
    [
        "value_error",
        "assertion_error",
        "union_tag_invalid",
        "get_attribute_error",
        "iteration_error",
        "invalid_key",
        "date_parsing",
        "date_from_datetime_parsing",
        "datetime_parsing",
        "datetime_from_date_parsing",
        "datetime_object_invalid",
        "time_parsing",
        "time_delta_parsing",
        "url_parsing",
        "url_syntax_violation",
        "uuid_parsing",
        "bytes_invalid_encoding",
    ]
)
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}|\[key\]|[0-9]+", re.ASCII)


_SCALARS = frozenset([str, int, float, bool, bytes, NoneType, list, dict])


class Uncheckable(Exception):
    """Nothing can be checked against a type; the text is pydantic's reason."""


def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """The validator and serializer of a type; of builtin types one for everybody, however often a handler that
    names them is warmed.

    Raises:
        Uncheckable: pydantic cannot make one, or a name inside the type is not defined.

    """
    return _shared(kind) if _is_plain(kind) else _made(kind)


def _is_plain(kind: Any) -> bool:
    """Builtin types and their combinations, which hold nothing of a function's: to keep one keeps no module."""
    arguments = get_args(kind)
    if not arguments:
        return kind in _SCALARS if isinstance(kind, type) else kind is None
    if get_origin(kind) in (Union, UnionType):
        # Of more options the order matters, and types that differ in it alone are equal.
        return len(arguments) == 2 and NoneType in arguments and all(map(_is_plain, arguments))
    return (
        isinstance(kind, GenericAlias) and get_origin(kind) in (list, dict) and all(map(_is_plain, arguments))
    )


def _made(kind: Any) -> TypeAdapter[Any]:
    try:
        adapter = TypeAdapter[Any](kind)
        if not adapter.pydantic_complete:  # it would only fail with the first value
            adapter.rebuild()
    except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, TypeError) as error:
        raise Uncheckable(str(error).partition("\n")[0].partition(". Set `arb")[0]) from error
    return adapter


_shared = lru_cache(maxsize=256)(_made)


def first_of(misfit: ValidationError) -> str:
    """Place and kind of the first misfit: ``at orders.3.price, input should be a valid number``.

    pydantic's own words where they are made of the type alone; a validator's text, a parser's complaint and
    a union's tag are only named by their kind.
    """
    first = misfit.errors(include_url=False, include_input=False, include_context=False)[0]
    # The keys of a dict are data too: what does not look like a field's name is not shown.
    parts = [str(part) if _FIELD.fullmatch(str(part)) else "…" for part in first["loc"][:10]]
    place = ".".join(parts) or "the top"
    kind, message = first["type"], first["msg"]
    if kind not in _KNOWN or kind in _QUOTING:
        return f"at {place}, it is refused ({kind})"
    return f"at {place}, {message[:1].lower()}{message[1:]}"


def is_no_json(misfit: ValidationError) -> bool:
    """Whether the text was no JSON at all."""
    return (
        misfit.errors(include_url=False, include_input=False, include_context=False)[0]["type"]
        == "json_invalid"
    )
