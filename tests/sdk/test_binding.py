"""Every place a handler's argument may come from, and what a caller hears when it does not fit.

The annotations of this file are texts (``from __future__ import annotations``), as in most functions.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import annotated_types as at
import pytest
from pydantic import BaseModel, BeforeValidator, Field
from starlette.datastructures import UploadFile
from starlette.requests import Request
from typing_extensions import TypedDict

from bff.errors import BadRequest, BodyTooLarge, CallerLeft, UnsupportedMediaType, ValidationFailed
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.context import SyncContext
from bff.sdk.parameters import Body as Body
from bff.sdk.parameters import Cookie, File, Form, Header, Path, Query

pytestmark = pytest.mark.anyio

Bind = Callable[..., Awaitable[Any]]


class Item(BaseModel):
    name: str
    price: float = Field(gt=0)


class Book(BaseModel):
    title: str


@dataclass
class Point:
    x: int
    y: int = 0


class Options(TypedDict):
    dark: bool


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def errors_of(failure: pytest.ExceptionInfo[ValidationFailed]) -> set[tuple[str, str, str]]:
    return {(error["in"], error["field"], error["type"]) for error in failure.value.errors}


def multipart(*parts: tuple[str, bytes]) -> dict[str, Any]:
    """A multipart request of (head after ``form-data; ``, content) parts."""
    body = b"".join(
        b"--edge\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + content + b"\r\n"
        for head, content in parts
    )
    return {
        "method": "POST",
        "body": body + b"--edge--\r\n",
        "headers": [("content-type", "multipart/form-data; boundary=edge")],
    }


def urlencoded(body: bytes) -> dict[str, Any]:
    return {
        "method": "POST",
        "body": body,
        "headers": [("content-type", "application/x-www-form-urlencoded")],
    }


async def test_a_name_in_the_routes_path_comes_from_the_path(bind: Bind) -> None:
    """A path parameter is matched by name and converted to the argument's type."""

    def handle(user_id: int, slug: str) -> Any:
        return user_id, slug

    assert await bind(handle, path={"user_id": "7", "slug": "a b"}) == (7, "a b")


async def test_a_path_parameter_may_have_another_name_in_the_function(bind: Bind) -> None:
    """``Annotated[…, Path("user-id")]`` names the parameter where Python could not."""

    def handle(user: Annotated[int, Path("user-id")]) -> Any:
        return user

    assert await bind(handle, path={"user-id": "7"}) == 7


async def test_everything_else_simple_comes_from_the_query(bind: Bind) -> None:
    """Scalars, dates, ids, enums and literals are read from the query string."""

    def handle(
        limit: int,
        ratio: float,
        dark: bool,
        day: date,
        key: UUID,
        colour: Colour,
        sort: Literal["up", "down"],
    ) -> Any:
        return limit, ratio, dark, day, key, colour, sort

    key = UUID(int=5)
    assert await bind(
        handle, query=f"limit=3&ratio=.5&dark=true&day=2024-02-29&key={key}&colour=red&sort=up"
    ) == (3, 0.5, True, date(2024, 2, 29), key, Colour.RED, "up")


async def test_of_a_repeated_query_field_the_last_counts(bind: Bind) -> None:
    """``?n=1&n=2`` is 2 for a single value, and both for a list, in order."""

    def one(n: int) -> Any:
        return n

    def all_of_them(n: list[int]) -> Any:
        return n

    assert await bind(one, query="n=1&n=2") == 2
    assert await bind(all_of_them, query="n=1&n=2&n=1") == [1, 2, 1]


async def test_lists_sets_and_tuples_take_every_occurrence(bind: Bind) -> None:
    """Any collection of simple values is filled from all fields of that name, also an optional one."""

    def handle(
        tags: Annotated[set[str], Query("tag")], pair: tuple[int, int], more: list[int] | None = None
    ) -> Any:
        return tags, pair, more

    assert await bind(handle, query="tag=a&tag=b&tag=a&pair=1&pair=2&more=9") == ({"a", "b"}, (1, 2), [9])


