"""What a handler may return, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from http import HTTPStatus
from types import GenericAlias
from typing import Any, Literal, Optional
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, field_serializer, field_validator
from pydantic_core import PydanticSerializationError, to_json
from starlette.responses import PlainTextResponse, Response

from bff.errors import Fault, FunctionFailed
from bff.sdk.reply import Answer, Encoder, StreamedItems, compile_encoder


class User(BaseModel):
    name: str
    age: int = 0


class Shouting(BaseModel):
    name: str = Field(serialization_alias="NAME")


class Secretive(BaseModel):
    pin: str

    @field_validator("pin")
    @classmethod
    def _four_digits(cls, pin: str) -> str:
        if len(pin) != 4:
            raise ValueError(f"{pin} is no pin")
        return pin

    @field_serializer("pin")
    def _hidden(self, pin: str) -> str:
        if pin == "0000":
            raise ValueError(f"{pin} cannot be written")
        return "****"


@dataclass
class Point:
    x: float
    label: str = ""


class Colour(Enum):
    RED = "red"


class Strange:
    pass


def encode(result: Any, annotation: Any = Any) -> Answer:
    return Encoder("home", annotation).encode(result)


@pytest.mark.parametrize(
    ("annotation", "result", "body"),
    [
        (Any, User(name="Ann"), {"name": "Ann", "age": 0}),
        (User, User(name="Ann"), {"name": "Ann", "age": 0}),
        (list[User], [User(name="Ann")], [{"name": "Ann", "age": 0}]),
        (Any, Shouting(name="Ann"), {"NAME": "Ann"}),
        (Shouting, Shouting(name="Ann"), {"NAME": "Ann"}),
        (Any, Point(1), {"x": 1, "label": ""}),
        (Point, Point(1), {"x": 1, "label": ""}),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Any, {"a": [None, True, "ü"]}, {"a": [None, True, "ü"]}),
        (list, [], []),
        (dict[str, Any], {"a": [1, 2.5, None, "ü"]}, {"a": [1, 2.5, None, "ü"]}),
        (dict[str, Any], {"user": User(name="Ann")}, {"user": {"name": "Ann", "age": 0}}),
        (dict, {"n": 2**70}, {"n": 2**70}),
        (list[Any], [datetime(2024, 1, 1, tzinfo=UTC)], ["2024-01-01T00:00:00Z"]),
        (int, 5, 5),
        (bool, True, True),
        (Any, {1}, [1]),
        (Any, (1, 2, 3), [1, 2, 3]),
        (Any, Colour.RED, "red"),
        (Any, {"at": datetime(2024, 1, 1, tzinfo=UTC)}, {"at": "2024-01-01T00:00:00Z"}),
        (Any, [UUID(int=1), Decimal("1.10")], ["00000000-0000-0000-0000-000000000001", "1.10"]),
        (Optional[User], User(name="Ann"), {"name": "Ann", "age": 0}),  # noqa: UP045
    ],
)
def test_values_are_written_as_json(annotation: Any, result: Any, body: Any) -> None:
    """Models (by alias), dataclasses, collections and scalars, declared or not, become application/json."""
    answer = encode(result, annotation)
    assert (answer.status, answer.headers) == (200, [(b"content-type", b"application/json")])
    assert json.loads(answer.body) == body


FLAT = (str, int, float, bool, Any)
_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=4)
    | st.lists(st.floats(), max_size=2)
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [
            *(GenericAlias(dict, (str, each)) for each in FLAT),
            *(GenericAlias(list, (each,)) for each in FLAT),
            dict,
            list,
        ]
    ),
    st.dictionaries(st.text(max_size=3) | st.integers(), _VALUES, max_size=3) | st.lists(_VALUES, max_size=3),
)
def test_flat_containers_are_written_as_pydantic_writes_them(annotation: Any, result: Any) -> None:
    """Byte for byte, or refused as it refuses them: that another writer is faster is nobody's business."""
    try:
        body = encode(result, annotation).body
    except FunctionFailed:
        body = None
    assert body == by_pydantic(annotation, result)


