"""Dates in header fields: three forms are read, everything else is no date."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.services import httpdate

NOW = datetime(2026, 11, 27, tzinfo=UTC).timestamp()
EXAMPLE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"SUN, 06 nOV 1994 08:49:37 gmt",
        b" Sun, 06 Nov 1994 08:49:37 GMT\t",
    ],
)
def test_the_three_forms_of_rfc_9110_are_read_in_any_case(text: bytes) -> None:
    assert httpdate.parse(text, NOW) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0",
        b"-1",
        b"soon",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06  Nov  1994 08:49:37 GMT",
        b"Sun, 06-Nov-1994 08:49:37 GMT",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08.49.37 GMT",
        b"Sun, 06 Nov 1994 8:49:37 GMT",
        b"Sun, 31 Nov 1994 08:49:37 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:49:37 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT".translate({ord("1"): "\u0661"}).encode(),
    ],
)
def test_what_is_no_date_is_none(text: bytes) -> None:
    assert httpdate.parse(text, NOW) is None


def test_two_digits_of_a_year_are_never_more_than_fifty_years_ahead() -> None:
    def year(digits: bytes) -> int:
        when = httpdate.parse(b"Monday, 02-Jan-" + digits + b" 00:00:00 GMT", NOW)
        assert when is not None
        return datetime.fromtimestamp(when, UTC).year

    assert (year(b"26"), year(b"50"), year(b"76"), year(b"77"), year(b"99")) == (2026, 2050, 2076, 1977, 1999)


@given(st.integers(0, 253402300799))
def test_what_is_written_is_read_again(when: int) -> None:
    assert httpdate.parse(httpdate.written(when), NOW) == when


@given(st.binary(max_size=60))
def test_any_bytes_are_a_date_or_none(text: bytes) -> None:
    assert httpdate.parse(text, NOW) is None or isinstance(httpdate.parse(text, NOW), float)