async def test_percent_encoding_and_plus_are_decoded_and_blank_values_kept(bind: Bind) -> None:
    """``?q=a+b%26c&empty=`` gives ``a b&c`` and an empty text, not an absent one."""

    def handle(q: str, empty: str) -> Any:
        return q, empty

    assert await bind(handle, query="q=a+b%26c&empty=") == ("a b&c", "")


async def test_a_field_that_is_absent_is_the_default(bind: Bind) -> None:
    """Defaults stand in for every source, untouched and unvalidated."""
    nothing = object()

    def handle(
        a: int = 3,
        b: str | None = None,
        c: Annotated[str, Header()] = "h",
        d: Annotated[str, Cookie()] = "c",
        e: Any = nothing,
        f: Optional[int] = None,  # noqa: UP045 - the old spelling is what is tried
    ) -> Any:
        return a, b, c, d, e, f

    assert await bind(handle) == (3, None, "h", "c", nothing, None)


async def test_unions_take_the_option_that_fits(bind: Bind) -> None:
    """``int | str`` is an int where it can be one, else a text."""

    def handle(n: int | str) -> Any:
        return n

    assert await bind(handle, query="n=4") in (4, "4")
    assert await bind(handle, query="n=four") == "four"


async def test_constraints_of_annotated_hold(bind: Bind) -> None:
    """``Annotated[int, Ge(1), Le(50)]`` refuses 51 and names the field."""

    def handle(
        limit: Annotated[int, at.Ge(1), at.Le(50)] = 12, q: Annotated[str, Field(max_length=3)] = ""
    ) -> Any:
        return limit, q

    assert await bind(handle, query="limit=50&q=abc") == (50, "abc")
    with pytest.raises(ValidationFailed) as failure:
        await bind(handle, query="limit=51&q=abcd")
    assert errors_of(failure) == {
        ("query", "limit", "less_than_equal"),
        ("query", "q", "string_too_long"),
    }


async def test_headers_are_found_by_their_own_name(bind: Bind) -> None:
    """An argument's ``_`` is a header's ``-``; an alias is compared without case."""

    def handle(
        x_token: Annotated[str, Header()],
        agent: Annotated[str, Header("User-Agent")],
        tries: Annotated[int, Header("X_Tries")] = 0,
    ) -> Any:
        return x_token, agent, tries

    got = await bind(handle, headers=[("X-Token", "t"), ("user-agent", "curl"), ("X_TRIES", "2")])
    assert got == ("t", "curl", 2)


async def test_a_repeated_header_is_a_list_or_one_joined_text(bind: Bind) -> None:
    """RFC 9110 §5.3: a list argument gets each field, a text gets them joined by commas."""

    def handle(accept: Annotated[list[str], Header()], joined: Annotated[str, Header("accept")]) -> Any:
        return accept, joined

    got = await bind(handle, headers=[("accept", "a"), ("accept", "b")])
    assert got == (["a", "b"], "a, b")


async def test_a_marker_inside_an_optional_still_counts(bind: Bind) -> None:
    """``Annotated[str, Header()] | None`` comes from the header, never silently from the query."""

    def handle(x_role: Annotated[str, Header()] | None = None) -> Any:
        return x_role

    assert await bind(handle, query="x_role=admin") is None
    assert await bind(handle, headers=[("x-role", "reader")]) == "reader"


async def test_a_marker_may_be_its_class(bind: Bind) -> None:
    """``Annotated[str, Header]`` is as good as ``Annotated[str, Header()]``."""

    def handle(x_role: Annotated[str, Header]) -> Any:
        return x_role

    assert await bind(handle, headers=[("x-role", "reader")]) == "reader"


async def test_cookies_come_from_all_cookie_fields(bind: Bind) -> None:
    """HTTP/2 splits cookies over several fields; each is found, converted and named when wrong."""

    def handle(theme: Annotated[str, Cookie()], size: Annotated[int, Cookie("font-size")] = 1) -> Any:
        return theme, size

    assert await bind(handle, headers=[("cookie", "a=b; theme=dark"), ("cookie", "font-size=3")]) == (
        "dark",
        3,
    )
    with pytest.raises(ValidationFailed) as failure:
        await bind(handle, headers=[("cookie", "font-size=big")])
    assert errors_of(failure) == {("cookie", "theme", "missing"), ("cookie", "font-size", "int_parsing")}


