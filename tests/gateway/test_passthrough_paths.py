"""Every byte of a path and its query arrives at the service, below its URL and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.config import Pattern
from bff.config.names import METHODS
from bff.config.rewrite import Rewrite
from bff.gateway import rawpath
from bff.services.paths import climbs
from tests.gateway.upstream import Passing

TARGETS = {
    "/c/a": "/a",
    "/c/": "/",
    "/c/?x": "/?x",
    "/b/": "/base/v1/",
    "/c/a/b//c/": "/a/b//c/",
    "/c//a": "//a",
    "/c/a%2Fb%2fc": "/a%2Fb%2fc",
    "/c/%41%c3%A9%20": "/%41%c3%A9%20",
    "/c/a;v=1,2:3@x!$&'()*+=~": "/a;v=1,2:3@x!$&'()*+=~",
    '/c/a"<>^`{|}': '/a"<>^`{|}',
    "/c/a?": "/a?",
    "/c/a?x=1&x=2&&y": "/a?x=1&x=2&&y",
    "/c/a?x=%41+b%2B?c=/../d": "/a?x=%41+b%2B?c=/../d",
    "/c/a?x=caf%E9&[]=\\{}": "/a?x=caf%E9&[]=\\{}",
    "/%63/a": "/a",
    "/c/a.b/..c/...": "/a.b/..c/...",
    "http://other.example/c/a?b": "/a?b",
    "http://user@other.example:80/c/a": "/a",
    "/b/a%2F?q": "/base/v1/a%2F?q",
    "/r/7%2F8/x//y%20?z": "/v2/x//y%20/of/7%2F8?z",
    "/exact": "/exact",
    "/exact?a=%2f": "/exact?a=%2f",
}


@pytest.mark.parametrize("target", TARGETS)
def test_paths_and_queries_arrive_byte_for_byte(passing: Passing, target: str) -> None:
    """Nothing is decoded, encoded, sorted or made shorter on the way."""
    heard, answer = passing.exchange(f"GET {target} HTTP/1.1\r\nhost: bff\r\n\r\n")
    assert heard.line == f"GET {TARGETS[target]} HTTP/1.1"
    assert answer.status == 200


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("HEAD",)])
def test_every_method_that_llhttp_reads_passes(passing: Passing, method: str) -> None:
    heard, answer = passing.exchange(f"{method} /c/x HTTP/1.1\r\nhost: bff\r\n\r\n")
    assert (heard.line, answer.status) == (f"{method} /x HTTP/1.1", 200)
    assert heard.get("content-length") is None
    assert heard.get("transfer-encoding") is None


CLIMBING = [
    "..",
    ".",
    "%2e%2e",
    ".%2E",
    "a/../../b",
    "a/..",
    "..%2fb",
    "..;x=1",
    "a%5c..%5cb",
    "a\\..\\b",
    "%2e",
]


@pytest.mark.parametrize("rest", CLIMBING)
def test_no_path_leaves_the_services_url(passing: Passing, rest: str) -> None:
    """Whatever a server could read as a step up is refused, not mended."""
    with passing.wire() as caller:
        answer = caller.say(f"GET /b/{rest} HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
    assert (answer.status, answer.json()["fault"]) == (400, "caller")
    assert passing.upstream.is_left_alone(0.02)


@pytest.mark.parametrize("target", ["/c/caf\xe9", "/c/%e9"])
def test_paths_that_are_none_are_refused(passing: Passing, target: str) -> None:
    with passing.wire() as caller:
        answer = caller.say(f"GET {target} HTTP/1.1\r\nhost: bff\r\n\r\n").hear_answer()
    assert answer.status == 400


SEGMENT = st.text(alphabet="ab.%/\\;?é ", min_size=1, max_size=6).map(
    lambda text: text.replace("/", "%2F").replace("?", "%3f").replace(" ", "+").encode()
)


@settings(max_examples=100, deadline=None)
@given(st.lists(SEGMENT, min_size=1, max_size=4), SEGMENT, SEGMENT)
def test_parameters_are_the_bytes_that_came(rest: list[bytes], first: bytes, query: bytes) -> None:
    """Whatever they are: splitting and putting together again changes nothing."""
    pattern = Pattern.parse("/a/{first}/{rest:path}")
    target = b"/a/" + first + b"/" + b"/".join(rest) + b"?" + query
    path, found_query = rawpath.split(target)
    assert path + found_query == target
    assert rawpath.parameters(pattern, path) == {"first": first, "rest": b"/".join(rest)}
    assert rawpath.asked(pattern, None)(path) == b"/" + b"/".join(rest)
    rewrite = Rewrite.parse("/{rest}/é/{first}")
    assert rawpath.asked(pattern, rewrite)(path) == b"/" + b"/".join(rest) + b"/%C3%A9/" + first


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        (b"/a", (b"/a", b"")),
        (b"/a?", (b"/a", b"?")),
        (b"http://h", (b"/", b"")),
        (b"http://h?q", (b"/", b"?q")),
        (b"http://h/a://b?c", (b"/a://b", b"?c")),
        (b"//h/a", (b"//h/a", b"")),
    ],
)
def test_a_target_has_a_path_and_a_query(target: bytes, parts: tuple[bytes, bytes]) -> None:
    assert rawpath.split(target) == parts


@pytest.mark.parametrize("path", [b"/a", b"/a.b", b"/...", b"/%41", b"/a..", b"/..a", b"/;..", b""])
def test_paths_that_only_look_like_climbing_do_not(path: bytes) -> None:
    assert not climbs(path)
