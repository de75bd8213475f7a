"""A page's members one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator
from pydantic_core import from_json

from bff.sdk.page import Page, member_name


class Inner(BaseModel):
    shown: int


class Home(BaseModel):
    model_config = ConfigDict(frozen=True)

    inner: Inner
    doubled: int = Field(serialization_alias="twice")
    named: str = Field(default="", alias="called")
    private: str = Field(default="", exclude=True)
    whispered: str = "?"

    @field_validator("doubled")
    @classmethod
    def _double(cls, value: int) -> int:
        return value * 2

    @field_serializer("whispered")
    def _softly(self, value: str) -> str:
        return value.lower()


class Ordered(BaseModel):
    low: int
    high: int

    @model_validator(mode="after")
    def _is_ordered(self) -> Ordered:
        assert self.low < self.high
        return self


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("inner", Inner(shown=1), ("inner", b'{"shown":1}')),
        ("inner", {"shown": 1, "secret": 2}, ("inner", b'{"shown":1}')),
        ("doubled", 2, ("twice", b"4")),
        ("called", "Ann", ("called", b'"Ann"')),
        ("whispered", "HEY", ("whispered", b'"hey"')),
        ("private", "pin", None),
        ("inner", {"shown": "no number"}, None),
        ("stranger", 1, None),
    ],
)
def test_a_member_is_told_as_the_whole_page_would(name: str, value: Any, told: object) -> None:
    """Validators, serializers, aliases and exclusion are the page's own."""
    assert Page(Home).member(name, value) == told


def test_a_member_that_needs_the_others_is_not_told_early() -> None:
    assert Page(Ordered).member("low", 1) is None


@given(st.builds(dict, text=st.text(), number=st.floats() | st.integers(), many=st.lists(st.text())))
def test_every_member_alone_is_what_it_is_in_the_whole(values: dict[str, Any]) -> None:
    class Any_(BaseModel):
        text: str
        number: float | int
        many: list[str]

    try:
        whole = Any_(**values).model_dump_json(by_alias=True)
    except ValueError:
        return  # half a surrogate pair: there is no page
    for name, value in values.items():
        told = Page(Any_).member(name, value)
        assert told is not None
        assert from_json(told[1]) == from_json(whole)[name]


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (Home, Home),
        (Home | None, Home),
        (Home | Ordered, None),
        (list[Home], None),
        (dict[str, Home], None),
        (Point, None),
        (None, None),
        (Any, None),
    ],
)
def test_a_page_is_one_declared_model(annotation: Any, kind: type[BaseModel] | None) -> None:
    page = Page.declared(annotation)
    assert (page and page.kind) is kind


def test_members_go_by_their_names_in_the_json() -> None:
    assert member_name(Home, "doubled") == "twice"
    assert member_name(Home, "inner") == "inner"
    assert member_name(dict, "anything") == "anything"
