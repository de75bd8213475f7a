"""What handlers say of themselves to front-end teams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

import bff
from bff import aggregate
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.context import Context
from bff.sdk.describe import Described, describe, unread
from bff.sdk.handler import ContractBroken, find
from bff.sdk.parameters import Body, Cookie, File, Form, Header, Query
from bff.sdk.serversent import ServerSentEvent

LINES = ("application/x-ndjson", "text/event-stream")


class Wanted(BaseModel):
    text: str
    most: Annotated[int, Field(ge=1, le=100)] = 20


class Part(BaseModel):
    name: str = Field(description="as printed", examples=["Ada"])


class Page(BaseModel):
    """A whole page."""

    head: Part
    notices: list[str] | None
    news: Part | None = None


@dataclass
class Point:
    x: int


def described(
    call: Callable[..., Any], path: tuple[str, ...] = (), *, doc: str | None = "A page.\n\nAbout it."
) -> Described:
    module = ModuleType("page", doc)
    module.handle = call  # type: ignore[attr-defined]
    return describe(module, find(module), path)


def returning(annotation: Any) -> Described:
    async def handle() -> Any: ...

    handle.__annotations__["return"] = annotation
    return described(handle)


def test_words_come_from_the_module_and_the_handler() -> None:
    """The first paragraph is the summary, without its full stop; the handler's own words follow the rest."""

    async def handle() -> None:
        """How it is called."""

    said = described(handle, doc="A page\nof two lines.\n\nAbout it.")
    assert said.summary == "A page of two lines"
    assert said.description == "About it.\n\nHow it is called."
    assert described(handle, doc=None).summary == "How it is called"


def test_each_argument_is_described_where_it_comes_from() -> None:
    """Path, query, header and cookie, in this order; the context and the request are nobody's business."""

    async def handle(
        ctx: Context,
        request: Request,
        limit: Annotated[int, Field(ge=1, description="how many")] = 5,
        user_id: int = 0,
        tags: Annotated[list[str], Query("tag")] = [],  # noqa: B006
        x_token: Annotated[str, Header()] = "none",
        seen: Annotated[str | None, Cookie()] = None,
        *,
        wanted: str,
    ) -> None: ...

    assert described(handle, ("user_id",)).parameters == (
        {"name": "user_id", "in": "path", "required": True, "schema": {"type": "integer"}},
        {
            "name": "limit",
            "in": "query",
            "description": "how many",
            "required": False,
            "schema": {"type": "integer", "minimum": 1, "default": 5},
        },
        {
            "name": "tag",
            "in": "query",
            "required": False,
            "schema": {"type": "array", "items": {"type": "string"}, "default": []},
        },
        {
            "name": "x-token",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "default": "none"},
        },
        {"name": "seen", "in": "cookie", "required": False, "schema": {"type": "string"}},
        {"name": "wanted", "in": "query", "required": True, "schema": {"type": "string"}},
    )


def test_a_path_parameter_nobody_names_is_text() -> None:
    """A handler that takes the whole request reads it itself."""

    async def handle(request: Request) -> str: ...

    said = described(handle, ("rest",))
    assert said.parameters == (
        {"name": "rest", "in": "path", "required": True, "schema": {"type": "string"}},
    )
    assert not said.validates


def test_a_default_that_is_no_json_is_left_out() -> None:
    async def handle(at: Annotated[Any, Query()] = object()) -> None: ...  # noqa: B008

    assert described(handle).parameters[0]["schema"] == {}


def test_null_among_other_options_goes_and_the_others_stay() -> None:
    """Text in a query is never null; two real options stay an anyOf."""

    async def handle(one: int | str | None = None, other: int | str = 0) -> None: ...

    one, other = (each["schema"] for each in described(handle).parameters)
    assert one == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert other == {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 0}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Wanted, {"application/json": {"schema": {"$ref": "#/components/schemas/Wanted"}}}),
        (Annotated[int, Body()], {"application/json": {"schema": {"type": "integer"}}}),
        (bytes, {"application/octet-stream": {}}),
    ],
)
def test_a_body_is_described_with_its_media_type(kind: Any, content: Any) -> None:
    async def handle(it: Any) -> None: ...

    handle.__annotations__["it"] = kind
    body = described(handle).body
    assert body is not None
    assert body["content"] == content
    assert body["required"] == (kind is not bytes)


def test_an_event_is_described_as_a_cloud_event() -> None:
    async def handle(event: CloudEvent) -> None: ...

    body = described(handle).body
    assert body is not None
    assert body["content"]["application/cloudevents+json"]["schema"]["required"] == [
        *("specversion", "id", "source", "type")
    ]


