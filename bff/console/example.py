"""A JSON value that fits a JSON Schema, to begin a form with. Pure.

What the schema's author wrote comes first: examples, defaults, constants, enumerations. The rest is as short as fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

DEEPEST = 6
"""Schemas within each other; one that contains itself ends there."""
_TEXTS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "PT1H",
    "email": "ann@example.com",
    "uri": "https://example.com/",
    "uuid": "3f2a9c1e-0000-4000-8000-000000000000",
    "binary": "",
}
_NAME = "#/components/schemas/"


def example_of(schema: Schema, schemas: Mapping[str, Schema], depth: int = 0) -> Any:
    """A value for it; ``schemas`` are those that references name."""
    schema = resolved(schema, schemas)
    said = _said(schema)
    if said:
        return said[0]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _first_of(schema[choice], schemas, depth)
    if "allOf" in schema:
        parts = [example_of(each, schemas, depth + 1) for each in schema["allOf"]]
        return {name: value for each in parts if isinstance(each, dict) for name, value in each.items()}
    return _of_type(schema, schemas, depth)


def resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """The schema that a chain of references leads to; an empty one where it leads nowhere."""
    for _ in range(DEEPEST):
        name = str(schema.get("$ref", ""))
        if not name:
            return schema
        schema = schemas.get(name.removeprefix(_NAME), {})
    return {}


def type_of(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    """The type of its values but null: ``string`` where several fit, or nothing is said."""
    schema = resolved(schema, schemas)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        kinds = next((each for each in kinds if each != "null"), "string")
    if kinds:
        return str(kinds)
    found = {type_of(each, schemas) for name in ("anyOf", "oneOf") for each in schema.get(name, ())}
    found.discard("null")
    return found.pop() if len(found) == 1 else "string"


def _said(schema: Schema) -> list[Any]:
    """What its author wrote, as a list of one."""
    if schema.get("examples"):
        return list(schema["examples"][:1])
    for name in ("example", "default", "const"):
        if name in schema:
            return [schema[name]]
    return list(schema.get("enum", ())[:1])


def _first_of(choices: list[Schema], schemas: Mapping[str, Schema], depth: int) -> Any:
    others = [each for each in choices if resolved(each, schemas).get("type") != "null"]
    return example_of(others[0], schemas, depth + 1) if others else None


def _of_type(schema: Schema, schemas: Mapping[str, Schema], depth: int) -> Any:
    kind = type_of(schema, schemas)
    if kind == "object" or "properties" in schema:
        return {} if depth >= DEEPEST else _object(schema, schemas, depth)
    if kind == "array":
        items = schema.get("items")
        if not items or depth >= DEEPEST or schema.get("maxItems", 1) < 1:
            return []
        return [example_of(items, schemas, depth + 1)]
    if kind in ("integer", "number"):
        return _number(schema)
    if kind == "string":
        text = "x" * schema.get("minLength", 0) or "text"[: schema.get("maxLength", 4)]
        return _TEXTS.get(schema.get("format", ""), text)
    return {"boolean": False}.get(kind)


def _object(schema: Schema, schemas: Mapping[str, Schema], depth: int) -> dict[str, Any]:
    """With what is required, and what has something to show."""
    required = schema.get("required", ())
    properties: Mapping[str, Schema] = schema.get("properties", {})
    return {
        name: example_of(each, schemas, depth + 1)
        for name, each in properties.items()
        if name in required or _said(resolved(each, schemas))
    }


def _number(schema: Schema) -> Any:
    """The least there is, or the greatest below zero; between two bounds that are out themselves, the middle."""
    above, most = schema.get("exclusiveMinimum"), schema.get("maximum", schema.get("exclusiveMaximum"))
    if above is not None:
        return above + 1 if most is None or above + 1 < most else (above + most) / 2
    if "minimum" in schema:
        return schema["minimum"]
    return 0 if most is None or most > 0 else most - ("exclusiveMaximum" in schema)