def by_pydantic(annotation: Any, result: Any) -> bytes | None:
    """What pydantic alone would make of it; None where it refuses."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    try:
        try:
            return adapter.dump_json(result, warnings="error")
        except PydanticSerializationError:
            return adapter.dump_json(adapter.validate_python(result), warnings="error")
    except ValueError:
        return None


@pytest.mark.parametrize("annotation", [Any, str, str | User])
def test_text_goes_out_as_it_is(annotation: Any) -> None:
    """``str`` is text/plain in UTF-8; half a surrogate pair becomes a question mark, not a 500."""
    answer = encode("ü\ud800", annotation)
    assert answer.headers == [(b"content-type", b"text/plain; charset=utf-8")]
    assert answer.body == "ü?".encode()


@pytest.mark.parametrize("result", [b"\xff", bytearray(b"\xff"), memoryview(b"\xff")])
def test_bytes_go_out_as_they_are(result: Any) -> None:
    """Bytes of any kind are application/octet-stream."""
    answer = encode(result)
    assert (answer.headers, answer.body) == ([(b"content-type", b"application/octet-stream")], b"\xff")


@pytest.mark.parametrize("annotation", [Any, None, type(None), User, dict[str, int], str])
def test_nothing_is_204(annotation: Any) -> None:
    """None has no content, unless the return type has a value that may be None."""
    answer = encode(None, annotation)
    assert (answer.status, answer.body, answer.headers) == (204, b"", [])


@pytest.mark.parametrize("annotation", [Optional[User], User | None, tuple[User | None, int]])  # noqa: UP045
def test_a_value_that_may_be_none_is_null(annotation: Any) -> None:
    """``-> User | None`` says that None is an answer: 200 with ``null``."""
    answer = encode(None, annotation)
    assert (answer.status, answer.body) == (200, b"null")


@pytest.mark.parametrize("status", [201, HTTPStatus.CREATED])
@pytest.mark.parametrize(
    "annotation", [Any, tuple[User, int], tuple[User, HTTPStatus], tuple[dict[str, Any], int]]
)
def test_a_pair_sets_the_status(annotation: Any, status: int) -> None:
    """``return body, 201`` or ``HTTPStatus.CREATED``; the return type may say so."""
    result = {"name": "Ann", "age": 1}
    answer = encode((result, status), annotation)
    assert (answer.status, json.loads(answer.body)) == (201, result)


def test_nothing_with_a_status_keeps_the_status() -> None:
    """``return None, 404`` is a bare 404."""
    answer = encode((None, 404))
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("body", [{"a": 1}, "text", None, []])
def test_a_status_without_content_has_none(status: int, body: Any) -> None:
    """RFC 9110 §6.4.1: whatever was returned beside 204 or 304, no byte of it may follow the head."""
    answer = encode((body, status), dict | None)
    assert (answer.status, answer.body, answer.headers) == (status, b"", [])


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, 1000, -1])
def test_a_status_that_is_none_is_the_functions_fault(status: int) -> None:
    """Only 200 to 599 can be an answer's status."""
    with pytest.raises(FunctionFailed, match=f"returned {status}, which is no HTTP status"):
        encode(({}, status))


def test_a_pair_that_is_no_answer_is_a_list() -> None:
    """A flag is no status, and neither are three things."""
    assert encode(("a", True)).body == b'["a",true]'
    assert encode(("a", 201, "b")).body == b'["a",201,"b"]'


def test_a_response_is_sent_untouched() -> None:
    """A Starlette response keeps its status and headers, whatever the return type said."""
    response = PlainTextResponse("hi", status_code=418, headers={"x-a": "b"})
    for annotation in (Any, Response, User):
        answer = encode(response, annotation)
        assert (answer.status, answer.response) == (418, response)