def test_forms_say_which_encodings_can_carry_them() -> None:
    """Fields alone come either way; a file only in multipart."""

    async def fields(title: Annotated[str, Form()], size: Annotated[int, Form()] = 1) -> None: ...

    async def upload(picture: UploadFile, others: Annotated[list[bytes], File()]) -> None: ...

    fielded, uploaded = described(fields).body, described(upload).body
    assert fielded is not None and uploaded is not None  # noqa: PT018
    assert list(fielded["content"]) == ["application/x-www-form-urlencoded", "multipart/form-data"]
    form = fielded["content"]["multipart/form-data"]["schema"]
    assert form["properties"] == {"title": {"type": "string"}, "size": {"type": "integer"}}
    assert form["required"] == ["title"]
    assert list(uploaded["content"]) == ["multipart/form-data"]
    one = {"type": "string", "contentMediaType": "application/octet-stream"}
    assert uploaded["content"]["multipart/form-data"]["schema"]["properties"] == {
        "picture": one,
        "others": {"type": "array", "items": one},
    }


@pytest.mark.parametrize(
    ("annotation", "status", "content"),
    [
        (str, "200", {"text/plain": {"schema": {"type": "string"}}}),
        (bytes, "200", {"application/octet-stream": {}}),
        (HTMLResponse, "200", {"text/html": {}}),
        (JSONResponse, "200", {"application/json": {}}),
        (Response, "200", {"*/*": {}}),
        (Any, "200", {"application/json": {}}),
        (list[int], "200", {"application/json": {"schema": {"type": "array", "items": {"type": "integer"}}}}),
        (Page, "200", {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}),
        (tuple[Page, int], "200", {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}),
        (Point, "200", {"application/json": {"schema": {"$ref": "#/components/schemas/Point"}}}),
        (
            AsyncIterator[Part],
            "200",
            {kind: {"schema": {"$ref": "#/components/schemas/Part"}} for kind in LINES},
        ),
        (AsyncIterator[ServerSentEvent], "200", {"text/event-stream": {"schema": {"type": "string"}}}),
        (AsyncIterator[str], "200", {"text/plain": {}}),
        (AsyncIterator[bytes], "200", {"application/octet-stream": {}}),
        (None, "204", None),
    ],
)
def test_an_answer_is_described_by_the_return_type(annotation: Any, status: str, content: Any) -> None:
    (told,) = returning(annotation).answers.items()
    assert told[0] == status
    assert told[1].get("content") == content


def test_parts_that_may_be_null_are_named() -> None:
    """They are those that Bff-Missing can name; a list of pages has no parts of its own."""
    assert returning(Page).missable == ("notices", "news")
    assert returning(list[Page]).missable == ()
    assert returning(AsyncIterator[Page]).missable == ()


def test_schemas_keep_descriptions_and_examples() -> None:
    said = returning(Page).schemas
    assert said["Page"]["description"] == "A whole page."
    assert said["Part"]["properties"]["name"]["examples"] == ["Ada"]


def test_two_models_of_one_name_are_told_apart() -> None:
    """pydantic names them by their modules; the gateway's own name for a revision is not among them."""

    def part(module: str) -> type[BaseModel]:
        return type("Part", (BaseModel,), {"__module__": module, "__annotations__": {module[-1]: int}})

    one, other = part("bff_functions_0123456789abcdef.a"), part("bff_functions_0123456789abcdef_2.b")
    assert set(returning(tuple[one, other, int]).schemas) == {"a__Part", "b__Part"}


def test_what_has_no_json_schema_is_described_as_anything() -> None:
    class Strange(BaseModel):
        call: Callable[[], int] = Field(default=lambda: 1)

    said = returning(Strange).schemas["Strange"]["properties"]["call"]
    assert said["description"].startswith("not described")


def test_an_application_answers_whatever_it_likes() -> None:
    module = ModuleType("site", "A site.")
    module.app = lambda scope, receive, send: None  # type: ignore[attr-defined]
    said = describe(module, find(module), ("rest",))
    assert said.summary == "A site"
    assert [parameter["name"] for parameter in said.parameters] == ["rest"]
    assert list(said.answers) == ["2XX", "3XX"]
    assert said.answers_alone
    assert not said.validates


def test_a_route_that_does_not_fit_is_a_broken_contract() -> None:
    async def handle() -> None: ...

    with pytest.raises(ContractBroken, match="user_id"):
        described(handle, ("user_id",))


def test_of_what_cannot_be_asked_the_path_is_told() -> None:
    said = unread(("a", "b"))
    assert [parameter["name"] for parameter in said.parameters] == ["a", "b"]
    assert "could not be loaded" in said.description


def test_a_page_whose_handler_aggregates_it_may_unfold() -> None:
    """Told from its code: by the name it was imported as, through the package, and in a function inside."""

    async def by_name() -> Page:
        return await aggregate(Page, head=Part(name="a"))

    async def through_the_package() -> Page | None:
        return await bff.aggregate(Page, head=Part(name="a"))

    async def inside() -> Page:
        async def make() -> Page:
            return await aggregate(Page, head=Part(name="a"))

        return await make()

    async def whole() -> Page:
        return Page(head=Part(name="a"), notices=None)

    async def no_page() -> dict[str, Any]:
        return dict(await aggregate(dict, head=1))

    assert [described(call).unfolds for call in (by_name, through_the_package, inside)] == [True] * 3
    assert [described(call).unfolds for call in (whole, no_page)] == [False] * 2
