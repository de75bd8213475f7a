"""JSON Schemas under the names of classes: what the quick way says is what pydantic's own would say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from pydantic import BaseModel, Discriminator, Field, TypeAdapter, computed_field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from typing_extensions import TypedDict

from bff.sdk.jsonschema import REF, Asked, Schemas

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Row(TypedDict, total=False):
    id: int
    colour: Colour


@dataclass
class Spot:
    x: float
    y: float = 1.5


class Tree(BaseModel):
    """A tree of trees."""

    name: str = Field("leaf", description="as printed", examples=["oak"])
    below: list[Tree] = []
    more: dict[str, Tree] = {}


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    spot: Spot = Spot(1, 2)


class Box(BaseModel, Generic[T]):
    content: T
    when: datetime | None = None
    price: Annotated[Decimal, Field(ge=0)] = Decimal("1.5")


class Counted(BaseModel):
    many: int

    @computed_field
    def twice(self) -> int:
        return 2 * self.many


KINDS: list[Any] = [
    int,
    str | None,
    Colour,
    Row,
    list[Spot],
    Tree,
    Annotated[Cat | Dog, Discriminator("kind")],
    Box[Tree],
    Box[list[Box[int]]],
    dict[str, tuple[int, str]],
    Any,
]


def pydantic_s_own(asked: Asked) -> tuple[dict[str, Any], dict[str, Any]]:
    found, around = TypeAdapter.json_schemas(
        asked, ref_template=REF + "{model}", schema_generator=GenerateJsonSchema
    )
    return {name: schema for (name, _), schema in found.items()}, around.get("$defs", {})


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_it_says_what_pydantic_says(mode: JsonSchemaMode) -> None:
    """Of every kind of type, each alone and all together; the order of members is all that may differ."""
    asked = [(f"a{at}", mode, TypeAdapter[Any](kind)) for at, kind in enumerate(KINDS)]
    for some in (asked, *([one] for one in asked)):
        found, named = pydantic_s_own(some)
        schemas = Schemas(some)
        assert schemas.named == named
        assert {name: schemas.of(name) for name in found} == found


def test_what_comes_and_what_goes_keep_schemas_of_their_own() -> None:
    """Where a class has two, the names say which; pydantic finds them then."""
    asked: Asked = [
        ("body", "validation", TypeAdapter(Counted)),
        ("return", "serialization", TypeAdapter(Counted)),
    ]
    schemas = Schemas(asked)
    assert set(schemas.named) == {"Counted-Input", "Counted-Output"}
    assert set(schemas.followed(schemas.of("return"))["properties"]) == {"many", "twice"}
    assert schemas.of("body") == {"$ref": f"{REF}Counted-Input"}


def test_one_schema_both_ways_has_one_name() -> None:
    asked: Asked = [("body", "validation", TypeAdapter(Spot)), ("return", "serialization", TypeAdapter(Spot))]
    assert set(Schemas(asked).named) <= {"Spot", "Spot-Input", "Spot-Output"}


def test_two_classes_of_one_name_are_told_apart() -> None:
    """By their modules, as pydantic does it."""
    other = type("Cat", (BaseModel,), {"__annotations__": {"name": str}, "__module__": "elsewhere"})
    asked: Asked = [
        ("one", "validation", TypeAdapter(Cat)),
        ("other", "validation", TypeAdapter(other)),
    ]
    schemas = Schemas(asked)
    assert len(schemas.named) == 2
    assert set(schemas.followed(schemas.of("other"))["properties"]) == {"name"}


def test_the_bounds_of_dates_are_told_as_extensions() -> None:
    """JSON Schema has none for text; pydantic leaves them out."""
    day = TypeAdapter(Annotated[date, Field(ge=date(2020, 1, 1), lt=date(2036, 1, 1))])
    told = Schemas([("day", "validation", day)]).of("day")
    assert told["x-minimum"] == "2020-01-01"
    assert told["x-exclusiveMaximum"] == "2036-01-01"
    assert told["format"] == "date"
