"""Requests put together by hand are those that httpx would have sent, and answers are httpx's responses."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.sdk.failures import ServiceBodyInvalid
from bff.services import http1
from bff.services.composing import Composer, of_request
from bff.services.response import ServiceResponse, loads
from bff.services.retry import SAFE

COMPOSER = Composer("http://users.internal:8080/v1/")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE")
NAMES = st.sampled_from(["x-a", "accept", "user-agent", "host", "content-type", "!odd", "x-request-id"])
VALUES = st.text(st.characters(max_codepoint=0xFF), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
QUERIES = st.none() | st.dictionaries(
    st.text(max_size=4), st.text(max_size=4) | st.integers() | st.booleans()
)


def fields(head: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    line, _, rest = head.partition(b"\r\n")
    found = http1.fields_of(b"\r\n" + rest)
    assert len({name for name, _ in found}) == len(found)
    return line, dict(found)


@given(
    method=st.sampled_from(METHODS),
    path=st.text('abé/%2?=&;+ ü"<[]{}`|^~', max_size=10),
    headers=st.dictionaries(NAMES, VALUES, max_size=3),
    params=QUERIES,
    body=st.none()
    | st.fixed_dictionaries({"json": JSON})
    | st.fixed_dictionaries({"content": st.text() | st.binary()}),
)
def test_the_short_way_and_httpxs_lead_to_the_same_request(
    method: str, path: str, headers: dict[str, str], params: Any, body: Any
) -> None:
    """Line, fields, body: whatever the call; or both refuse it."""
    options: Any = {**(body or {}), **({} if params is None else {"params": params})}

    def outcome(make: Any) -> Any:
        try:
            made = make()
        except (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeEncodeError, ValueError) as error:
            return "refused" if not isinstance(error, UnicodeDecodeError) else error
        return (*fields(made.head), made.body, made.is_head, made.is_replayable)

    mine = outcome(lambda: COMPOSER.compose(method, f"/{path}", headers, options))
    theirs = outcome(
        lambda: of_request(COMPOSER.request(method, f"/{path}", headers, options), replayable=SAFE)
    )
    assert mine == theirs


@pytest.mark.parametrize(
    "headers",
    [
        {"x-a": "1\r\nx-b: 2"},
        {"x-a": "1\n"},
        {"x-a": " 1"},
        {"x-a": "1 "},
        {"x-a": "\x00"},
        {"x a": "1"},
        {"": "1"},
        {"x-a": "€"},
    ],
)
def test_what_is_no_header_is_refused(headers: dict[str, str]) -> None:
    """Nothing can end a line early, and no value is in the sentence."""
    with pytest.raises(httpx.LocalProtocolError) as refusal:
        COMPOSER.compose("GET", "/", headers, {})
    assert "x-b" not in str(refusal.value)


@pytest.mark.parametrize("method", ["", "GET ", "G\r\nT", "GÉT"])
def test_what_is_no_method_is_refused(method: str) -> None:
    """A method is a token."""
    with pytest.raises(httpx.LocalProtocolError):
        COMPOSER.compose(method, "/", {}, {})


def test_a_header_that_is_not_text_is_a_mistake() -> None:
    """As with httpx."""
    with pytest.raises(TypeError, match="a header's value is text, not int"):
        COMPOSER.compose("GET", "/", {"x-a": 1}, {})  # type: ignore[dict-item]


async def parts(*each: bytes) -> AsyncIterator[bytes]:
    for part in each:
        yield part


def posted(content: Any = b"abc", *fields: tuple[str, str]) -> httpx.Request:
    return httpx.Request("POST", "http://users.internal/", content=content, headers=list(fields))


@pytest.mark.parametrize("content", [b"", b"abc"])
def test_chunks_that_were_asked_for_are_chunks(content: bytes) -> None:
    """RFC 9112 §6.2: beside Transfer-Encoding no length goes out, and the body is what the head says it is."""
    made = of_request(posted(content, ("Transfer-Encoding", "Chunked"), ("Content-Length", "3")))
    _, found = fields(made.head)
    assert b"content-length" not in found
    assert found[b"transfer-encoding"] == b"Chunked"
    assert made.body == (b"3\r\nabc\r\n0\r\n\r\n" if content else b"0\r\n\r\n")


@pytest.mark.parametrize("content", [b"abc", parts(b"abc")], ids=["bytes", "parts"])
@pytest.mark.parametrize(
    "said",
    [
        [("transfer-encoding", "gzip")],
        [("transfer-encoding", "gzip, chunked")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        *(
            [("content-length", value)]
            for value in ("", "three", "-3", "+3", "3, 3", "0x3", "\xb3", "9" * 19, "9" * 5000)
        ),
        [("content-length", "3"), ("content-length", "3")],
        [("host", "a"), ("host", "b")],
    ],
    ids=str,
)
def test_a_framing_of_two_meanings_is_refused(content: Any, said: list[tuple[str, str]]) -> None:
    """What a service could read otherwise than we do never goes out, and the refusal is httpx's own."""
    request = posted(content)
    del request.headers["content-length" if content == b"abc" else "transfer-encoding"]
    kept = [pair for pair in request.headers.raw if pair[0].lower() != b"host" or said[0][0] != "host"]
    added = [(name.encode(), value.encode("latin-1")) for name, value in said]
    request.headers = httpx.Headers([*kept, *added])
    with pytest.raises(httpx.LocalProtocolError):
        of_request(request)


