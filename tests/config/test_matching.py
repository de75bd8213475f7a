"""Conditions on text: versions by number, and patterns that cannot take long whatever a caller sends."""

from __future__ import annotations

import pytest

from bff.config import matching


@pytest.mark.parametrize(
    ("within", "inside", "outside"),
    [
        (
            "<5.2",
            ["5.1", "5.1.999", "4", "0.1", "v5.1", "5.2-beta", "5.2.0-rc.1+build"],
            ["5.2", "5.2.0", "6", "5.2+build"],
        ),
        ("<=5.2", ["5.2", "5.2.0.0"], ["5.2.1"]),
        (">5.2", ["5.2.1", "10"], ["5.2", "5.10-x" * 20]),
        (">=5.0 <5.2", ["5.0", "5.1.3"], ["4.9", "5.2", "5.0-beta"]),
        (" >= 5.0, < v5.2 ", ["5.0"], ["5.2"]),
        ("<5.10", ["5.9"], ["5.10"]),
    ],
)
def test_version_ranges(within: str, inside: list[str], outside: list[str]) -> None:
    """By number, not by letter; a pre-release comes before its version."""
    matches = matching.in_range(within)
    assert [value for value in inside if not matches(value)] == []
    assert [value for value in outside if matches(value)] == []


@pytest.mark.parametrize(
    "value", ["", "latest", "5.", ".5", "5..2", "5.2 ", "9" * 50, "1.2.3.4.5.6.7.8.9", "5,2", "٥.٢"]
)
def test_what_is_no_version_is_in_no_range(value: str) -> None:
    """Neither below nor above."""
    below, above = matching.in_range("<99999"), matching.in_range(">=0")
    assert (below(value), above(value)) == ((True, True) if value == "5.2 " else (False, False))


@pytest.mark.parametrize("text", ["<", "< 5.2 x", "5.2", "=5", "<5.2 or >6", "<a", "", "<5.2beta"])
def test_what_is_no_range(text: str) -> None:
    """Is refused with how to write one."""
    with pytest.raises(ValueError, match=r"write <5\.2"):
        matching.in_range(text)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|aa)*b",
        "(.*)(.*)(.*)x",
        "a?" * 9,
        r"(a)\1",
        "(a*b?)*",
        "(?:a{1,9}){2,5}",
        "(x+x+)+y",
        "(a{5})*",
        "(?=(a+)+b)",
    ],
)
def test_a_pattern_that_could_take_long_is_refused(pattern: str) -> None:
    """Callers write what it is matched with."""
    if pattern == "(a{5})*":  # of fixed length inside: harmless
        assert matching.matching(pattern)("aaaaa")
        return
    with pytest.raises(ValueError, match="could take very long"):
        matching.matching(pattern)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r"5\.[0-9]+\.[0-9]+", "5.1.2"),
        ("beta|alpha", "alpha"),
        ("(?i)yes", "YES"),
        ("[a-f0-9]{8}", "deadbeef"),
        ("https?://.*", "http://x"),
    ],
)
def test_usual_patterns_work(pattern: str, value: str) -> None:
    """The whole value matches, or nothing does."""
    matches = matching.matching(pattern)
    assert (matches(value), matches(f"{value}\n"), matches("")) == (
        True,
        pattern.endswith(".*") and False,
        False,
    )


def test_what_is_no_pattern() -> None:
    """With the place in it."""
    with pytest.raises(ValueError, match="is not a regular expression: missing"):
        matching.matching("(a")
