"""Routes with doors of their own, over real HTTP: other origins, cookies from elsewhere, fields of caution."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.conftest import GatewayFactory, Running

ROUTES = """\
gateway:
  trusted_proxies: [127.0.0.1]
  cors: {origins: ["https://*.shop.example"], credentials: true, private_network: true}
limits:
  policies:
    each: {requests: 3, window: 1h, per: caller}
    from_here: {requests: 4, window: 1h, per: [address, route]}
    one: {requests: 1, window: 1h, per: route}
auth:
  partners: {api_keys: {keys: {acme: {digest: "%(acme)s"}, bolt: {digest: "%(bolt)s"}}}}
defaults:
  timeout: 60s
  warm_up_timeout: 60s
  security_headers: {permissions_policy: "camera=()"}
routes:
- {path: /hello, methods: [GET, POST, DELETE], function: hello}
- {path: /closed, methods: [GET, POST], function: hello, cors: none}
- {path: /open, methods: [GET, POST], function: hello, cors: {origins: ["https://partner.example"]}}
- {path: /hook, methods: [POST], function: hello, csrf: none}
- {path: /strict, methods: [POST], function: hello, csrf: {require_header: true}}
- {path: /bare, function: hello, security_headers: none}
- {path: /framed, function: page}
- {path: "/big/{size}", function: big, compression: true, cache: {ttl: 60s}}
- {path: /flowing, function: flowing, compression: {streams: true}}
- {path: /unfolding, function: unfolding, compression: {streams: true}}
- {path: /still, function: flowing, compression: true}
- {path: /posted, methods: [POST], function: posted}
- {path: /measured, methods: [POST], function: posted, length_required: true}
- {path: /limited, function: hello, limits: each}
- {path: /guarded, function: hello, limits: [each, from_here], auth: partners}
- {path: /packed, function: packed, compression: {streams: true}}
- {path: /once, function: hello, limits: one}
- {path: /keyed, function: hello, auth: partners}
- {path: /scoped, function: hello, auth: {any: partners, scopes: pay}}
""" % {name: f"sha256:{sha256(name.encode()).hexdigest()}" for name in ("acme", "bolt")}
BIG = "async def handle(size: int) -> dict[str, str]:\n    return {'text': 'lamp ' * size}\n"
FLOWING = """\
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path


async def handle(wait: str) -> AsyncIterator[dict[str, str]]:
    yield {"word": "first " * 20}
    while not Path(wait).exists():
        await asyncio.sleep(0.01)
    yield {"word": "second"}
"""
UNFOLDING = """\
import asyncio
from pathlib import Path

from pydantic import BaseModel

from bff import aggregate


class Words(BaseModel):
    first: str
    second: str


async def second(wait: str) -> str:
    while not Path(wait).exists():
        await asyncio.sleep(0.01)
    return "second"


async def first() -> str:
    return "first " * 20


async def handle(wait: str) -> Words:
    return await aggregate(Words, first=first(), second=second(wait))
"""
PACKED = """\
import gzip
from starlette.responses import Response, StreamingResponse

TEXT = gzip.compress(b"lamp " * 1000 + bytes(range(256)) * 8)
FIELDS = {"content-encoding": "gzip", "content-type": "text/plain"}


async def handle(streamed: bool) -> Response:
    return StreamingResponse(iter([TEXT]), headers=FIELDS) if streamed else Response(TEXT, headers=FIELDS)