@pytest.mark.parametrize(
    ("annotation", "result", "place"),
    [
        (User, {"age": 3}, "name"),
        (User, [1], "the top"),
        (User, "Ann", "the top"),
        (User, b"Ann", "the top"),
        (User, Point(1), "the top"),
        (list[User], [Point(1)], "0"),
        (dict[str, Point], {"a": User(name="Ann")}, "a"),
        (list[User], [{"name": "a"}, {"name": 1}], "1.name"),
        (dict[str, int], {"a": "x"}, "a"),
        (int, "many", "the top"),
        (Literal["a", "b"], "c", "the top"),
    ],
)
def test_a_result_of_another_type_is_the_functions_fault(annotation: Any, result: Any, place: str) -> None:
    """What the return type promised is kept or it is a 500 that names the place."""
    with pytest.raises(FunctionFailed, match=f"does not allow: at {place}, ") as failure:
        encode(result, annotation)
    assert (failure.value.status, failure.value.fault) == (500, Fault.FUNCTION)


def test_a_dict_may_stand_for_the_declared_model() -> None:
    """It is checked, completed with the model's defaults, and stripped of what the model does not have."""
    assert json.loads(encode({"name": "Ann", "password": "x"}, User).body) == {"name": "Ann", "age": 0}
    assert json.loads(encode([{"name": "Ann"}, User(name="Bob")], list[User]).body)[0] == {
        "name": "Ann",
        "age": 0,
    }


def test_a_declared_model_hides_what_a_subclass_adds() -> None:
    """The return type is a promise of what leaves, too."""

    class Account(User):
        password: str = "secret"

    assert "password" not in json.loads(encode(Account(name="Ann"), User).body)


@pytest.mark.parametrize("annotation", [Any, dict[str, float], dict[str, Any], Point])
def test_numbers_that_json_does_not_have_are_null(annotation: Any) -> None:
    """NaN and infinities never make a body that nobody can parse."""
    for number in (float("nan"), float("inf"), float("-inf")):
        result = Point(number) if annotation is Point else {"x": number}
        assert json.loads(encode(result, annotation).body)["x"] is None


def recursive() -> list[Any]:
    itself: list[Any] = []
    itself.append(itself)
    return itself


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize("annotation", [Any, list[Any]])
@pytest.mark.parametrize(
    "result",
    [[Strange()], [b"\xff"], ["\ud800"], [{(1, 2): Strange()}], recursive()],
    ids=["strange", "bytes", "surrogate", "key", "recursive"],
)
def test_what_cannot_be_written_is_the_functions_fault(annotation: Any, result: Any) -> None:
    """Objects without a JSON form, at any depth, are a 500 that says so."""
    with pytest.raises(FunctionFailed, match="cannot be written as JSON"):
        encode(result, annotation)


def test_bottomless_nesting_is_the_functions_fault() -> None:
    """A hundred thousand lists in one another end in a sentence, not in a crash."""
    with pytest.raises(FunctionFailed, match="cannot be written as JSON"):
        encode(deep())


def test_the_sentence_about_a_misfit_never_quotes_a_value() -> None:
    """Validators and serializers speak of values; what reaches the caller does not."""
    with pytest.raises(FunctionFailed) as failure:
        encode({"pin": "12345"}, Secretive)
    assert "12345" not in str(failure.value)
    with pytest.raises(FunctionFailed) as failure:
        encode(Secretive.model_construct(pin="0000"), Secretive)
    assert "0000" not in str(failure.value)
    with pytest.raises(FunctionFailed) as failure:
        encode({("sec", "ret"): 1}, dict[str, int])
    assert "sec" not in str(failure.value)