@pytest.mark.parametrize("length", ["1", "0", "4"])
def test_a_body_of_another_length_than_it_said_is_refused(length: str) -> None:
    """Known before anything is sent: what is too long would be the service's next request."""
    with pytest.raises(httpx.LocalProtocolError, match=f"3 bytes and says that it has {length}"):
        of_request(posted(b"abc", ("Content-Length", length)))


def test_a_stream_without_a_word_of_it_has_no_body() -> None:
    """Neither a length nor chunks were announced (RFC 9112 §6.3): whatever it brings is too much."""
    request = posted(parts(b"abc"))
    del request.headers["transfer-encoding"]
    assert of_request(request).length == 0


HEAD = b"HTTP/1.1 201 Made it\r\nContent-Type: application/json\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\n"


def response(body: bytes = b'{"a": 1}', head: bytes = HEAD) -> ServiceResponse:
    return ServiceResponse.of(
        201, head, body, service="users", ask=lambda: httpx.Request("GET", "http://users.internal/7")
    )


@pytest.mark.anyio
async def test_a_response_is_httpxs_in_everything() -> None:
    """Each public attribute that httpx's own has, with the same value."""
    mine, theirs = response(), httpx.Response(201, headers=http1.fields_of(HEAD), content=b'{"a": 1}')
    theirs.request = mine.request
    theirs.extensions = {"http_version": b"HTTP/1.1", "reason_phrase": b"Made it"}
    del theirs.headers["content-length"]
    mine.took(0.5)
    assert isinstance(mine, httpx.Response)
    for name in dir(httpx.Response):
        value = getattr(theirs, name, None) if name != "elapsed" else None
        if name.startswith("_") or callable(value) or name in ("elapsed", "cookies", "stream", "is_closed"):
            continue
        assert getattr(mine, name) == value, name
    assert (mine.elapsed.total_seconds(), mine.is_closed, dict(mine.cookies)) == (
        0.5,
        True,
        {"a": "1", "b": "2"},
    )
    assert mine.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert [part async for part in mine.aiter_bytes()] == [b'{"a": 1}']
    assert [line async for line in mine.aiter_lines()] == ['{"a": 1}']
    assert list(mine.iter_text()) == ['{"a": 1}']
    assert await mine.aread() == mine.read() == b'{"a": 1}'
    assert repr(mine) == repr(theirs) == "<Response [201 Made it]>"
    await mine.aclose()


def test_a_response_builds_nothing_until_it_is_touched() -> None:
    """Status and JSON are there at once; headers, request and the rest when somebody asks."""
    asked = 0

    def ask() -> httpx.Request:
        nonlocal asked
        asked += 1
        return httpx.Request("GET", "http://users.internal/7")

    made = ServiceResponse.of(200, HEAD, b"[]", service="users", ask=ask)
    assert (made.status_code, made.json(), made.content, made.is_success) == (200, [], b"[]", True)
    assert not {"headers", "extensions", "_request", "stream", "history"} & made.__dict__.keys()
    assert made.request is made.request
    assert made.headers is made.headers
    assert asked == 1
    with pytest.raises(AttributeError):
        made.colour  # noqa: B018