@pytest.mark.parametrize(
    ("annotation", "document", "bound"),
    [
        ("Item", {"name": "pen", "price": 2}, Item(name="pen", price=2)),
        ("list[Item]", [{"name": "pen", "price": 2}], [Item(name="pen", price=2)]),
        ("Item | Book", {"title": "Emma"}, Book(title="Emma")),
        ("Item | None", None, None),
        ("dict", {"a": [1]}, {"a": [1]}),
        ("dict[str, int]", {"a": 1}, {"a": 1}),
        ("list[dict[str, int]]", [{"a": 1}], [{"a": 1}]),
        ("Point", {"x": 1}, Point(1)),
        ("Options", {"dark": True}, {"dark": True}),
        ("Annotated[int, Body()]", 7, 7),
        ("Annotated[list[str], Body()]", ["a"], ["a"]),
        ("Annotated[Any, Body()]", [1, "a"], [1, "a"]),
    ],
)
async def test_a_model_like_argument_is_the_json_body(
    bind: Bind, annotation: str, document: Any, bound: Any
) -> None:
    """Models, lists and unions of them, dataclasses, typed and plain dicts, and anything marked ``Body()``."""

    def handle(given: Any) -> Any:
        return given

    handle.__annotations__["given"] = annotation
    body = b"null" if document is None else None
    request: dict[str, Any] = {"method": "POST"}
    if body is not None:
        request |= {"body": body, "headers": [("content-type", "application/json")]}
    else:
        request["json_body"] = document
    assert await bind(handle, **request) == bound


async def test_a_body_may_come_in_pieces_and_with_a_charset(bind: Bind) -> None:
    """Chunks are put together; ``application/json; charset=utf-8`` and ``+json`` types are JSON."""

    def handle(item: Item) -> Any:
        return item.name

    for media_type in ("application/json; charset=utf-8", "application/vnd.shop+json", "APPLICATION/JSON"):
        pieces = [b'{"name": "p', b"", b'en", "price": 1}']
        assert await bind(handle, method="POST", body=pieces, headers=[("content-type", media_type)]) == "pen"


async def test_a_body_that_is_absent_is_missing_or_the_default(bind: Bind) -> None:
    """A required body that did not come is one 422 error without a field name."""

    def needs(item: Item) -> Any:
        return item

    def can_do_without(item: Item | None = None) -> Any:
        return item

    with pytest.raises(ValidationFailed) as failure:
        await bind(needs, method="POST")
    assert errors_of(failure) == {("body", "", "missing")}
    assert await bind(can_do_without, method="POST") is None


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("content-type", "text/plain")], b'{"name": "pen", "price": 1}'),
        ([("content-type", "application/x-www-form-urlencoded")], b"name=pen"),
        ([], b'{"name": "pen", "price": 1}'),
    ],
)
async def test_a_body_of_another_kind_is_415(bind: Bind, headers: Any, body: bytes) -> None:
    """What is not said to be JSON is not guessed to be: pages of other origins could send it unasked."""

    def handle(item: Item) -> Any:
        return item

    with pytest.raises(UnsupportedMediaType, match="application/json"):
        await bind(handle, method="POST", body=body, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 100_000,
        b'{"name": NaN, "price": 1}',
        b'{"name": "a", "price": Infinity}',
        b'{"name": "a", "name": "b", "price": 1}',
        b'{"name": "\xff", "price": 1}',
        b'{"name": "\\ud800", "price": 1}',
        b"\xef\xbb\xbf{}",
        b'{"name": "a", "price": 1} x',
        b"'a'",
    ],
    ids=[
        "cut",
        "deep",
        "NaN",
        "Infinity",
        "duplicate",
        "not UTF-8",
        "surrogate",
        "BOM",
        "trailing",
        "quotes",
    ],
)
async def test_a_body_that_is_not_strict_json_is_400(bind: Bind, body: bytes) -> None:
    """Each is the caller's mistake and says what and where; nothing is guessed or dropped in silence."""

    def handle(item: Item) -> Any:
        return item

    with pytest.raises(BadRequest, match="body is not"):
        await bind(handle, method="POST", body=body, headers=[("content-type", "application/json")])


