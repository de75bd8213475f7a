"""A route's form has what its schema says, begun with values that fit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from bff.console.example import DEEPEST, example_of
from bff.console.routeforms import Field as FormField
from bff.console.routeforms import forms_of, wanted_of

INTEGER = {"type": "integer"}


class Item(BaseModel):
    design: str = Field(min_length=3)
    count: int = Field(ge=2, le=99)
    size: float | None = Field(gt=0.5, lt=0.9)
    kind: str = "oak"
    rest: list[str]


class Tree(BaseModel):
    name: str
    children: list[Tree]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"examples": ["a", "b"], "default": "c"}, "a"),
        ({"default": None, "anyOf": [{"type": "null"}]}, None),
        ({"enum": ["x", "y"], "type": "string"}, "x"),
        ({"const": 7}, 7),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, False),
        ({"anyOf": [{"type": "null"}]}, None),
        ({"allOf": [{"$ref": "#/components/schemas/A"}, {"type": "object", "properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"type": "array", "items": {"type": "number", "minimum": 5}}, [5]),
        ({"type": "array"}, []),
        ({"type": ["null", "integer"], "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -4}, -4),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"$ref": "#/components/schemas/Nowhere"}, "text"),
        ({"$ref": "#/components/schemas/Loop"}, "text"),
        ({}, "text"),
    ],
)  # fmt: skip
def test_what_its_author_wrote_comes_first(schema: dict[str, Any], value: object) -> None:
    """Then the shortest that fits; a reference that leads nowhere is anything."""
    schemas = {
        "A": {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]},
        "Loop": {"$ref": "#/components/schemas/Loop"},
    }
    assert example_of(schema, schemas) == value


@pytest.mark.parametrize("model", [Item, Tree])
def test_an_example_of_a_model_fits_it(model: type[BaseModel]) -> None:
    """By the schema itself, and by pydantic; a model within itself ends."""
    whole = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = whole.pop("$defs", {})
    value = example_of(whole, schemas)
    document = {**whole, "components": {"schemas": schemas}}
    depth = 0
    inner = value
    while isinstance(inner, dict) and inner.get("children"):
        inner, depth = inner["children"][0], depth + 1
    assert depth <= DEEPEST
    if model is Item:
        assert list(Draft202012Validator(document).iter_errors(value)) == []
        Item.model_validate(value)


JSON_SCHEMAS = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"const": 1}, {}]),
    lambda inner: st.one_of(
        st.builds(lambda each: {"type": "array", "items": each}, inner),
        st.builds(
            lambda each: {"type": "object", "properties": each, "required": sorted(each)},
            st.dictionaries(st.text(max_size=3), inner, max_size=3),
        ),
        st.builds(lambda each: {"anyOf": [{"type": "null"}, each]}, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=100)
@given(JSON_SCHEMAS)
def test_an_example_fits_its_schema(schema: dict[str, Any]) -> None:
    """Whatever it is made of."""
    assert list(Draft202012Validator(schema).iter_errors(example_of(schema, {}))) == []


def document(**operation: Any) -> dict[str, Any]:
    order = {"type": "object", "properties": {"count": {**INTEGER, "default": 2}}, "required": ["count"]}
    return {
        "paths": {
            "/api/{user_id}": {"get": {"tags": ["home"], "summary": "Home", **operation}},
            "/api/orders": {"post": {"tags": ["orders"], **operation}},
            "/files/{rest}": {"get": {"tags": ["files"]}},
        },
        "components": {"schemas": {"Order": order}},
    }


def field(schema: dict[str, Any], *, required: bool = False, where: str = "query", **more: Any) -> FormField:
    parameter = {"name": "x", "in": where, "required": required, "schema": schema, **more}
    return forms_of(document(parameters=[parameter]))[0].fields[0]


@pytest.mark.parametrize(
    ("schema", "kind", "choices"),
    [
        (INTEGER, "number", ()),
        ({"type": "string"}, "text", ()),
        ({"type": "boolean"}, "choice", ("true", "false")),
        ({"enum": ["a", 2, None]}, "choice", ("a", "2", "null")),
        ({"type": "array", "items": INTEGER}, "lines", ()),
        ({"anyOf": [INTEGER, {"type": "null"}]}, "number", ()),
        ({"anyOf": [INTEGER, {"type": "string"}]}, "text", ()),
        ({"$ref": "#/components/schemas/Order"}, "text", ()),
    ],
)
def test_a_parameter_is_a_field_of_its_kind(
    schema: dict[str, Any], kind: str, choices: tuple[str, ...]
) -> None:
    """Null is what is left empty."""
    made = field(schema)
    assert (made.kind, made.choices, made.value, made.key) == (kind, choices, "", "query.x")


def test_what_is_needed_begins_with_a_value_and_says_what_fits() -> None:
    """What may be left out is left out, and its default is told."""
    assert field(INTEGER, required=True, where="path").value == "0"
    assert field({"type": "array", "items": INTEGER}, required=True).value == "0"
    hint = field({**INTEGER, "minimum": 1, "maximum": 9, "default": 3}, description="How many.").hint
    assert hint == "integer, 1 to 9, 3 if absent. How many."


def test_a_body_is_begun_and_a_form_says_what_callers_show() -> None:
    """JSON where it is taken; other bodies begin empty."""
    schema = {"schema": {"$ref": "#/components/schemas/Order"}}
    said = {
        "requestBody": {"content": {"text/plain": {}, "application/json": schema}},
        "security": [{"jwt": []}, {}],
    }
    form = forms_of(document(**said))[1]
    assert (form.name, form.reads, form.kind, form.schemes) == (
        "POST /api/orders",
        False,
        "application/json",
        ("jwt",),
    )
    assert form.body == '{\n  "count": 2\n}'
    assert forms_of(document(requestBody={"content": {"text/plain": {}}}))[1].body == ""
    form = forms_of(document(requestBody={"content": {"multipart/form-data": {}, "text/plain": {}}}))[1]
    assert (form.kind, form.has_files) == ("text/plain", False)
    assert forms_of(document(requestBody={"content": {"multipart/form-data": {}}}))[1].has_files
    assert forms_of(document())[0].body is None


def test_a_route_is_found_by_its_template() -> None:
    """Also by one that says that it takes the rest of a path; else it is the first."""
    forms = forms_of(document())
    for name, path in (
        ("GET /files/{rest:path}", "/files/{rest}"), ("POST /api/orders", "/api/orders"), ("nothing", "/api/{user_id}"),
    ):  # fmt: skip
        found = wanted_of(forms, name)
        assert found is not None
        assert found.path == path
    owned = wanted_of(forms, "", "orders")
    assert owned is not None
    assert owned.path == "/api/orders"
    assert wanted_of([], "GET /") is None
    assert forms_of({}) == []
