"""Which origins a list of origins means, and which only look as if."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.gateway.door.origins import Origins

SHOPS = Origins(["https://*.example.com", "https://*.example.org:8443", "http://*.localhost:5173"])


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example.com",
        "https://a.b.c.example.com",
        "https://xn--bcher-kva.example.com",
        "https://a-1.example.com",
        "https://shop.example.org:8443",
        "http://app.localhost:5173",
    ],
)
def test_a_pattern_is_every_host_below_its_domain(origin: str) -> None:
    assert origin.encode() in SHOPS


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",  # the domain itself is listed exactly, or not at all
        "https://evilexample.com",
        "https://evil-example.com",
        "https://shop.example.com.evil.net",
        "https://shop.example.comevil.net",
        "https://shop.example.co",
        "https://example.com.evil.net",
        "https://evil.net/.example.com",
        "https://evil.net?.example.com",
        "https://evil.net#.example.com",
        "https://evil.net\\.example.com",
        "https://evil.net\n.example.com",
        "https://shop.example.com\n",
        "https://evil.net:443.example.com",
        "https://user@shop.example.com",
        "https://user:pass@shop.example.com",
        "https://shop.example.com@evil.net",
        "http://shop.example.com",
        "HTTPS://shop.example.com",
        "https://SHOP.example.com",
        "https://shop.EXAMPLE.com",
        "https://shop.example.com:443",
        "https://shop.example.com:8443",
        "https://shop.example.org",
        "https://shop.example.org:8444",
        "https://.example.com",
        "https://..example.com",
        "https://-.example.com",
        "https://*.example.com",
        "https://shop.exampleXcom",
        "https://shop.example.com/",
        "https://shop.example.com.",
        "https://shop..example.com",
        "https://ä.example.com",
        "null",
        "",
        "*",
    ],
)
def test_what_only_looks_like_it_is_another_origin(origin: str) -> None:
    """Suffixes and prefixes, ports and schemes, case, userinfo, and whatever a parser might cut off."""
    assert origin.encode() not in SHOPS


@given(st.text(alphabet="abz019-_.:/@?#\\%\n ä", max_size=30))
def test_before_the_domain_stand_labels_and_nothing_else(before: str) -> None:
    """Whatever is written there, only names of hosts match."""
    labels = before.split(".")
    are_labels = all(
        label and set(label) <= set("abz019-_") and not label.startswith("-") and not label.endswith("-")
        for label in labels
    )
    assert (f"https://{before}.example.com".encode() in SHOPS) == are_labels


def test_null_is_a_name_like_any_other_and_must_be_named() -> None:
    assert b"null" not in Origins(["https://*.example.com", "https://a.example"])
    assert b"null" in Origins(["null"])


def test_nothing_listed_is_nobody() -> None:
    assert not Origins([])
    assert b"" not in Origins([])
    assert Origins(["https://*.example.com"])
