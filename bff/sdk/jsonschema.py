"""The JSON Schemas of one handler's arguments and answer, under the names of their classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import CoreModeRef, DefsRef, GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

Json = dict[str, Any]
Asked = Sequence[tuple[str, JsonSchemaMode, TypeAdapter[Any]]]
"""Each argument's name, or ``return``; whether it comes or goes; and its type."""

REF = "#/components/schemas/"

_OURS = re.compile(r"bff_functions_[0-9a-f]+(_\d+)?__")
_PARTS = re.compile(r"([\][,])")
_BOUNDS = {
    "ge": "x-minimum",
    "gt": "x-exclusiveMinimum",
    "le": "x-maximum",
    "lt": "x-exclusiveMaximum",
}
"""JSON Schema has no bounds for dates; validators of OpenAPI documents take no words for them but extensions."""
_AS_THEY_ARE = frozenset([str, int, bool, type(None)])


class Schemas:
    """What was asked for, generated together so that names agree. Immutable."""

    def __init__(self, asked: Asked) -> None:
        try:
            found, named = _generated(asked, _Plainly)
        except _Ambiguous:
            found, named = _generated(asked, _Leniently)
        names = {name: _OURS.sub("", name) for name in named}
        self._found = {name: renamed(schema, names) for name, schema in found.items()}
        self.named: Json = {names[name]: renamed(schema, names) for name, schema in named.items()}

    def of(self, name: str) -> Json:
        """The schema of an argument, or of ``return``; text where nothing is checked."""
        return dict(self._found.get(name, {"type": "string"}))

    def followed(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema behind a reference."""
        reference = schema.get("$ref", "")
        return self.named.get(reference.removeprefix(REF), {}) if reference else schema


def renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """The same schema with its references under other names."""
    if isinstance(schema, dict):
        return {
            key: REF + names.get(value.removeprefix(REF), value.removeprefix(REF))
            if key == "$ref" and isinstance(value, str)
            else renamed(value, names)
            for key, value in schema.items()
        }
    return [renamed(each, names) for each in schema] if isinstance(schema, list) else schema


def _generated(asked: Asked, generator: type[GenerateJsonSchema]) -> tuple[Json, Json]:
    found, around = TypeAdapter.json_schemas(asked, ref_template=REF + "{model}", schema_generator=generator)
    return {name: schema for (name, _), schema in found.items()}, around.get("$defs", {})


class _Leniently(GenerateJsonSchema):
    """What has no JSON Schema is described as anything, rather than not at all."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def handle_invalid_for_json_schema(
        self, schema: core_schema.CoreSchema, error_info: str
    ) -> JsonSchemaValue:
        return {"description": "not described: it has no JSON Schema"}

    def date_schema(self, schema: core_schema.DateSchema) -> JsonSchemaValue:
        return {**super().date_schema(schema), **_bounds(schema)}

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:
        return {**super().time_schema(schema), **_bounds(schema)}

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        return {**super().datetime_schema(schema), **_bounds(schema)}

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value  # the order of generation is steady already

    def encode_default(self, dft: Any) -> Any:
        is_plain = type(dft) in _AS_THEY_ARE or (type(dft) in (list, dict) and not dft)
        return dft if is_plain else super().encode_default(dft)  # which makes a TypeAdapter of its type


def _bounds(schema: Mapping[str, Any]) -> Json:
    return {word: schema[bound].isoformat() for bound, word in _BOUNDS.items() if bound in schema}


class _Ambiguous(Exception):
    """Two classes have one name, or one class has a schema for what comes and another for what goes."""


class _Plainly(_Leniently):
    """Calls every class by its own name from the start. pydantic's generator takes names that nothing else can
    have, writes every schema twice, and then tries out which of them may be shorter: a third of its time.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._taken: dict[str, CoreModeRef] = {}

    def get_defs_ref(self, core_mode_ref: CoreModeRef) -> DefsRef:
        # ``module.Box:94…[module.Thing:95…]`` is ``Box[Thing]``, as in the method that this overrides.
        parts = (part.rsplit(":", 1)[0] for part in _PARTS.split(core_mode_ref[0]))
        name = self.normalize_name("".join(part.rpartition(".")[2] for part in parts))
        if self._taken.setdefault(name, core_mode_ref) != core_mode_ref:
            raise _Ambiguous
        return DefsRef(name)

    def generate_definitions(
        self, inputs: Sequence[tuple[Any, JsonSchemaMode, CoreSchema]]
    ) -> tuple[dict[tuple[Any, JsonSchemaMode], JsonSchemaValue], dict[DefsRef, JsonSchemaValue]]:
        found = {}
        for key, mode, schema in inputs:
            self._mode = mode
            found[key, mode] = self.generate_inner(schema)
        return found, self.definitions