async def test_a_body_over_the_limit_is_refused(bind: Bind) -> None:
    """By what it announces before a byte is read, else by what it brings."""

    def handle(item: Item) -> Any:
        return item

    json_type = ("content-type", "application/json")
    for headers in ([json_type, ("content-length", "11")], [json_type]):
        with pytest.raises(BodyTooLarge, match="10 bytes"):
            await bind(handle, method="POST", body=[b"[1,2,", b"3,4,5]"], headers=headers, max_body=10)


async def test_a_caller_who_leaves_in_the_middle_of_a_body_is_no_failure_of_the_function(bind: Bind) -> None:
    """A cut body is never bound as if it were whole."""

    def handle(body: bytes) -> Any:
        return body

    with pytest.raises(CallerLeft):
        await bind(handle, method="POST", body=[])


async def test_bytes_are_the_raw_body_whatever_its_type(bind: Bind) -> None:
    """No media type is asked for, and an empty body is empty bytes."""

    def handle(body: bytes) -> Any:
        return body

    assert await bind(handle, method="POST", body=[b"\x00", b"\xff"]) == b"\x00\xff"
    assert await bind(handle) == b""


async def test_form_fields_come_from_both_kinds_of_form(bind: Bind) -> None:
    """url-encoded and multipart fields are the same to a function, repeated ones too."""

    def handle(
        name: Annotated[str, Form()], age: Annotated[int, Form("years")], tag: Annotated[list[str], Form()]
    ) -> Any:
        return name, age, tag

    expected = ("Ann Ö", 4, ["x", "y"])
    assert await bind(handle, **urlencoded(b"name=Ann+%C3%96&years=4&tag=x&tag=y")) == expected
    parts = [
        ('name="name"', "Ann Ö".encode()),
        ('name="years"', b"4"),
        ('name="tag"', b"x"),
        ('name="tag"', b"y"),
    ]
    assert await bind(handle, **multipart(*parts)) == expected


async def test_a_file_comes_as_an_upload_or_as_bytes(bind: Bind) -> None:
    """``UploadFile`` is recognised by its type, ``bytes`` need the ``File()`` marker; both may be lists."""

    def upload(photo: UploadFile, more: list[UploadFile], note: Annotated[str, Form()] = "") -> Any:
        return photo.filename, photo.file.read(), [each.filename for each in more], note

    def content(photo: Annotated[bytes, File()], more: Annotated[list[bytes], File()]) -> Any:
        return photo, more

    request = multipart(
        ('name="photo"; filename="a.png"', b"\x89PNG"),
        ('name="more"; filename="1"', b"one"),
        ('name="more"; filename="2"', b"two"),
        ('name="note"', b"hi"),
    )
    assert await bind(upload, **request) == ("a.png", b"\x89PNG", ["1", "2"], "hi")
    assert await bind(content, **request) == (b"\x89PNG", [b"one", b"two"])


async def test_a_text_field_is_no_file_and_a_file_no_text(bind: Bind) -> None:
    """A field of the wrong kind is missing, not an accident."""

    def handle(photo: UploadFile, note: Annotated[str, Form()]) -> Any:
        return photo, note

    with pytest.raises(ValidationFailed) as failure:
        await bind(handle, **multipart(('name="photo"', b"text"), ('name="note"; filename="n"', b"file")))
    assert errors_of(failure) == {("file", "photo", "missing"), ("form", "note", "missing")}


async def test_an_optional_file_may_be_left_out(bind: Bind) -> None:
    """``UploadFile | None = None`` is an upload too."""

    def handle(photo: UploadFile | None = None, note: Annotated[str, Form()] = "") -> Any:
        return photo, note

    assert await bind(handle, **multipart(('name="note"', b"hi"))) == (None, "hi")


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": [("content-type", "multipart/form-data")], "body": b"x"},
        {"headers": [("content-type", "multipart/form-data; boundary=e")], "body": b"no boundary here"},
        {
            "headers": [("content-type", "multipart/form-data; boundary=e")],
            "body": b"--e\r\nContent-Disposition: form-data\r\n\r\nx\r\n--e--\r\n",
        },
        {"headers": [("content-type", "multipart/form-data; boundary=" + "e" * 5000)], "body": b"--e"},
    ],
    ids=["no boundary", "other boundary", "no name", "long boundary"],
)
async def test_a_form_that_cannot_be_read_is_400(bind: Bind, request_: dict[str, Any]) -> None:
    """Broken and excessive forms are the caller's mistake, never a 500."""

    def handle(note: Annotated[str, Form()]) -> Any:
        return note

    with pytest.raises(BadRequest, match="form cannot be read"):
        await bind(handle, **{"method": "POST", "max_body": 10_000_000, **request_})


