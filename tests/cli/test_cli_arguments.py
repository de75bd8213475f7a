"""Arguments given by name arrive where the handler looks for them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from starlette.requests import Request

from bff import Context, Cookie, File, Form, Header, Query
from bff.cli.arguments import Misplaced, placed
from bff.sdk.binding import compile_binder


class Order(BaseModel):
    id: int


async def from_query(ctx: Context, name: str, tags: list[str], limit: int = 3) -> None: ...
async def aliased(language: Annotated[str, Query("lang")] = "en") -> None: ...
async def from_head(
    accept_language: Annotated[str, Header()], who: Annotated[str, Cookie("sid")]
) -> None: ...
async def from_form(name: Annotated[str, Form()], file: Annotated[bytes, File()]) -> None: ...
async def from_body(order: Order, limit: int = 3) -> None: ...
async def raw(body: bytes) -> None: ...
async def anything(request: Request) -> None: ...


def asked(handler: Any, given: Any) -> dict[str, Any]:
    return placed(given, compile_binder(handler, (), is_async=True).parameters)


@pytest.mark.parametrize(
    ("handler", "given", "expected"),
    [
        (from_query, {"name": "x", "tags": ["a", "b"]}, {"params": {"name": "x", "tags": ["a", "b"]}}),
        (from_query, {"name": "x", "limit": 7}, {"params": {"name": "x", "limit": "7"}}),
        (from_query, {"name": "true", "limit": None}, {"params": {"name": "true"}}),
        (from_query, {}, {}),
        (from_query, None, {}),
        (aliased, {"language": "de"}, {"params": {"lang": "de"}}),
        (aliased, {"lang": "de"}, {"params": {"lang": "de"}}),
        (
            from_head,
            {"accept_language": "nl", "who": "ann"},
            {"headers": {"accept-language": "nl"}, "cookies": {"sid": "ann"}},
        ),
        (
            from_form,
            {"name": "x", "file": "é"},
            {"data": {"name": "x"}, "files": [("file", ("file", b"\xc3\xa9"))]},
        ),
        (anything, {"whatever": True}, {"params": {"whatever": "true"}}),
    ],
)
def test_each_key_goes_to_its_source(handler: Any, given: Any, expected: dict[str, Any]) -> None:
    """Query unless the handler says otherwise; lists repeat; null is absence; names and aliases both count."""
    assert asked(handler, given) == expected


@pytest.mark.parametrize("handler", [from_body, raw])
def test_for_a_handler_with_a_body_the_value_is_the_body(handler: Any) -> None:
    """Whole and as it is, of any JSON type."""
    for value in ({"id": 7, "limit": 1}, [1], "é", 0, False):
        options = asked(handler, value)
        assert json.loads(options["content"]) == value
        assert options["headers"] == {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("handler", "given", "why"),
    [
        (from_query, {"nam": "x"}, "no argument nam; did you mean name?"),
        (from_query, {"zzzzzz": 1}, "no argument zzzzzz; it takes limit, name, tags"),
        (from_query, {"ctx": 1}, "no argument ctx"),
        (from_query, [1], "the arguments are a JSON object"),
        (anything, "x", "the arguments are a JSON object"),
    ],
)
def test_what_the_handler_does_not_take_is_refused(handler: Any, given: Any, why: str) -> None:
    """A typo must not look like a default."""
    with pytest.raises(Misplaced, match=why.replace("?", r"\?")):
        asked(handler, given)