async def numbers(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("items", "kind", "body"),
    [
        (("a", "b"), b"text/plain; charset=utf-8", b"ab"),
        ((b"a", bytearray(b"b"), memoryview(b"c")), b"application/octet-stream", b"abc"),
        (({"n": 1}, User(name="Ann")), b"application/x-ndjson", b'{"n":1}\n{"name":"Ann","age":0}\n'),
        ((1, None, float("nan")), b"application/x-ndjson", b"1\nnull\nnull\n"),
    ],
)
async def test_an_asynchronous_iterator_is_streamed(items: tuple[Any, ...], kind: bytes, body: bytes) -> None:
    """Text and bytes as they are, everything else as NDJSON; the first item tells which."""
    stream = encode(numbers(*items)).stream
    assert isinstance(stream, StreamedItems)
    first = await stream.first()
    assert first is not None
    assert stream.framing is not None
    assert stream.framing.content_type == (b"content-type", kind)
    assert b"".join([first, *[piece async for piece in stream]]) == body
    await stream.aclose()


@pytest.mark.anyio
async def test_an_empty_stream_has_no_first_item() -> None:
    """Nothing to send is told apart from an empty piece."""
    stream = encode(numbers()).stream
    assert isinstance(stream, StreamedItems)
    assert await stream.first() is None
    await stream.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        (AsyncIterator[str], b"text/plain; charset=utf-8"),
        (AsyncIterator[bytes], b"application/octet-stream"),
        (AsyncIterator[dict[str, int]], b"application/x-ndjson"),
        (Any, b"application/x-ndjson"),
    ],
)
async def test_an_empty_stream_says_what_it_would_have_been(declared: Any, kind: bytes) -> None:
    async def nothing() -> AsyncIterator[Any]:
        for item in ():
            yield item

    answer = Encoder("f", declared).encode(nothing())
    assert isinstance(answer.stream, StreamedItems)
    assert await answer.stream.first() is None
    assert answer.stream.framing is not None
    assert answer.stream.framing.content_type == (b"content-type", kind)


@pytest.mark.anyio
async def test_closing_a_stream_closes_the_handlers_generator() -> None:
    """A caller who leaves in the middle lets the handler's ``finally`` run."""
    ends: list[str] = []

    async def items() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ends.append("closed")

    stream = encode(items()).stream
    assert isinstance(stream, StreamedItems)
    await stream.first()
    await stream.aclose()
    assert ends == ["closed"]


@pytest.mark.anyio
async def test_an_iterator_without_aclose_is_streamed_too() -> None:
    """Any object with ``__aiter__`` will do."""

    class Countdown:
        left = 2

        def __aiter__(self) -> Countdown:
            return self

        async def __anext__(self) -> str:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return str(self.left)

    stream = encode(Countdown()).stream
    assert isinstance(stream, StreamedItems)
    assert [piece async for piece in stream] == [b"1", b"0"]
    await stream.aclose()


def test_the_encoder_is_told_by_the_handlers_annotation() -> None:
    """Texts are resolved, methods and callable objects are read, no annotation means no check."""

    def handle() -> User:
        raise AssertionError

    class Callable_:
        def __call__(self) -> User:
            raise AssertionError

    handlers: list[Callable[..., Any]] = [handle, Callable_(), Callable_().__call__]
    for handler in handlers:
        with pytest.raises(FunctionFailed):
            compile_encoder("home", handler).encode({})
    assert compile_encoder("home", lambda: None).encode({}).body == b"{}"


def test_an_answers_repr_says_what_is_sent() -> None:
    """For the person awake at three."""
    assert repr(encode({})) == "<Answer 200, 2 bytes>"
    assert repr(encode(PlainTextResponse(""))) == "<Answer 200, response>"
    assert repr(Answer(stream=numbers())) == "<Answer 200, stream>"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.datetimes()
    | st.uuids()
    | st.just(Colour.RED)
    | st.builds(Point, st.floats()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=10,
)


@given(st.lists(VALUES, max_size=3))
def test_builtin_types_are_written_as_pydantic_writes_them(value: list[Any]) -> None:
    """The fast writer for what it knows, byte for byte the same; pydantic's for everything else."""
    try:
        expected = to_json(value, by_alias=True, inf_nan_mode="null")
    except PydanticSerializationError:
        with pytest.raises(FunctionFailed):
            encode(value)
    else:
        assert encode(value).body == expected
