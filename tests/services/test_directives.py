"""Cache-Control and its targeted kinds, read as strictly as RFC 9111, 9213 and 9651 want it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services import structured
from bff.services.directives import NOTHING_SAID, Directives, of_answer, of_field, parse, targeted
from bff.services.fields import MOST_SECONDS, end_to_end, members, seconds


@pytest.mark.parametrize(
    ("text", "means"),
    [
        (b"", {}),
        (b"max-age=60", {"max_age": 60}),
        (b"MAX-AGE=60", {"max_age": 60}),
        (b" max-age=60 ,, ,", {"max_age": 60}),
        (b'max-age="60"', {"max_age": 60}),
        (b"max-age=0060", {"max_age": 60}),
        (b"max-age=99999999999999999999999999", {"max_age": MOST_SECONDS}),
        (b"max-age=60, max-age=60", {"max_age": 60}),
        (b"s-maxage=7,max-age=60,public", {"s_maxage": 7, "max_age": 60, "public": True}),
        (b"no-store", {"no_store": True}),
        (b'no-store="x"', {"no_store": True}),
        (b"No-StOrE, max-age=3", {"no_store": True, "max_age": 3}),
        (b"no-cache", {"no_cache": True}),
        (b'no-cache="Set-Cookie, a"', {"no_cache_fields": frozenset({b"set-cookie", b"a"})}),
        (b"no-cache=a", {"no_cache_fields": frozenset({b"a"})}),
        (b'no-cache="a", no-cache', {"no_cache_fields": frozenset({b"a"}), "no_cache": True}),
        (b'private="x", private="y"', {"private_fields": frozenset({b"x", b"y"})}),
        (b'private=""', {"private": True}),
        (b"private", {"private": True}),
        (b"must-revalidate, proxy-revalidate", {"must_revalidate": True, "proxy_revalidate": True}),
        (b"must-understand, no-store", {"must_understand": True, "no_store": True}),
        (b"stale-while-revalidate=5, stale-if-error=6", {"stale_while_revalidate": 5, "stale_if_error": 6}),
        (b"max-stale", {"max_stale": MOST_SECONDS}),
        (
            b"max-stale=3, min-fresh=4, only-if-cached",
            {"max_stale": 3, "min_fresh": 4, "only_if_cached": True},
        ),
        (b'x="max-age=9, no-store", max-age=1', {"max_age": 1}),
        (b'max-age=1, x="max-age=9, no-store"', {"max_age": 1}),
        (b'x="a\\", max-age=9", max-age=1', {"max_age": 1}),
        (b"community=UCI, ext", {}),
    ],
)
def test_directives_are_read(text: bytes, means: dict[str, object]) -> None:
    assert parse(text) == Directives(**means)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        b"max-age=a60",
        b"max-age=60a",
        b"max-age=60.0",
        b"max-age=-1",
        b"max-age=",
        b"max-age",
        b"max-age='60'",
        b"max-age =60",
        b"max-age= 60",
        b"max-age=60 60",
        b'max-age="60',
        b"max-age=1800, max-age=1",
        b"max-age=1, max-age=1800",
        "max-age=\u0661".encode(),
    ],
)
def test_a_lifetime_that_is_not_clear_is_none(text: bytes) -> None:
    said = parse(text)
    assert said.max_age == 0 or said.no_store


def test_a_prohibition_with_strange_arguments_is_a_prohibition() -> None:
    assert parse(b"no-cache ; x").no_cache
    assert parse(b"private =a").private
    assert parse(b"no-store @").no_store


def test_a_string_that_never_ends_may_hide_anything() -> None:
    assert parse(b'max-age=3600, x="no-store').no_store


def test_an_unclear_wish_for_freshness_cannot_be_met() -> None:
    assert parse(b"min-fresh=x").min_fresh == MOST_SECONDS
    assert parse(b"max-stale=x").max_stale == 0


def test_several_fields_are_one_list() -> None:
    fields = [(b"cache-control", b"max-age=60"), (b"x", b"1"), (b"cache-control", b"private")]
    assert of_field(fields) == Directives(max_age=60, private=True)
    assert of_field([]) is NOTHING_SAID


@given(st.binary(max_size=80))
def test_any_bytes_can_be_read(text: bytes) -> None:
    said = parse(text)
    assert said.max_age is None or 0 <= said.max_age <= MOST_SECONDS


_NAMES = st.sampled_from([b"max-age", b"no-store", b"private", b"no-cache", b"x", b"s-maxage"])
_VALUES = st.sampled_from([b"", b"=1", b'="1"', b'="a, b"', b"=x", b"= 1", b" x"])


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=5), st.sampled_from([b", ", b",", b" ,,"]))
def test_no_order_of_things_loses_a_prohibition(parts: list[tuple[bytes, bytes]], comma: bytes) -> None:
    said = parse(comma.join(name + value for name, value in parts))
    if any(name == b"no-store" for name, _ in parts):
        assert said.no_store
    if any(name == b"private" for name, _ in parts):
        assert said.private or said.private_fields or said.no_store


@pytest.mark.parametrize(
    ("text", "means"),
    [
        (b"max-age=60", {"max_age": 60}),
        (b"  max-age=60 ", {"max_age": 60}),
        (b"max-age=60;a=1;b, foobar", {"max_age": 60}),
        (b"foobar, max-age=60", {"max_age": 60}),
        (b"max-age=1, max-age=60", {"max_age": 60}),
        (b"no-store", {"no_store": True}),
        (b"no-store=?1", {"no_store": True}),
        (b"no-store=?0", {}),
        (b"private=(a b)", {"private": True}),
        (b'no-cache="a, b"', {"no_cache": True}),
        (b"none", {}),
        (b'max-age="60"', {}),
        (b"max-age=60.0", {}),
        (b"max-age=-1", {}),
        (b"max-age", {}),
        (b'x="a\\"b", y=:aGk=:, z=@12, w=(1 "b" c);q, max-age=5', {"max_age": 5}),
        (b"max-age=99999999999", {"max_age": MOST_SECONDS}),
    ],
)
def test_a_targeted_field_is_a_structured_dictionary(text: bytes, means: dict[str, object]) -> None:
    assert targeted(text) == Directives(is_targeted=True, **means)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"max-age=60, &&&",
        b"max-age=60,",
        b",max-age=60",
        b"max-age=60,,no-store",
        b"max-age = 60",
        b"max-age =60",
        b"max-age= 60",
        b"MaX-aGe=60",
        b'max-age="60',
        b"max-age=1234567890123456",
        b"max-age=60 no-store",
        b"private=(a",
        b"private=(a,b)",
        b"a=?2",
        b"a=\xff",
        b'a="\xc3\xbc"',
    ],
)
def test_a_broken_targeted_field_is_ignored(text: bytes) -> None:
    assert targeted(text) is None
    fields = [(b"cdn-cache-control", text), (b"cache-control", b"max-age=7")]
    assert of_answer(fields) == Directives(max_age=7)


def test_the_nearest_target_wins_and_cache_control_is_not_read_beside_it() -> None:
    fields = [
        (b"cache-control", b"max-age=1, private"),
        (b"cdn-cache-control", b"max-age=2"),
        (b"bff-cache-control", b"max-age=3"),
    ]
    assert of_answer(fields) == Directives(max_age=3, is_targeted=True)
    assert of_answer(fields[:2]) == Directives(max_age=2, is_targeted=True)
    assert of_answer([(b"cdn-cache-control", b"none"), fields[0]]) == Directives(is_targeted=True)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_dictionary_or_none(text: bytes) -> None:
    found = structured.dictionary(text)
    assert found is None or all(isinstance(key, bytes) for key in found)


@given(
    st.dictionaries(
        st.from_regex(rb"[a-z][a-z0-9-]{0,8}", fullmatch=True),
        st.integers(-(10**15) + 1, 10**15 - 1),
        max_size=6,
    )
)
def test_integers_survive(members: dict[bytes, int]) -> None:
    text = b", ".join(b"%s=%d" % pair for pair in members.items())
    assert structured.dictionary(text) == members


def test_fields_of_the_connection_are_not_end_to_end() -> None:
    fields = [
        (b"connection", b"A, close"),
        (b"a", b"1"),
        (b"b", b"2"),
        (b"transfer-encoding", b"chunked"),
        (b"keep-alive", b"x"),
        (b"proxy-authentication-info", b"x"),
    ]
    assert end_to_end(fields) == [(b"b", b"2")]


def test_lists_and_seconds() -> None:
    assert members(b" A ,, b\t, ") == [b"a", b"b"]
    assert [seconds(text) for text in (b"0", b"007", b"", b"-1", b"+1", b"1.5", b" 1", b"9" * 30)] == [
        0, 7, None, None, None, None, None, MOST_SECONDS,
    ]  # fmt: skip
