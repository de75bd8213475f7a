"""W3C Trace Context level 2, ``tracestate``: what goes on, what is thrown away, what is too much."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.trace.tracestate import LONG, MOST_CHARACTERS, MOST_MEMBERS, carried

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ([b"foo=1"], "foo=1"),
        ([b"foo=1,bar=2"], "foo=1,bar=2"),
        ([b"foo=1", b"bar=2"], "foo=1,bar=2"),
        ([b"foo=1 \t , \t bar=2"], "foo=1,bar=2"),
        ([b"foo=1,,\t ,bar=2,"], "foo=1,bar=2"),
        ([b""], ""),
        ([b" ", b""], ""),
        ([b"fw529a3039@dt=FfAAA,1a-2f@foo=bar1"], "fw529a3039@dt=FfAAA,1a-2f@foo=bar1"),
        ([b"0=x"], "0=x"),
        ([b"a*b/c_d-e=x"], "a*b/c_d-e=x"),
        ([b"foo= with blanks within"], "foo= with blanks within"),
        ([b"foo=1,bar=2,foo=3"], "foo=1,bar=2"),
        ([b"foo=1", b"foo=1"], "foo=1"),
        ([b"z" * 256 + b"=1"], "z" * 256 + "=1"),
    ],
)
def test_what_can_be_read_goes_on_in_its_order(fields: list[bytes], state: str) -> None:
    """Several fields are one list, blanks around members and empty ones count for nothing, and of a key that stands
    twice the leftmost, which is the newest, stays.
    """
    assert carried(fields) == state


@pytest.mark.parametrize(
    "field",
    [
        *(
            b"foo",
            b"foo=",
            b"=1",
            b"foo=1=2",
            b"foo =1",
            b"FOO=1",
            b"foo.bar=1",
            b"@foo=1",
            b"_foo=1",
            b"-a=1",
        ),
        *(b"foo=1;bar=2", b"foo=\x01", b"foo=\xe9", b"foo=a\tb", b"foo@=1\x7f", "fóo=1".encode()),
        b"z" * 257 + b"=1",
        b"foo=" + b"x" * 257,
        b",".join(b"k%d=1" % number for number in range(MOST_MEMBERS + 1)),
    ],
)
def test_what_cannot_be_read_is_thrown_away_whole(field: bytes) -> None:
    """Together with what could be read beside it (the trace itself goes on)."""
    assert carried([field]) == ""
    assert carried([b"good=1", field]) == ""


def test_a_value_holds_no_second_equals_sign() -> None:
    """§3.3.1.3.2: every visible character but comma and =."""
    assert carried([b"foo=1;bar=2"]) == ""
    assert carried([b"foo=1;bar:2"]) == "foo=1;bar:2"


def test_as_many_members_go_on_as_may_be() -> None:
    """32."""
    field = b",".join(b"k%d=1" % number for number in range(MOST_MEMBERS))
    assert carried([field]) == field.decode()


def test_of_too_much_the_long_members_go_first() -> None:
    """Then the ones at the end: §3.3.1.5."""
    long = b"long=" + b"x" * (LONG - 4)
    short = [b"k%02d=%s" % (number, b"x" * 56) for number in range(8)]
    assert carried([b",".join([short[0], long, *short[1:]])]) == b",".join(short).decode()
    more = [b"k%02d=%s" % (number, b"x" * 56) for number in range(12)]
    kept = carried([b",".join(more)])
    assert kept == b",".join(more[:8]).decode()
    assert len(kept) <= MOST_CHARACTERS


def test_a_long_member_stays_where_there_is_room() -> None:
    """It is the length of all that counts."""
    assert carried([b"long=" + b"x" * 250]) == "long=" + "x" * 250


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_no_bytes_make_it_fail_and_what_goes_on_is_valid(fields: list[bytes]) -> None:
    """Whatever comes."""
    state = carried(fields)
    assert len(state) <= MOST_CHARACTERS
    assert not state or all(
        re.fullmatch(r"[a-z0-9][^=,]*=[\x20-\x7e]+", member) for member in state.split(",")
    )


@given(
    st.dictionaries(
        st.text(LETTERS, min_size=1, max_size=8),
        st.text(LETTERS + " ~!", min_size=1, max_size=7).map(lambda v: v + "."),
        max_size=MOST_MEMBERS,
    )
)
def test_what_is_valid_and_not_too_much_goes_on_unchanged(members: dict[str, str]) -> None:
    """And once more the same: it is written as it is read."""
    state = ",".join(f"{key}={value}" for key, value in members.items())
    if len(state) <= MOST_CHARACTERS:
        assert carried([state.encode()]) == state
