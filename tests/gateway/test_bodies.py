"""What callers put into bodies, queries and paths: strictly read, and never a 5xx for their mistake."""

from __future__ import annotations

import json

import pytest

from tests.gateway.conftest import Served

JSON = {"content-type": "application/json"}


def test_a_good_body_is_bound(served: Served) -> None:
    answer = served.client.post("/item", json={"name": "lamp", "size": 2})
    assert (answer.status_code, answer.json()) == (200, {"name": "lamp", "size": 2.0})


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=utf-8", "application/x+json"]
)
def test_json_has_several_names(served: Served, media_type: str) -> None:
    content = b'{"name": "lamp"}'
    answer = served.client.post("/item", content=content, headers={"content-type": media_type})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 50_000,
        b'{"a":' * 10_000,
        b"[" * 300 + b"]" * 300,
        b'{"name": "x", "size": NaN}',
        b'{"name": "x", "size": Infinity}',
        b'{"name": "x", "size": -Infinity}',
        b'{"name": "x", "name": "y"}',
        b'{"name": "x", "extra": {"a": 1, "a": 2}}',
        b'{"name": "x", "extra": [{"\\u0061": 1, "a": 2}]}',
        b'{"name": "\xff"}',
        b'{"name": "\xc3\x28"}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\\udc00\\ud800"}',
        b'\xef\xbb\xbf{"name": "x"}',
        '{"name": "x"}'.encode("utf-16"),
        b"{'name': 'x'}",
        b'{"name": "x",}',
        b'{"name": "x"} trailing',
        b'{"name": "x"}{"name": "y"}',
        b'{"name": "a\nb"}',
        b'// comment\n{"name": "x"}',
        b'{"name": 0x10}',
        b'{"name": 01}',
        b'{"name": +1}',
        b'{"name": .5}',
        b"{",
        b" ",
        b"\x00",
        b"nul",
        b"undefined",
    ],
    ids=lambda body: repr(body[:30]),
)
@pytest.mark.parametrize("route", ["/item", "/anything"])
def test_what_is_not_strict_json_is_the_callers_400(served: Served, route: str, body: bytes) -> None:
    """One sentence says what is wrong; nothing of it reaches the function, and nothing of ours is shown."""
    answer = served.client.post(route, content=body, headers=JSON)
    assert answer.status_code == 400, answer.text
    document = answer.json()
    assert document["type"] == "/problems/bad-request"
    assert document["fault"] == "caller"
    assert len(document["detail"]) < 400


def test_a_hundred_thousand_brackets_are_refused_within_the_routes_limit(served: Served) -> None:
    """Deep nesting neither crashes nor exhausts anything; over max_body it is a matter of size first."""
    assert served.client.post("/anything", content=b"[" * 100_000, headers=JSON).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"7",
        b'"name"',
        b"[]",
        b"{}",
        b'{"name": null}',
        b'{"name": 7}',
        b'{"name": "x", "size": "big"}',
        b'{"name": "x", "size": {"a": 1}}',
        b'{"name": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_json_that_does_not_fit_is_422_with_every_field(served: Served, body: bytes) -> None:
    """The page's author reads which field is wrong and why, without seeing the function."""
    answer = served.client.post("/item", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    document = answer.json()
    assert document["fault"] == "caller"
    if answer.status_code == 422:
        assert document["type"] == "/problems/validation-failed"
        assert all({"in", "field", "message", "type"} <= error.keys() for error in document["errors"])


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "9" * 4000, "1" + "0" * 400, "1e-999", "0.1" + "0" * 5000]
)
def test_huge_numbers_never_cost_a_5xx(served: Served, number: str) -> None:
    body = f'{{"name": "x", "size": {number}}}'.encode()
    assert served.client.post("/item", content=body, headers=JSON).status_code in (200, 400, 422)
    assert served.client.post("/anything", content=body, headers=JSON).status_code in (200, 400, 422)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/xml", "json"]
)
def test_a_body_of_another_kind_is_415(served: Served, media_type: str) -> None:
    """JSON sent as text/plain is what a cross-site form can send without a preflight: refused."""
    answer = served.client.post("/item", content=b'{"name": "x"}', headers={"content-type": media_type})
    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/unsupported-media-type"


