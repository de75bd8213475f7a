"""A page's members one at a time, each as it will stand in the whole page, by the page's own rules.

What the declared type hides or shapes is hidden and shaped here too: a member is checked as an assignment to it
would be, and written by the page's own serializer. One that cannot be told alone is not told early.
"""

from __future__ import annotations

import types
import typing
from typing import Any, Protocol, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import from_json, to_json


class Parts(Protocol):
    """Who sends the parts of a page as they come."""

    def given(self, name: str, value: Any) -> None:
        """A part needs nobody: it goes along with the first that comes."""

    def part(self, name: str, value: Any) -> None:
        """A part has come."""


class Unfolder(Protocol):
    """Who answers the caller, and may do so part by part."""

    def unfold(self, media: str, page: Page) -> Parts:
        """Begin to, if nobody has yet, in this media type."""


class Page:
    """One model that a handler declares to return. Immutable after construction."""

    __slots__ = ("kind",)

    def __init__(self, kind: type[BaseModel]) -> None:
        self.kind = kind

    @classmethod
    def declared(cls, annotation: Any) -> Page | None:
        """The page of a return type, ``Home`` or ``Home | None``; None where it is no single model."""
        is_union = get_origin(annotation) in (types.UnionType, typing.Union)
        options = (
            [each for each in get_args(annotation) if each is not type(None)] if is_union else [annotation]
        )
        kind = options[0] if len(options) == 1 else None
        return cls(kind) if isinstance(kind, type) and issubclass(kind, BaseModel) else None

    def member(self, name: str, value: Any) -> tuple[str, bytes] | None:
        """The member's name and value in the page's JSON; None where it is not in it, or cannot be told before
        the others are there.
        """
        name = self._field(name)
        try:
            alone = _empty(self.kind)
            self.kind.__pydantic_validator__.validate_assignment(alone, name, value)
            written = self.kind.__pydantic_serializer__.to_json(
                alone, include={name}, by_alias=True, warnings="error"
            )
        except Exception:  # validators and serializers are anybody's code, and some need the other members
            return None
        return _only_member(written)

    def _field(self, name: str) -> str:
        """The field a keyword of the model's constructor fills."""
        fields = self.kind.model_fields
        if name in fields:
            return name
        return next((each for each, told in fields.items() if told.alias == name), name)


def member_name(page: Any, name: str) -> str:
    """What a part is called in the page's JSON."""
    return str(getattr(field_of(page, name), "serialization_alias", None) or name)


def field_of(page: Any, name: str) -> FieldInfo | None:
    """The field that a keyword of the model's constructor fills, called by its name or its alias."""
    fields: dict[str, FieldInfo] = getattr(page, "model_fields", {})
    return fields.get(name) or next((each for each in fields.values() if each.alias == name), None)


def _empty(kind: type[BaseModel]) -> BaseModel:
    """A model without a member, as ``model_construct`` makes one, but without defaults and hooks."""
    made = kind.__new__(kind)
    for name in ("__pydantic_extra__", "__pydantic_private__"):
        object.__setattr__(made, name, None)
    object.__setattr__(made, "__dict__", {})
    object.__setattr__(made, "__pydantic_fields_set__", set())
    return made


def _only_member(written: bytes) -> tuple[str, bytes] | None:
    """The one member of an object and its value as it stands there; None where there is not exactly one."""
    told = from_json(written)
    if not isinstance(told, dict) or len(told) != 1:
        return None
    name = next(iter(told))
    before = b"{" + to_json(name) + b":"
    return (name, written[len(before) : -1]) if written.startswith(before) else None
