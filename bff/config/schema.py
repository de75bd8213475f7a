"""The JSON Schema of routes.yaml, for editors and CI."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from bff.config.config import Config
from bff.config.units import (
    DURATION_PATTERN,
    REFERENCE_PATTERN,
    SHARE_PATTERN,
    SIZE_PATTERN,
    duration_text,
    share_text,
    size_text,
)

_REFERENCE = {"type": "string", "pattern": REFERENCE_PATTERN}


def json_schema() -> dict[str, Any]:
    """A draft 2020-12 schema without ``$id``; where a number or a flag may stand, so may a reference."""
    schema = Config.model_json_schema(schema_generator=_ForEditors)
    return {"$schema": _ForEditors.schema_dialect} | schema | {"title": "routes.yaml of bff"}


class _ForEditors(GenerateJsonSchema):
    """pydantic's schema of what may be *written*, which is more than what the models hold."""

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {"anyOf": [super().int_schema(schema), _REFERENCE]}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return {"anyOf": [super().bool_schema(schema), _REFERENCE]}

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        return {"anyOf": [super().literal_schema(schema), _REFERENCE]}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        written = super().default_schema(schema)
        if isinstance(written.get("default"), dict):
            del written["default"]  # a section's defaults are told at its own keys
        elif "default" in written:
            written["default"] = _written(written, written["default"])
        return written


def _written(schema: JsonSchemaValue, default: Any) -> Any:
    """A default as people write it: ``10s``, not ``10.0``."""
    patterns = {part.get("pattern") for part in [schema, *schema.get("anyOf", ())]}
    if DURATION_PATTERN in patterns and isinstance(default, float):
        return duration_text(default)
    if SHARE_PATTERN in patterns and isinstance(default, float):
        return share_text(default)
    if SIZE_PATTERN in patterns and isinstance(default, int):
        return size_text(default)
    return default
