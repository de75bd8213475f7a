"""Which unsafe calls with cookies are a page's of our own: the table of browsers' words."""

from __future__ import annotations

import pytest

from bff.config import CorsConfig
from bff.config.csrf import CsrfConfig
from bff.gateway.door.csrf import Csrf
from bff.gateway.door.failures import CrossSite

COOKIE = {"cookie": "session=1"}
HOST = {"host": "app.example.com"}
PLAIN = Csrf(CsrfConfig(), None)


def passes(
    csrf: Csrf,
    fields: dict[str, str] | list[tuple[str, str]],
    *,
    is_vouched: bool = False,
    cookie: bool = True,
) -> bool:
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    pairs = [*HOST.items(), *(COOKIE.items() if cookie else ()), *pairs]
    try:
        csrf.check([(name.encode(), value.encode()) for name, value in pairs], is_vouched=is_vouched)
    except CrossSite:
        return False
    return True


@pytest.mark.parametrize(
    "fields",
    [
        {},  # no browser of these years
        {"sec-fetch-site": "same-origin", "origin": "https://app.example.com"},
        {"sec-fetch-site": "same-origin", "origin": "null"},  # a page with referrer-policy: no-referrer
        {"sec-fetch-site": "none"},  # the user typed it
        {"origin": "https://app.example.com"},
        {"origin": "http://app.example.com"},  # TLS ends before us: Host tells no scheme
    ],
)
def test_calls_of_our_own_pages_pass(fields: dict[str, str]) -> None:
    assert passes(PLAIN, fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "origin": "https://app.example.com"},
        {"sec-fetch-site": "same-site", "origin": "https://other.example.com"},
        {"sec-fetch-site": "SAME-ORIGIN"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "made-up"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://evil.net"},
        {"origin": "https://app.example.com.evil.net"},
        {"origin": "https://app.example.com:8443"},
        {"origin": "https://app.example.com/"},
        {"origin": "https://user@app.example.com"},
        {"origin": "app.example.com"},
        {"origin": "https://evil.net", "x-forwarded-host": "evil.net"},
        {"origin": "https://evil.net", "x-csrf": "1"},
    ],
)
def test_calls_of_other_pages_are_refused(fields: dict[str, str]) -> None:
    assert not passes(PLAIN, fields)


@pytest.mark.parametrize(
    "fields",
    [
        [("origin", "https://app.example.com"), ("origin", "https://evil.net")],
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin")],
    ],
)
def test_who_says_two_things_is_not_believed(fields: list[tuple[str, str]]) -> None:
    assert not passes(PLAIN, fields)
    assert not passes(PLAIN, fields[::-1])


def test_without_cookies_there_is_nothing_to_abuse() -> None:
    assert passes(PLAIN, {"sec-fetch-site": "cross-site", "origin": "https://evil.net"}, cookie=False)


def test_what_browsers_send_by_themselves_counts_like_a_cookie() -> None:
    """A client certificate comes along with every call, whoever makes it."""
    csrf = Csrf(CsrfConfig(), None, is_ambient=True)
    assert not passes(csrf, {"sec-fetch-site": "cross-site"}, cookie=False)
    assert passes(csrf, {"sec-fetch-site": "same-origin"}, cookie=False)


def test_listed_origins_may_call_and_so_may_those_of_cors_with_credentials() -> None:
    cors = CorsConfig(origins=("https://*.shop.example",), credentials=True)
    csrf = Csrf(CsrfConfig(origins=("https://partner.example",)), cors)
    for site in ({}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        assert passes(csrf, {**site, "origin": "https://partner.example"})
        assert passes(csrf, {**site, "origin": "https://eu.shop.example"})
        assert not passes(csrf, {**site, "origin": "https://evilshop.example"})
    without = Csrf(CsrfConfig(), CorsConfig(origins=("https://a.example",)))
    assert not passes(without, {"sec-fetch-site": "cross-site", "origin": "https://a.example"})


def test_a_trusted_proxy_may_say_what_was_asked_for() -> None:
    told = {"origin": "https://www.example.com", "x-forwarded-host": "WWW.example.com"}
    assert passes(PLAIN, told, is_vouched=True)
    assert not passes(PLAIN, told)


def test_a_demanded_header_is_demanded_of_our_own_pages_too() -> None:
    csrf = Csrf(CsrfConfig(require_header=True), None)
    ours = {"sec-fetch-site": "same-origin"}
    assert passes(csrf, {**ours, "x-csrf": "1"})
    assert passes(csrf, {"x-csrf": "1"})
    assert passes(csrf, {}, cookie=False)
    for wrong in ("", "0", "true", "1, 1"):
        assert not passes(csrf, {**ours, "x-csrf": wrong})
    assert not passes(csrf, [("x-csrf", "1"), ("x-csrf", "1")])
    assert not passes(csrf, ours)
    assert not passes(csrf, {"sec-fetch-site": "cross-site", "x-csrf": "1"})