async def test_a_handler_that_reads_a_raw_request_has_the_same_manners(bind: Bind) -> None:
    """``await request.json()`` and ``request.form()`` blame the caller for what the caller sent."""

    def handle(request: Request) -> Any:
        return request

    request = await bind(handle, method="POST", body=b"{", headers=[("content-type", "application/json")])
    with pytest.raises(BadRequest, match="not JSON"):
        await request.json()
    broken = await bind(handle, method="POST", body=b"x", headers=[("content-type", "multipart/form-data")])
    with pytest.raises(BadRequest, match="form cannot be read"):
        await broken.form()


async def test_the_raw_request_knows_its_path_parameters_and_keeps_the_limit(bind: Bind) -> None:
    """A handler that takes all by itself takes no more than the route allows."""

    def handle(request: Request) -> Any:
        return request

    request = await bind(handle, path={"id": "7"}, query="a=1", method="POST", body=b"12345", max_body=4)
    assert (request.path_params, request.query_params["a"]) == ({"id": "7"}, "1")
    with pytest.raises(BodyTooLarge):
        await request.body()


async def test_a_request_beside_a_body_sees_the_same_body(bind: Bind) -> None:
    """The body is read once and both have it."""

    def handle(request: Request, item: Item) -> Any:
        return request, item

    request, item = await bind(handle, method="POST", json_body={"name": "pen", "price": 1})
    assert (await request.json())["name"] == item.name == "pen"


async def test_the_context_comes_by_type_or_by_name(bind: Bind) -> None:
    """``ctx: Context``, a bare ``ctx`` and a bare ``context`` are the context."""

    def typed(c: SyncContext) -> Any:
        return c.settings["GREETING"]

    def bare(ctx) -> Any:  # type: ignore[no-untyped-def]
        return ctx.request_id

    def long(context) -> Any:  # type: ignore[no-untyped-def]
        return context.function

    assert [await bind(typed), await bind(bare), await bind(long)] == ["hi", "r-1", "home"]


async def test_an_event_comes_from_the_request_or_from_the_invocation(bind: Bind) -> None:
    """A handler of CloudEvents gets one from HTTP, and the one an event delivery carries."""

    def handle(event: CloudEvent) -> Any:
        return event.id, event.data

    headers = [("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t"), ("ce-specversion", "1.0")]
    headers.append(("content-type", "application/json"))
    assert await bind(handle, method="POST", headers=headers, body=b'{"a": 1}') == ("1", {"a": 1})
    delivered = CloudEvent(id="2", source="/s", type="t", data=b"x")
    assert await bind(handle, event=delivered, http=False) == ("2", b"x")


async def test_positional_only_arguments_are_passed_by_place(bind: Bind) -> None:
    """``def handle(a, /, b, *, c)`` works as Python has it."""

    def handle(a: int, b: int = 2, /, c: int = 3, *, d: int = 4) -> Any:
        return a, b, c, d

    assert await bind(handle, query="a=1&c=30") == (1, 2, 30, 4)


async def test_a_callable_object_and_a_bound_method_are_handlers(bind: Bind) -> None:
    """Their ``self`` is nobody's argument, their annotations count."""

    class Greeter:
        def __call__(self, n: int) -> Any:
            return n

        def method(self, n: int) -> Any:
            return -n

    assert (await bind(Greeter(), query="n=1"), await bind(Greeter().method, query="n=1")) == (1, -1)


async def test_a_decorated_handler_is_bound_as_what_it_wraps(bind: Bind) -> None:
    """functools.wraps hands signature and annotations on."""

    def loudly(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **named: Any) -> Any:
            return ("loudly", function(*args, **named))

        return wrapper

    @loudly
    def handle(n: int, item: Item) -> Any:
        return n, item.name

    got = await bind(handle, method="POST", query="n=1", json_body={"name": "pen", "price": 1})
    assert got == ("loudly", (1, "pen"))


