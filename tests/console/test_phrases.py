"""Numbers are short, have their unit, and one form wherever they stand."""

from __future__ import annotations

import pytest

from bff.console import phrases


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.0042, "4 µs"),
        (0.4242, "0.42 ms"),
        (12.34, "12.3 ms"),
        (840.4, "840 ms"),
        (1240, "1.24 s"),
        (125_000, "2 min 5 s"),
    ],
)
def test_times(value: float | None, said: str) -> None:
    assert phrases.milliseconds(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0, "0"), (0.42, "0.42"), (12.34, "12.3"), (1234, "1,234"), (1234.5, "1,234")],
)
def test_numbers(value: float | None, said: str) -> None:
    assert phrases.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (0, "0 B"),
        (840, "840 B"),
        (12_600, "12.3 KiB"),
        (64 * 2**20, "64.0 MiB"),
        (2**41, "2048 GiB"),
    ],
)
def test_sizes(value: float | None, said: str) -> None:
    assert phrases.size(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0, "0 %"), (0.004, "0.4 %"), (0.12, "12 %"), (0.9996, "100 %"), (1, "100 %")],
)
def test_shares(value: float | None, said: str) -> None:
    assert phrases.percent(value) == said


def test_words_with_numbers_and_names_in_paths() -> None:
    assert phrases.plural(1, "call") == "1 call"
    assert phrases.plural(0, "call") == "0 calls"
    assert phrases.plural(2, "query", "queries") == "2 queries"
    assert phrases.segment("a/b?c#d é") == "a%2Fb%3Fc%23d%20%C3%A9"
