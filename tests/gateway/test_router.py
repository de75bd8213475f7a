"""The route table alone: which route wins, what a path is, and that size costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.config import Pattern
from bff.errors import BadRequest, MethodNotAllowed, NotFound
from bff.gateway.router import Router


def table(*templates: str, methods: Iterable[str] = ("GET",)) -> Router[str]:
    """Every template routed to a target of its own name."""
    return Router.compiled([(Pattern.parse(each), tuple(methods), each) for each in templates])


def find(router: Router[str], raw_path: str, method: str = "GET") -> tuple[str, dict[str, str]]:
    from urllib.parse import unquote

    target, parameters = router.match(method, unquote(raw_path), raw_path.encode())
    return target, dict(parameters)


def test_static_beats_parameter_beats_wildcard_whatever_the_order() -> None:
    """An author may add a special case to a family of paths, anywhere in the file, and it wins."""
    templates = ("/a/{rest:path}", "/a/{id}", "/a/new")
    for order in (templates, templates[::-1], (templates[1], templates[0], templates[2])):
        router = table(*order)
        assert find(router, "/a/new") == ("/a/new", {})
        assert find(router, "/a/7") == ("/a/{id}", {"id": "7"})
        assert find(router, "/a/7/b") == ("/a/{rest:path}", {"rest": "7/b"})


def test_a_dead_end_is_left_again() -> None:
    """The preferred branch having no answer does not hide the others behind it."""
    router = table("/a/b/c", "/a/{x}/d", "/{rest:path}", "/{p}/{q}/e")
    assert find(router, "/a/b/d") == ("/a/{x}/d", {"x": "b"})
    assert find(router, "/a/b/e") == ("/{p}/{q}/e", {"p": "a", "q": "b"})
    assert find(router, "/a/b/f") == ("/{rest:path}", {"rest": "a/b/f"})


def test_a_wildcard_takes_whatever_comes_after_its_slash() -> None:
    """Nothing too: behind ``/files/`` is the front page of what is mounted there. ``/files`` is another path."""
    router = table("/files/{rest:path}")
    with pytest.raises(NotFound):
        find(router, "/files")
    assert find(router, "/files/") == ("/files/{rest:path}", {"rest": ""})
    assert find(router, "/files/a/") == ("/files/{rest:path}", {"rest": "a/"})
    assert find(router, "/files//") == ("/files/{rest:path}", {"rest": "/"})


def test_a_catch_all_has_the_front_page_unless_a_route_does() -> None:
    assert find(table("/{rest:path}"), "/") == ("/{rest:path}", {"rest": ""})
    assert find(table("/{rest:path}", "/"), "/") == ("/", {})
    assert find(table("/a/{rest:path}", "/a/"), "/a/") == ("/a/", {})


def test_an_asterisk_is_no_path() -> None:
    """RFC 9112 §3.2.4: not even a catch-all has it."""
    router = table("/{rest:path}", "/")
    with pytest.raises(NotFound):
        router.match("GET", "*", b"*")
    assert router.allowed("*", b"*") is None


def test_a_parameter_is_one_segment_that_is_not_empty() -> None:
    """``/users//posts`` names nobody, so no function is asked for user ''."""
    router = table("/users/{id}/posts", "/users/{id}")
    for path in ("/users//posts", "/users/", "/users/1/2"):
        with pytest.raises(NotFound):
            find(router, path)


def test_a_slash_at_the_end_makes_another_path() -> None:
    router = table("/a", "/b/")
    assert find(router, "/a")[0] == "/a"
    assert find(router, "/b/")[0] == "/b/"
    for path in ("/a/", "/b", "//a", "/a//"):
        with pytest.raises(NotFound):
            find(router, path)


