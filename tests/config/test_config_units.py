"""Durations and sizes: what is written means exactly one thing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bff.config.units import (
    DURATION_PATTERN,
    FROM_FILE,
    SIZE_PATTERN,
    Duration,
    Size,
    duration_text,
    parse_duration,
    parse_size,
    size_text,
)

DURATION: TypeAdapter[float] = TypeAdapter(Duration)
SIZE: TypeAdapter[int] = TypeAdapter(Size)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300ms", 0.3),
        ("2s", 2.0),
        ("1m", 60.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("1m30s", 90.0),
        ("1h30m", 5400.0),
        ("1s500ms", 1.5),
        ("1.5h", 5400.0),
        ("0.5s", 0.5),
        ("1d1h1m1s1ms", 90061.001),
    ],
)
def test_a_duration_is_exact_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "s",
        "2 s",
        "2S",
        "2sec",
        "-2s",
        "+2s",
        "1s1m",
        "1s1s",
        "1_0s",
        "٢s",
        "2s\n",
        "1e3s",
        ".5s",
        "9" * 400 + "h",
    ],
)
def test_what_is_not_a_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write 300ms, 2s"):
        parse_duration(text)
    assert not re.search(DURATION_PATTERN.partition("|")[0].replace("$", r"\Z"), text)


@pytest.mark.parametrize("text", ["0s", "0ms", "0h0s", "0.0s"])
def test_zero_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="longer than zero"):
        parse_duration(text)


@given(st.integers(1, 10**9))
def test_every_number_of_milliseconds_survives_being_written(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    written = duration_text(seconds)
    assert parse_duration(written) == seconds
    assert re.search(DURATION_PATTERN, written)


@given(st.integers(1, 10**12))
def test_every_size_survives_being_written(size: int) -> None:
    assert parse_size(size_text(size)) == size
    assert re.search(SIZE_PATTERN, size_text(size))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512B", 512),
        ("64KB", 64_000),
        ("1MB", 10**6),
        ("1KiB", 1024),
        ("1MiB", 2**20),
        ("1GiB", 2**30),
        ("77", 77),
    ],
)
def test_sizes_tell_thousands_from_kibi(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1M", "1mb", "1 MB", "-1B", "1.5MB", "MB", "1kb", "٢B"])
def test_what_is_not_a_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write 512B"):
        parse_size(text)


@pytest.mark.parametrize("value", ["0B", "0", 0, -1])
def test_a_size_of_nothing_is_refused(value: str | int) -> None:
    with pytest.raises(ValidationError, match="at least 1B"):
        SIZE.validate_python(value)


@pytest.mark.parametrize("value", [2, 2.5, True, None, [], float("nan"), float("inf"), -1.0, 0])
def test_a_file_cannot_hold_a_duration_without_a_unit(value: object) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(value, context=FROM_FILE)


def test_code_writes_durations_in_seconds() -> None:
    assert DURATION.validate_python(0.25) == 0.25
    assert DURATION.validate_python("250ms") == 0.25
    for nonsense in (float("nan"), float("inf"), -1.0, 0, True, None):
        with pytest.raises(ValidationError):
            DURATION.validate_python(nonsense)


@pytest.mark.parametrize("value", [True, 1.5, None, []])
def test_a_size_is_text_or_a_whole_number(value: object) -> None:
    with pytest.raises(ValidationError, match="not a size"):
        SIZE.validate_python(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (15.0, "15s"),
        (75.0, "75s"),
        (300.0, "5m"),
        (3600.0, "1h"),
        (0.3, "300ms"),
        (90.0, "90s"),
        (86400.0, "1d"),
    ],
)
def test_a_duration_is_written_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