async def test_all_misfits_are_named_at_once(bind: Bind) -> None:
    """One 422 names every field of every source, so that a caller mends all of it in one go."""

    def handle(
        user_id: int,
        item: Item,
        limit: int,
        tags: list[int],
        x_tries: Annotated[int, Header()],
        theme: Annotated[Literal["dark", "light"], Cookie()],
    ) -> Any:
        raise AssertionError

    with pytest.raises(ValidationFailed) as failure:
        await bind(
            handle,
            method="POST",
            path={"user_id": "me"},
            query="limit=few&tags=1&tags=x",
            headers=[("cookie", "theme=pink")],
            json_body={"price": -1},
        )
    assert errors_of(failure) == {
        ("path", "user_id", "int_parsing"),
        ("query", "limit", "int_parsing"),
        ("query", "tags.1", "int_parsing"),
        ("header", "x-tries", "missing"),
        ("cookie", "theme", "literal_error"),
        ("body", "name", "missing"),
        ("body", "price", "greater_than"),
    }
    assert failure.value.status == 422
    assert all(set(error) == {"in", "field", "message", "type"} for error in failure.value.errors)
    assert "pink" not in str(failure.value.errors), "the caller's values are not echoed"


async def test_a_misfit_deep_in_a_body_is_named_by_its_place(bind: Bind) -> None:
    """``1.price``: the second element's price."""

    def handle(items: list[Item]) -> Any:
        raise AssertionError

    with pytest.raises(ValidationFailed) as failure:
        await bind(handle, method="POST", json_body=[{"name": "a", "price": 1}, {"name": "b", "price": "x"}])
    assert errors_of(failure) == {("body", "1.price", "float_type")}


class Typed(BaseModel):
    count: int = 0
    share: float = 0.0
    done: bool = False
    name: str = ""
    day: date | None = None
    lenient: Annotated[int, BeforeValidator(int)] = 0


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"count": 7, "share": 1, "done": True, "day": "2026-11-28"}, True),
        ({"share": 0.5}, True),
        ({"lenient": "7"}, True),
        ({"count": "7"}, False),
        ({"count": 7.0, "share": 2.0}, True),
        ({"count": 7.5}, False),
        ({"count": 7.0, "done": 1.0}, False),
        ({"count": True}, False),
        ({"share": False}, False),
        ({"share": "0.5"}, False),
        ({"done": 0}, False),
        ({"done": "yes"}, False),
        ({"name": 7}, False),
        ({"day": 20000}, False),
    ],
)
async def test_a_body_s_values_are_of_json_s_own_types(bind: Bind, body: dict[str, Any], fits: bool) -> None:
    """What the OpenAPI document calls an integer is no text and no boolean; what JSON has no type for is text."""

    def handle(typed: Typed) -> Any:
        return typed

    if fits:
        assert isinstance(await bind(handle, method="POST", json_body=body), Typed)
    else:
        with pytest.raises(ValidationFailed):
            await bind(handle, method="POST", json_body=body)


@pytest.mark.parametrize("query", [b"q=%ff", b"q=\xff", b"%c3%28=1"])
async def test_a_query_that_is_not_utf8_is_400(bind: Bind, query: bytes) -> None:
    """Invalid UTF-8, escaped or raw, is refused instead of being replaced."""

    def handle(q: str = "") -> Any:
        return q

    with pytest.raises(BadRequest, match="UTF-8"):
        await bind(handle, query=query)


async def test_a_query_of_too_many_fields_is_400(bind: Bind) -> None:
    """A thousand fields and no more."""

    def handle(q: str = "") -> Any:
        return q

    assert await bind(handle, query="&".join(["q=1"] * 1000)) == "1"
    with pytest.raises(BadRequest, match="1000"):
        await bind(handle, query="&".join(["q=1"] * 1001))


async def test_nothing_is_read_that_no_argument_needs(bind: Bind) -> None:
    """A broken query, body and type are nobody's business when the handler takes none of them."""

    def handle(user_id: int) -> Any:
        return user_id

    assert (
        await bind(handle, path={"user_id": "7"}, query=b"%ff", headers=[("content-type", "x")], body=b"{")
        == 7
    )