def test_404_is_told_from_405_with_all_that_is_allowed() -> None:
    """A caller with the wrong verb is told every verb that some route of this very path answers."""
    router = Router.compiled(
        [
            (Pattern.parse("/a/new"), ("PUT",), "static"),
            (Pattern.parse("/a/{id}"), ("GET", "DELETE"), "parameter"),
            (Pattern.parse("/a/{rest:path}"), ("POST",), "wildcard"),
        ]
    )
    with pytest.raises(MethodNotAllowed) as refused:
        find(router, "/a/new", "PATCH")
    assert refused.value.headers() == {"allow": "DELETE, GET, HEAD, OPTIONS, POST, PUT"}
    with pytest.raises(MethodNotAllowed) as refused:
        find(router, "/a/b/c", "GET")
    assert refused.value.headers() == {"allow": "OPTIONS, POST"}
    with pytest.raises(NotFound):
        find(router, "/b", "PATCH")


def test_a_method_falls_through_to_a_less_specific_route() -> None:
    """Splitting one path's verbs over functions works, each with its own parameter names."""
    router = Router.compiled(
        [
            (Pattern.parse("/a/new"), ("PUT",), "static"),
            (Pattern.parse("/a/{id}"), ("GET",), "reads"),
            (Pattern.parse("/a/{name}"), ("POST",), "writes"),
        ]
    )
    assert find(router, "/a/new", "GET") == ("reads", {"id": "new"})
    assert find(router, "/a/new", "POST") == ("writes", {"name": "new"})


def test_get_brings_head_unless_head_has_a_route() -> None:
    router = Router.compiled(
        [
            (Pattern.parse("/a"), ("GET",), "get a"),
            (Pattern.parse("/b"), ("GET",), "get b"),
            (Pattern.parse("/b"), ("HEAD",), "head b"),
        ]
    )
    assert find(router, "/a", "HEAD")[0] == "get a"
    assert find(router, "/b", "HEAD")[0] == "head b"


def test_options_knows_what_is_allowed() -> None:
    router = table("/a/{id}", "/b", methods=("POST",))
    assert router.allowed("/a/1", b"/a/1") == "OPTIONS, POST"
    assert router.allowed("/b", b"/b") == "OPTIONS, POST"
    assert router.allowed("/c", b"/c") is None


def test_an_encoded_slash_never_makes_a_segment() -> None:
    """``a%2Fb`` is one value with a slash in it: nobody slips into another route by encoding."""
    router = table("/files/{name}", "/files/a/b", "/files/{x}/{y}")
    assert find(router, "/files/a%2Fb") == ("/files/{name}", {"name": "a/b"})
    assert find(router, "/files/a%2fb") == ("/files/{name}", {"name": "a/b"})
    with pytest.raises(NotFound):
        find(router, "/files%2Fa%2Fb")
    assert find(router, "/files/%2F/c") == ("/files/{x}/{y}", {"x": "/", "y": "c"})


def test_encoded_text_is_the_same_path_as_plain_text() -> None:
    """RFC 3986 §6.2.2.2: ``/h%65llo`` is ``/hello``; a proxy that encodes more than needed changes nothing."""
    router = table("/hello", "/grüße/{wer}")
    assert find(router, "/h%65llo") == ("/hello", {})
    assert find(router, "/gr%C3%BC%C3%9Fe/z%C3%B6e") == ("/grüße/{wer}", {"wer": "zöe"})
    # An escape that is none stands for itself, and is decoded once, never twice.
    assert find(router, "/gr%C3%BC%C3%9Fe/50%25") == ("/grüße/{wer}", {"wer": "50%"})
    assert find(router, "/gr%C3%BC%C3%9Fe/%2541") == ("/grüße/{wer}", {"wer": "%41"})
    assert find(router, "/gr%C3%BC%C3%9Fe/%zz") == ("/grüße/{wer}", {"wer": "%zz"})


@pytest.mark.parametrize("raw", ["/a/%ff", "/a/%c3%28", "/a/%ed%a0%80", "/%C0%AF", "/a/%f8"])
def test_a_path_that_is_not_utf8_is_the_callers_mistake(raw: str) -> None:
    """Functions only ever see text: overlong forms, surrogates and broken sequences are refused."""
    with pytest.raises(BadRequest):
        find(table("/a/{x}", "/{rest:path}"), raw)


SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8)