def test_a_response_can_be_pickled() -> None:
    """As httpx's can; what was not touched before is there after."""
    again = pickle.loads(pickle.dumps(response()))
    assert (again.status_code, again.json(), again.headers["content-type"]) == (
        201,
        {"a": 1},
        "application/json",
    )
    assert again.request.method == "GET"


TEXTS = st.one_of(
    JSON.map(json.dumps).map(str.encode),
    st.sampled_from(
        [
            b"NaN",
            b"[Infinity, -Infinity]",
            b"1e400",
            b"12345678901234567890123",
            b'{"a": 1, "a": 2}',
            b'"\\ud800"',
            b'"\\ud83d\\ude00"',
        ]
    ),
    st.sampled_from(
        [
            b"",
            b"[",
            b"nul",
            b"'a'",
            b"01",
            b"[1,]",
            b"\xef\xbb\xbf1",
            "1".encode("utf-16"),
            b'"\xff"',
            b"1 2",
            b"\t1\r\n",
            b"-0.0",
            b'"\x01"',
        ]
    ),
    st.integers(1, 300).map(lambda depth: b"[" * depth + b"]" * depth),
    # Around the bounds of 64 bits, and in many digits before a point and behind it.
    st.sampled_from([2**63, 2**64, 10**17, 10**18, 10**19])
    .flatmap(lambda bound: st.integers(bound - 2, bound + 2))
    .flatmap(
        lambda number: st.sampled_from([b"%d", b"-%d", b"[%d.5]", b"0.%d", b"%de3", b'"%d"']).map(
            lambda text: text % number
        )
    ),
    st.binary(max_size=5),
)


@given(TEXTS)
def test_the_fast_parser_means_what_the_slow_one_means(text: bytes) -> None:
    """Big integers, the last of two equal keys, half surrogate pairs, UTF-16: as ``json.loads``, or neither; neither
    takes NaN.
    """

    def strictly(text: bytes) -> Any:
        def refuse(word: str) -> None:
            raise ValueError(word)

        return json.loads(text, parse_constant=refuse)

    def outcome(parse: Any) -> str:
        try:
            return repr(parse(text))
        except ValueError:
            return "no JSON"

    assert outcome(loads) == outcome(strictly)


@given(
    st.dictionaries(st.from_regex(re.compile(r"[a-z-]{1,5}"), fullmatch=True), st.text("ab ,\té", max_size=6))
)
def test_fields_are_read_as_they_were_written(sent: dict[str, str]) -> None:
    """Names and values, blanks around them apart."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items()).encode("latin-1")
    read = http1.fields_of(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")
    assert read == [(name.encode(), value.strip(" \t").encode("latin-1")) for name, value in sent.items()]


@pytest.mark.parametrize("body", [b"NaN", b'{"a": [1, -Infinity]}', b'["\\ud800", NaN]'])
def test_nan_is_no_json(body: bytes) -> None:
    """RFC 8259 §6. The answer made of it would say ``null``; ``into=`` refuses it in the same words."""
    for options in ({}, {"parse_float": str}):
        with pytest.raises(ServiceBodyInvalid, match=r"users.*is not JSON: it holds NaN or Infinity"):
            response(body).json(**options)


def test_a_word_in_a_text_is_no_number() -> None:
    """And who asks for NaN by hand has it; a number too large to hold is JSON, and infinite."""
    assert response(b'["NaN", "Infinity"]').json() == ["NaN", "Infinity"]
    assert response(b"[NaN]").json(parse_constant=str) == ["NaN"]
    assert response(b"1e999").json() == float("inf")


def test_json_that_is_none_names_the_service() -> None:
    """With and without arguments to the parser."""
    for options in ({}, {"parse_float": str}):
        with pytest.raises(ServiceBodyInvalid, match="users"):
            response(b"<html>").json(**options)
    assert response(b"1.50").json(parse_float=str) == "1.50"
