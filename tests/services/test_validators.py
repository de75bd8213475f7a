"""Conditional requests, ranges and Cache-Status: decided from fields alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services import httpdate, ranges, validators
from bff.services.cachestatus import Handled
from bff.services.fields import Pair

WALL = 1_900_000_000.0
THEN, LATER = httpdate.written(WALL - 100), httpdate.written(WALL - 50)


@pytest.mark.parametrize(
    ("asked", "answer", "unchanged"),
    [
        ([(b"if-none-match", b'"a"')], [(b"etag", b'"a"')], True),
        ([(b"if-none-match", b'"b"')], [(b"etag", b'"a"')], False),
        ([(b"if-none-match", b'"b", "a"')], [(b"etag", b'"a"')], True),
        ([(b"if-none-match", b'"b"'), (b"if-none-match", b'"a"')], [(b"etag", b'"a"')], True),
        ([(b"if-none-match", b'W/"a"')], [(b"etag", b'"a"')], True),
        ([(b"if-none-match", b'"a"')], [(b"etag", b'W/"a"')], True),
        ([(b"if-none-match", b"*")], [], True),
        ([(b"if-none-match", b'"a,b"')], [(b"etag", b'"a,b"')], True),
        ([(b"if-none-match", b'"a\xfc"')], [(b"etag", b'"a\xfc"')], True),
        ([(b"if-none-match", b"a")], [(b"etag", b'"a"')], False),
        ([(b"if-none-match", b'"a" "b"')], [(b"etag", b'"a"')], False),
        ([(b"if-none-match", b'"a"')], [], False),
        ([(b"if-none-match", b'"b"'), (b"if-modified-since", LATER)], [(b"etag", b'"a"'), (b"last-modified", THEN)], False),
        ([(b"if-modified-since", LATER)], [(b"last-modified", THEN)], True),
        ([(b"if-modified-since", THEN)], [(b"last-modified", THEN)], True),
        ([(b"if-modified-since", THEN)], [(b"last-modified", LATER)], False),
        ([(b"if-modified-since", LATER)], [(b"date", THEN)], True),
        ([(b"if-modified-since", LATER)], [], False),
        ([(b"if-modified-since", b"soon")], [(b"last-modified", THEN)], False),
        ([(b"if-match", b'"b"')], [(b"etag", b'"a"')], False),
        ([], [(b"etag", b'"a"')], False),
    ],
)  # fmt: skip
def test_304_is_the_answer_where_nothing_has_changed(
    asked: list[Pair], answer: list[Pair], unchanged: bool
) -> None:
    """RFC 9110 §13.1.2, §13.1.3, §13.2.2."""
    assert validators.is_not_modified(asked, answer, wall=WALL) is unchanged


def test_validators_become_conditions() -> None:
    kept = [(b"etag", b'W/"a"'), (b"last-modified", THEN), (b"x", b"1")]
    conditions = validators.conditions(kept)
    assert conditions == [(b"if-none-match", b'W/"a"'), (b"if-modified-since", THEN)]
    assert validators.conditions([(b"x", b"1")]) == []
    asked = [
        (b"accept", b"*/*"),
        (b"if-none-match", b'"own"'),
        (b"range", b"bytes=0-1"),
        (b"if-range", b'"own"'),
    ]
    assert validators.under(conditions, asked) == [(b"accept", b"*/*"), *conditions]


@pytest.mark.parametrize(
    ("confirmation", "kept", "means"),
    [
        ([(b"etag", b'"a"')], [(b"etag", b'"a"')], True),
        ([(b"etag", b'"b"')], [(b"etag", b'"a"')], False),
        ([(b"etag", b'"a"')], [(b"last-modified", THEN)], False),
        ([(b"etag", b'"a"')], [(b"etag", b'W/"a"')], False),
        ([(b"etag", b'W/"a"')], [(b"etag", b'"a"')], True),
        ([(b"etag", b'W/"b"')], [(b"etag", b'W/"a"')], False),
        ([(b"last-modified", THEN)], [(b"last-modified", THEN)], True),
        ([(b"last-modified", LATER)], [(b"last-modified", THEN)], False),
        ([(b"last-modified", THEN)], [(b"etag", b'"a"')], True),
        ([], [(b"etag", b'"a"')], True),
    ],
)
def test_a_304_speaks_of_the_answer_with_its_validator(
    confirmation: list[Pair], kept: list[Pair], means: bool
) -> None:
    """RFC 9111 §4.3.4."""
    assert validators.is_meant(confirmation, kept) is means


def test_a_304_replaces_the_fields_it_brings_but_for_those_of_the_body() -> None:
    """RFC 9111 §3.2."""
    kept = [(b"a", b"1"), (b"b", b"1"), (b"b", b"2"), (b"content-length", b"5"), (b"content-type", b"x")]
    kept.append((b"age", b"700"))  # counted from a time before this confirmation
    news = [
        (b"b", b"3"),
        (b"content-length", b"0"),
        (b"content-encoding", b"gzip"),
        (b"content-type", b"y"),
        (b"connection", b"hop"),
        (b"hop", b"1"),
        (b"age", b"9"),
    ]
    assert validators.updated(kept, news) == [
        (b"a", b"1"),
        (b"content-length", b"5"),
        (b"b", b"3"),
        (b"content-type", b"y"),
        (b"age", b"9"),
    ]
    assert (b"age", b"700") not in validators.updated(kept, [(b"b", b"3")])


def test_a_304_carries_nothing_of_the_content() -> None:
    fields = [(b"etag", b'"a"'), (b"content-type", b"x"), (b"content-location", b"/a"), (b"x", b"1")]
    assert validators.not_modified_fields(fields) == [fields[0], fields[2], fields[3]]


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_may_be_compared(wanted: bytes, tag: bytes) -> None:
    assert validators.is_not_modified([(b"if-none-match", wanted)], [(b"etag", tag)], wall=WALL) in (
        True,
        False,
    )


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        (b"bytes=0-1", 0, 1),
        (b"bytes=3-", 3, 9),
        (b"bytes=-2", 8, 9),
        (b"bytes=-99", 0, 9),
        (b"BYTES=5-99", 5, 9),
    ],
)
def test_one_range_of_bytes_is_cut_out(asked: bytes, first: int, last: int) -> None:
    part = ranges.wanted([(b"range", asked)], [], 10, wall=WALL)
    assert part == ranges.Part(first, last, 10)
    assert part.content_range == b"bytes %d-%d/10" % (first, last)


@pytest.mark.parametrize(
    "asked",
    [b"bytes=0-1,3-4", b"bytes=5-4", b"bytes=12-11", b"lines=0-1", b"bytes=a-b", b"bytes=-", b""],
)
def test_anything_else_gets_the_whole(asked: bytes) -> None:
    assert ranges.wanted([(b"range", asked)], [], 10, wall=WALL) is None


@pytest.mark.parametrize("asked", [b"bytes=10-", b"bytes=10-11", b"bytes=-0"])
def test_a_range_without_a_byte_cannot_be_met(asked: bytes) -> None:
    """RFC 9110 §15.5.17; but of nothing there is the whole."""
    part = ranges.wanted([(b"range", asked)], [], 10, wall=WALL)
    assert part == ranges.Unmet(10)
    assert part.content_range == b"bytes */10"
    assert ranges.wanted([(b"range", asked)], [], 0, wall=WALL) is None


@pytest.mark.parametrize(
    ("condition", "is_part"),
    [(b'"a"', True), (b'"b"', False), (b'W/"a"', False), (THEN, True), (LATER, False), (b"soon", False)],
)
def test_a_range_of_another_version_is_not_given(condition: bytes, is_part: bool) -> None:
    """RFC 9110 §13.1.5."""
    asked = [(b"range", b"bytes=0-1"), (b"if-range", condition)]
    answer = [(b"etag", b'"a"'), (b"last-modified", THEN), (b"date", LATER)]
    assert (ranges.wanted(asked, answer, 10, wall=WALL) is not None) is is_part


@pytest.mark.parametrize("made", [[], [(b"date", THEN)]])
def test_a_change_in_the_second_of_the_answer_is_no_version(made: list[tuple[bytes, bytes]]) -> None:
    """RFC 9110 §8.8.2.2: it may have changed again in the same second."""
    asked = [(b"range", b"bytes=0-1"), (b"if-range", THEN)]
    assert ranges.wanted(asked, [(b"last-modified", THEN), *made], 10, wall=WALL) is None


@given(st.integers(0, 30), st.integers(0, 40), st.integers(0, 40))
def test_a_range_lies_within_the_body(length: int, first: int, last: int) -> None:
    part = ranges.wanted([(b"range", b"bytes=%d-%d" % (first, last))], [], length, wall=WALL)
    if isinstance(part, ranges.Part):
        assert part.first == first
        assert first <= part.last < length


@pytest.mark.parametrize(
    ("handled", "text"),
    [
        (Handled(hit=True, ttl=9.7), b"bff; hit; ttl=10"),
        (Handled(hit=True, ttl=-0.5), b"bff; hit; ttl=-1"),
        (Handled(fwd="uri-miss", stored=True, ttl=10.0), b"bff; fwd=uri-miss; ttl=10; stored"),
        (Handled(fwd="stale", fwd_status=304, collapsed=True), b"bff; fwd=stale; fwd-status=304; collapsed"),
        (Handled(fwd="bypass", detail="no-store"), b"bff; fwd=bypass; detail=no-store"),
    ],
)
def test_cache_status_is_a_structured_list(handled: Handled, text: bytes) -> None:
    """RFC 9211 §2."""
    assert handled.field() == (b"cache-status", text)