@given(st.lists(SEGMENT, min_size=1, max_size=4))
def test_any_values_come_back_as_they_were_put_in(values: list[str]) -> None:
    """Whatever text a caller percent-encodes into segments, the function gets that text and no other."""
    from urllib.parse import quote

    template = "/x/" + "/".join(f"{{p{n}}}" for n in range(len(values)))
    raw = "/x/" + "/".join(quote(value, safe="") for value in values)
    assert find(table(template), raw) == (template, {f"p{n}": value for n, value in enumerate(values)})


LITERAL = st.sampled_from(["a", "b", "c"])
PIECE = st.one_of(LITERAL, st.sampled_from(["{}", "{:path}"]))


def _named(pieces: list[str]) -> str | None:
    """A template of pieces with names given; None where a wildcard is not last."""
    if any(piece == "{:path}" for piece in pieces[:-1]):
        return None
    names = {"{}": "{{p{}}}", "{:path}": "{{p{}:path}}"}
    return "/" + "/".join(names.get(piece, piece).format(n) for n, piece in enumerate(pieces))


def _rank(template: str) -> list[int]:
    return [2 if ":path" in part else 1 if part.startswith("{") else 0 for part in template[1:].split("/")]


def _fits(template: str, path: str) -> bool:
    parts, texts = template[1:].split("/"), path[1:].split("/")
    for at, part in enumerate(parts):
        if ":path" in part:
            return bool("/".join(texts[at:]))
        if at >= len(texts) or not (texts[at] if part.startswith("{") else part == texts[at]):
            return False
    return len(parts) == len(texts)


@given(
    st.lists(st.lists(PIECE, min_size=1, max_size=4).map(_named), max_size=12),
    st.lists(st.sampled_from(["a", "b", "c", "d", ""]), min_size=1, max_size=5),
)
def test_the_table_agrees_with_trying_every_route(templates: list[str | None], segments: list[str]) -> None:
    """The tree is only a faster way to ask every route and take the most specific, left to right."""
    known = list(dict.fromkeys(template for template in templates if template is not None))
    path = "/" + "/".join(segments)
    fitting = sorted((template for template in known if _fits(template, path)), key=_rank)
    try:
        target, _ = find(table(*known), path)
    except NotFound:
        assert not fitting
    else:
        assert target == fitting[0]


def _calls_and_lines(router: Router[int], path: str, method: str = "GET") -> int:
    """Steps the interpreter takes for one match: every call, return and line."""
    steps = 0

    def count(*_: object) -> object:
        nonlocal steps
        steps += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type]
    try:
        router.match(method, path, path.encode())
    finally:
        sys.settrace(before)
    return steps


def _crowd(size: int) -> Router[int]:
    templates = [f"/api/s{n}" if n % 2 else f"/api/r{n}/{{id}}/parts/{{part}}" for n in range(size)]
    return Router.compiled([(Pattern.parse(each), ("GET",), n) for n, each in enumerate(templates)])


@pytest.mark.parametrize("path", ["/api/s9", "/api/r8/7/parts/x"])
def test_ten_thousand_routes_cost_a_match_no_more_than_ten(path: str) -> None:
    """A team may add routes for years without any request getting slower."""
    assert _calls_and_lines(_crowd(10_000), path) == _calls_and_lines(_crowd(10), path)


@pytest.mark.parametrize("value", ["..", ".", "a/..", "../a", "a\\..\\b", "..\\a", "a/./b"])
def test_no_path_leads_out(value: str) -> None:
    """Decoded, and seen as whoever opens a file of that name would see it."""
    router = Router.compiled([(Pattern.parse("/files/{name}"), ("GET",), "file")])
    raw = quote(value, safe="").encode()
    with pytest.raises(BadRequest):
        router.match("GET", f"/files/{value}", b"/files/" + raw)


@pytest.mark.parametrize("value", ["a..b", "...", ".env", "a.", "..a", "a/b", ".\\", "a\\b", "a...\\b"])
def test_dots_that_are_part_of_a_name_stay(value: str) -> None:
    router = Router.compiled([(Pattern.parse("/files/{name}"), ("GET",), "file")])
    raw = quote(value, safe="").encode()
    assert router.match("GET", f"/files/{value}", b"/files/" + raw) == ("file", {"name": value})
