"""A page's model says which of its parts may be missing: ``notices: MayMiss[list[Notice]]``."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field
from pydantic.fields import FieldInfo

from bff.sdk.page import field_of

T = TypeVar("T")

KEYWORD = "x-bff-may-be-missing"
"""What the JSON Schema of such a member has, and with it the OpenAPI document and whatever is generated from that."""


class _Mark:
    """Found in a field's metadata. Never changes."""

    def __repr__(self) -> str:
        return "may be missing"


_MARK = _Mark()

MayMiss = Annotated[T | None, Field(default=None, json_schema_extra={KEYWORD: True}), _MARK]
"""A member of a page that the page can do without::

    class Home(BaseModel):
        name: str
        notices: MayMiss[list[str]]          # None where the service did not answer
        designs: MayMiss[list[str]] = []     # or what is written here

    return await aggregate(Home, name=users.get(…), notices=notices.get(…), designs=designs.get(…))

:func:`bff.aggregate` treats its part as ``optional`` does: a service's failure leaves the member's default and marks
the part missing. The schema says so to those who read pages.
"""


def missable(page: Any, name: str) -> FieldInfo | None:
    """The field that a keyword of the model's constructor fills, if it may be missing."""
    field = field_of(page, name)
    return field if field is not None and _MARK in field.metadata else None