@pytest.mark.parametrize("query", ["name=%ff", "name=%c3%28", "name=%ed%a0%80", "%ff=x", "a=1&name=%80"])
def test_a_query_that_is_not_utf8_is_400(served: Served, query: str) -> None:
    answer = served.get(f"/hello?{query}")
    assert answer.status_code == 400
    assert "UTF-8" in answer.json()["detail"]


@pytest.mark.parametrize("separator", ["&", "&&", "=&"])
def test_two_thousand_query_fields_are_400(served: Served, separator: str) -> None:
    """Parsing is bounded however short the fields are."""
    answer = served.get("/hello?" + separator.join(["f=1"] * 1300))
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/bad-request"


@pytest.mark.parametrize(
    "query", ["", "?", "?name", "?name=", "?&&&", "?=x", "?name=a&name=b", "?name=%zz", "?name=%"]
)
def test_odd_queries_are_no_mistakes(served: Served, query: str) -> None:
    assert served.get(f"/hello{query}").status_code == 200


@pytest.mark.parametrize("path", ["/greet/%ff", "/greet/%c3%28", "/greet/%ed%a0%80", "/%ff", "/tree/a/%fe/b"])
def test_a_path_that_is_not_utf8_is_400(served: Served, path: str) -> None:
    with served.wire() as wire:
        answer = wire.say(f"GET {path} HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
    assert answer.status == 400
    assert answer.json()["type"] == "/problems/bad-request"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("a%2Fb", "a/b"),
        ("a..%2f..b", "a../..b"),
        ("%E2%82%AC", "€"),
        ("a%00b", "a\0b"),
        ("%0d%0aX:1", "\r\nX:1"),
    ],
)
def test_an_encoded_value_reaches_the_function_whole(served: Served, raw: str, value: str) -> None:
    """One segment is one argument, whatever it decodes to: slashes do not split it, line ends split nothing."""
    with served.wire() as wire:
        answer = wire.say(f"GET /greet/{raw} HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
    assert (answer.status, answer.body.decode()) == (200, value)


@pytest.mark.parametrize(
    "path",
    [
        "/greet/..",
        "/greet/%2e%2e",
        "/greet/..%2f..%2fetc",
        "/greet/x%2f..%5cetc",
        "/tree/../hello",
        "/tree/a/./b",
        "/tree/%2e%2e%2fetc/passwd",
        "/greet/..%5c..%5cetc",
        "/site/../hello",
    ],
)
def test_a_path_that_leads_out_is_400(served: Served, path: str) -> None:
    """Encoded or not, with slashes or backslashes: no handler that looks for a file of that name is led astray."""
    with served.wire() as wire:
        answer = wire.say(f"GET {path} HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
    assert answer.status == 400
    assert answer.json()["detail"] == "The path has a . or .. segment."


def test_two_media_types_are_one_too_many(served: Served) -> None:
    """Who else looks at the request might believe the other one; twice the same is no riddle."""
    for second, status in (("text/plain", 400), ("application/json", 200)):
        fields = [("content-type", "application/json"), ("content-type", second)]
        assert served.client.post("/anything", content=b"{}", headers=fields).status_code == status


def test_a_missing_argument_is_named(served: Served) -> None:
    answer = served.get("/fails")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"in": "query", "field": "kind", "message": "is required", "type": "missing"}
    ]


def test_the_callers_text_comes_back_only_as_json(served: Served) -> None:
    """A key a caller chose may stand in the problem document; it is JSON there, and sniffing is off."""
    body = json.dumps({"name": "x"})[:-1] + ', "<script>": 1, "<script>": 2}'
    answer = served.client.post("/item", content=body.encode(), headers=JSON)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