"""
POSTED = "async def handle(body: dict[str, int]) -> dict[str, int]:\n    return body\n"
HELLO = "async def handle() -> dict[str, str]:\n    return {'hello': 'world'}\n"
PAGE = (
    "from starlette.responses import HTMLResponse\n\n\nasync def handle() -> HTMLResponse:\n"
    "    return HTMLResponse('<p>', headers={'x-frame-options': 'SAMEORIGIN', 'referrer-policy': 'origin'})\n"
)
SHOP = "https://eu.shop.example"
COOKIE = {"cookie": "session=1"}


@pytest.fixture(scope="module")
def door(
    module_gateway: GatewayFactory, module_project: Callable[[Mapping[str, str | bytes]], Path]
) -> Running:
    functions = {
        "hello": HELLO,
        "page": PAGE,
        "big": BIG,
        "flowing": FLOWING,
        "unfolding": UNFOLDING,
        "posted": POSTED,
        "packed": PACKED,
    }
    files = {f"functions/{name}.py": text for name, text in functions.items()}
    return module_gateway(module_project({"routes.yaml": ROUTES, **files}), "serve")


def preflight(door: Running, path: str, origin: str, *, private: bool = False) -> httpx.Headers:
    asked = {"origin": origin, "access-control-request-method": "POST"}
    if private:
        asked["access-control-request-private-network"] = "true"
    return door.client.options(path, headers=asked).headers


def test_a_pattern_gives_leave_to_each_host_below_it(door: Running) -> None:
    for headers in (preflight(door, "/hello", SHOP), door.get("/hello", headers={"origin": SHOP}).headers):
        assert headers["access-control-allow-origin"] == SHOP
        assert headers["access-control-allow-credentials"] == "true"
        assert headers["vary"] == "Origin"
    for origin in ("https://shop.example", "https://evilshop.example", "null"):
        assert "access-control-allow-origin" not in preflight(door, "/hello", origin)


def test_a_private_network_is_opened_only_to_who_asks(door: Running) -> None:
    name = "access-control-allow-private-network"
    assert preflight(door, "/hello", SHOP, private=True)[name] == "true"
    assert name not in preflight(door, "/hello", SHOP)
    assert name not in preflight(door, "/hello", "https://evil.net", private=True)
    assert name not in preflight(door, "/open", "https://partner.example", private=True)


def test_a_route_has_its_own_origins_or_none(door: Running) -> None:
    for path, allowed in (("/open", "https://partner.example"), ("/closed", None)):
        for origin in (SHOP, "https://partner.example"):
            for headers in (
                preflight(door, path, origin),
                door.get(path, headers={"origin": origin}).headers,
            ):
                given = headers.get("access-control-allow-origin")
                assert given == (origin if origin == allowed else None)
    assert "vary" not in door.get("/closed").headers


def test_a_cross_site_post_with_cookies_is_refused_and_told_the_remedy(door: Running) -> None:
    """Before anything of it was read or done; the page of the problem is there."""
    refused = door.client.post(
        "/hello", headers={"origin": "https://evil.net", "sec-fetch-site": "cross-site", **COOKIE}
    )
    assert refused.status_code == 403
    problem = refused.json()
    assert (problem["code"], problem["fault"]) == ("cross-site", "caller")
    assert "csrf.origins" in problem["detail"]
    assert "OWASP" in door.get(problem["type"]).text
    assert "bff-revision" not in refused.headers


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/hello", {"origin": SHOP, "sec-fetch-site": "cross-site"}, 200),
        ("/hello", {"sec-fetch-site": "same-origin"}, 200),
        ("/hello", {}, 200),
        ("/hello", {"origin": "null"}, 403),
        (
            "/open",
            {"origin": "https://partner.example"},
            403,
        ),  # cors without credentials: no cookies come along
        ("/hook", {"origin": "https://evil.net", "sec-fetch-site": "cross-site"}, 200),
        ("/strict", {"sec-fetch-site": "same-origin"}, 403),
        ("/strict", {"sec-fetch-site": "same-origin", "x-csrf": "1"}, 200),
    ],
)
def test_who_may_call_with_cookies(door: Running, path: str, fields: dict[str, str], status: int) -> None:
    assert door.client.post(path, headers={**fields, **COOKIE}).status_code == status


def test_reading_is_never_refused(door: Running) -> None:
    headers = {"origin": "https://evil.net", "sec-fetch-site": "cross-site", **COOKIE}
    assert door.get("/hello", headers=headers).status_code == 200
    assert door.client.head("/hello", headers=headers).status_code == 200
    assert door.client.delete("/hello", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/hello", "/nowhere", "/health/liveness", "/problems/not-found", "/docs"])
def test_every_answer_is_careful(door: Running, path: str) -> None:
    headers = door.get(path).headers
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert headers["permissions-policy"] == "camera=()"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers


def test_hsts_is_said_to_who_came_over_https_by_a_trusted_proxys_word(door: Running) -> None:
    for told, is_said in (("https", True), ("http", False), ("https, http", False), ("HTTPS", True)):
        headers = door.get("/hello", headers={"x-forwarded-proto": told}).headers
        assert ("strict-transport-security" in headers) == is_said


def test_a_functions_own_words_win(door: Running) -> None:
    headers = door.get("/framed").headers
    assert headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert headers.get_list("referrer-policy") == ["origin"]
    assert "content-security-policy" not in headers
    assert headers["x-content-type-options"] == "nosniff"


def test_a_route_may_have_none(door: Running) -> None:
    headers = door.get("/bare").headers
    assert not {"x-content-type-options", "x-frame-options", "referrer-policy"} & headers.keys()


def test_one_call_too_many_is_429_and_told_when_to_come_again(door: Running) -> None:
    """Whose limit it is, how much is left, and the flag in the log; another address has its own."""
    here = {"x-forwarded-for": "198.51.100.7"}
    seen = [door.get("/limited", headers=here) for _ in range(4)]
    assert [answer.status_code for answer in seen] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"] for answer in seen[:3]] == [
        '"each";r=2;t=1200',
        '"each";r=1;t=2400',
        '"each";r=0;t=1200',
    ]
    refused = seen[-1]
    assert refused.headers["ratelimit-policy"] == '"each";q=3;w=3600'
    assert int(refused.headers["retry-after"]) in range(1190, 1201)
    assert refused.headers["ratelimit"] == f'"each";r=0;t={refused.headers["retry-after"]}'
    assert (refused.json()["code"], refused.json()["violated-policies"]) == ("too-many-requests", ["each"])
    assert "RateLimit" in door.get(refused.json()["type"]).text
    assert door.log(status=429, route="/limited", flags="RL")["fault"] == "caller"
    assert door.get("/limited", headers={"x-forwarded-for": "198.51.100.8"}).status_code == 200


def test_the_subscribers_of_one_ipv6_network_share_a_limit(door: Running) -> None:
    statuses = [
        door.get("/limited", headers={"x-forwarded-for": f"2001:db8:7:7::{number}"}).status_code
        for number in range(1, 5)
    ]
    assert statuses == [200, 200, 200, 429]


def test_callers_are_counted_by_who_they_are_and_guessers_by_address(door: Running) -> None:
    """Keys that are tried out are counted before they are looked at: after four, even a good one has to wait."""
    for number in range(3):
        from_anywhere = {"x-api-key": "acme", "x-forwarded-for": f"203.0.113.{number}"}
        assert door.get("/guarded", headers=from_anywhere).status_code == 200
    assert (
        door.get("/guarded", headers={"x-api-key": "acme", "x-forwarded-for": "203.0.113.9"}).status_code
        == 429
    )
    guessing = {"x-forwarded-for": "203.0.113.77"}
    statuses = [
        door.get("/guarded", headers={**guessing, "x-api-key": f"guess-{number}"}).status_code
        for number in range(5)
    ]
    assert statuses == [401, 401, 401, 401, 429]
    assert door.get("/guarded", headers={**guessing, "x-api-key": "bolt"}).status_code == 429
    assert door.get("/guarded", headers={"x-api-key": "bolt"}).status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_pages_come_smaller_kept_ones_too(door: Running, coding: str) -> None:
    """Two callers with different codings share one kept page; each reads the same."""
    plain = door.get("/big/1000", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    small = door.get("/big/1000", headers={"accept-encoding": coding})
    assert small.headers["content-encoding"] == coding
    assert int(small.headers["content-length"]) < 500 < len(plain.content)
    assert small.json() == plain.json()
    assert "hit" in small.headers["cache-status"]
    for each in (small, plain):
        assert set(each.headers.get_list("vary")) == {"Origin", "Accept-Encoding"}
    assert small.headers["etag"] == "W/" + plain.headers["etag"]
    unchanged = door.get(
        "/big/1000", headers={"accept-encoding": coding, "if-none-match": small.headers["etag"]}
    )
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, small.headers["etag"])
    head = door.client.head("/big/1000", headers={"accept-encoding": coding})
    assert head.headers["content-length"] == small.headers["content-length"]


def test_small_pages_and_other_routes_are_left_alone(door: Running) -> None:
    assert "content-encoding" not in door.get("/big/3").headers
    assert "content-encoding" not in door.get("/hello").headers
    large = door.get("/big/100000", headers={"accept-encoding": "br"})
    assert len(large.content) > 500_000 > int(large.headers["content-length"]) * 100


@pytest.mark.parametrize("path", ["/flowing", "/unfolding"])
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_compressed_stream_holds_nothing_back(
    door: Running, tmp_path: Path, coding: str, path: str
) -> None:
    """Its first line can be read while its second is still being made, of a page that unfolds too."""
    go_on = tmp_path / "go on"
    headers = {"accept-encoding": coding, "accept": "application/x-ndjson"}
    with door.client.stream("GET", path, params={"wait": str(go_on)}, headers=headers) as answer:
        assert answer.headers["content-encoding"] == coding
        lines = answer.iter_lines()
        assert "first" in next(lines)
        go_on.touch()
        assert "second" in next(lines)
    head = door.client.head(path, params={"wait": str(go_on)}, headers=headers)
    assert head.content == b""
    for name in ("content-type", "content-encoding", "vary"):
        assert head.headers.get_list(name) == answer.headers.get_list(name)


@pytest.mark.parametrize("streamed", [False, True])
def test_what_a_function_has_compressed_is_not_compressed_again(door: Running, streamed: bool) -> None:
    """Not even where its caller would rather have another coding."""
    said = {"accept-encoding": "zstd, gzip;q=0.5"}
    answer = door.get("/packed", params={"streamed": streamed}, headers=said)
    assert answer.headers.get_list("content-encoding") == ["gzip"]
    assert answer.content == b"lamp " * 1000 + bytes(range(256)) * 8


def test_streams_are_left_alone_unless_told(door: Running, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    go_on.touch()
    answer = door.get("/still", params={"wait": str(go_on)})
    assert "content-encoding" not in answer.headers
    assert answer.text.count("word") == 2


@pytest.mark.parametrize(
    ("accepted", "status"),
    [
        ("*/*", 200),
        ("application/json", 200),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 200),
        ("application/*", 200),
        ("application/json;q=0.1", 200),
        ("application/problem+json", 200),
        ("text/event-stream", 200),
        ("", 200),
        ("text/html", 406),
        ("application/xml;q=0.9", 406),
        ("application/json;q=0", 406),
        ("*/*;q=0", 406),
        ("application/json;q=0, */*", 406),
        ("nonsense", 406),
    ],
)
def test_who_takes_no_json_is_told_before_anything_is_done(door: Running, accepted: str, status: int) -> None:
    answer = door.get("/hello", headers={"accept": accepted})
    assert answer.status_code == status
    if status == 406:
        assert (answer.json()["code"], answer.json()["fault"]) == ("not-acceptable", "caller")
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_page_of_another_kind_is_not_negotiated(door: Running) -> None:
    """Nobody knows beforehand what a function that returns a Response will answer."""
    assert door.get("/framed", headers={"accept": "image/png"}).status_code == 200


def test_a_route_may_want_to_know_lengths(door: Running) -> None:
    def in_chunks() -> Iterator[bytes]:
        yield b'{"a": 1}'

    json = {"content-type": "application/json"}
    refused = door.client.post("/measured", content=in_chunks(), headers=json)
    assert (refused.status_code, refused.json()["code"]) == (411, "length-required")
    assert door.client.post("/measured", content=b'{"a": 1}', headers=json).json() == {"a": 1}
    assert door.client.post("/posted", content=in_chunks(), headers=json).json() == {"a": 1}


@pytest.mark.parametrize(
    ("coding", "status"), [("gzip", 415), ("br, gzip", 415), ("identity", 200), ("", 200)]
)
def test_a_body_in_a_coding_is_415_and_told_what_is_read(door: Running, coding: str, status: int) -> None:
    headers = {"content-type": "application/json", "content-encoding": coding}
    answer = door.client.post("/posted", content=b'{"a": 1}', headers=headers)
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["code"] == "unsupported-coding"
        assert answer.headers["accept-encoding"] == "identity"


POSTED_JSON = "POST /posted HTTP/1.1\r\nhost: bff\r\ncontent-type: application/json\r\n"
REFUSALS = {
    "400 bad-request": POSTED_JSON + "content-length: 1\r\n\r\n{",
    "401 unauthenticated": "GET /keyed HTTP/1.1\r\nhost: bff\r\n\r\n",
    "403 cross-site": "POST /hello HTTP/1.1\r\nhost: bff\r\ncookie: a=b\r\norigin: null\r\ncontent-length: 0\r\n\r\n",
    "403 forbidden": "GET /scoped HTTP/1.1\r\nhost: bff\r\nx-api-key: acme\r\n\r\n",
    "404 not-found": "GET /nowhere HTTP/1.1\r\nhost: bff\r\n\r\n",
    "405 method-not-allowed": "PATCH /hello HTTP/1.1\r\nhost: bff\r\ncontent-length: 0\r\n\r\n",
    "406 not-acceptable": "GET /hello HTTP/1.1\r\nhost: bff\r\naccept: text/html\r\n\r\n",
    "411 length-required": POSTED_JSON.replace("posted", "measured")
    + 'transfer-encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n0\r\n\r\n',
    "413 body-too-large": POSTED_JSON + "content-length: 99999999\r\n\r\n",
    "414 target-too-long": f"GET /{'a' * 9000} HTTP/1.1\r\nhost: bff\r\n\r\n",
    "415 unsupported-media-type": POSTED_JSON.replace("application/json", "text/plain")
    + 'content-length: 8\r\n\r\n{"a": 1}',
    "417 expectation-failed": POSTED_JSON + "expect: the-moon\r\ncontent-length: 0\r\n\r\n",
    "422 validation-failed": POSTED_JSON + 'content-length: 8\r\n\r\n{"a":{}}',
    "429 too-many-requests": "GET /once HTTP/1.1\r\nhost: bff\r\n\r\n",
    "431 head-too-large": f"GET /hello HTTP/1.1\r\nhost: bff\r\nx: {'a' * 70_000}\r\n\r\n",
}


@pytest.mark.parametrize("told", REFUSALS)
def test_every_refusal_is_a_problem_document_whose_type_is_a_page(door: Running, told: str) -> None:
    """RFC 9457 §3.1, of every status that callers can earn."""
    status, code = told.split()
    door.get("/once")  # the one call that is let in
    with door.wire() as wire:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            wire.say(REFUSALS[told])
        heard = wire.hear_answer()
    document = heard.json()
    assert (heard.status, heard.headers["content-type"]) == (int(status), "application/problem+json")
    assert heard.headers["cache-control"] == "no-store"
    assert (document["status"], document["code"], document["fault"]) == (int(status), code, "caller")
    assert document["title"]
    assert document["detail"]
    page = door.get(document["type"])
    assert page.status_code == 200
    assert page.text.startswith(f"{document['title']}\nstatus {status}\n")


def test_every_problem_of_the_door_has_a_page(door: Running) -> None:
    """`type` is a place on the gateway that explains it."""
    for code in (
        *("bad-request", "unauthenticated", "forbidden", "cross-site", "not-found", "method-not-allowed"),
        *("not-acceptable", "head-timed-out", "body-timed-out", "length-required", "body-too-large"),
        *("target-too-long", "unsupported-media-type", "unsupported-coding", "validation-failed"),
        *("too-many-requests", "head-too-large", "too-many-connections", "limits-unavailable"),
    ):
        page = door.get(f"/problems/{code}")
        assert page.status_code == 200
        assert page.text.splitlines()[1].startswith("status ")
