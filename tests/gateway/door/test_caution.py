"""Fields of caution: what is said by default, over https, and beside what an answer says itself."""

from __future__ import annotations

from bff.config import CorsConfig
from bff.config.headers import SecurityHeadersConfig
from bff.gateway.door import caution
from bff.gateway.door.carried import Carried

DEFAULT = SecurityHeadersConfig()


def said(config: SecurityHeadersConfig, *, https: bool = False) -> dict[bytes, bytes]:
    fields = caution.fields(config)
    return dict(fields + caution.over_https(config) if https else fields)


def test_the_default_lets_nobody_sniff_or_frame() -> None:
    assert said(DEFAULT) == {
        b"x-content-type-options": b"nosniff",
        b"x-frame-options": b"DENY",
        b"content-security-policy": b"frame-ancestors 'none'",
        b"referrer-policy": b"strict-origin-when-cross-origin",
    }


def test_hsts_is_said_over_https_only() -> None:
    assert b"strict-transport-security" not in said(DEFAULT)
    assert said(DEFAULT, https=True)[b"strict-transport-security"] == b"max-age=2592000"
    below = SecurityHeadersConfig(hsts_max_age=60.0, hsts_subdomains=True)
    assert said(below, https=True)[b"strict-transport-security"] == b"max-age=60; includeSubDomains"
    assert said(SecurityHeadersConfig(hsts=False), https=True) == said(DEFAULT)


def test_frames_of_listed_origins_have_no_older_word() -> None:
    own = said(SecurityHeadersConfig(frame_ancestors="self"))
    assert own[b"x-frame-options"] == b"SAMEORIGIN"
    assert own[b"content-security-policy"] == b"frame-ancestors 'self'"
    partner = said(SecurityHeadersConfig(frame_ancestors="self https://partner.example"))
    assert b"x-frame-options" not in partner
    assert partner[b"content-security-policy"] == b"frame-ancestors 'self' https://partner.example"


def test_more_policies_are_said_where_they_are_written() -> None:
    config = SecurityHeadersConfig(
        content_security_policy="default-src 'self';",
        permissions_policy="camera=()",
        cross_origin_opener_policy="same-origin",
        cross_origin_resource_policy="same-site",
        referrer_policy="",
        nosniff=False,
    )
    assert said(config) == {
        b"x-frame-options": b"DENY",
        b"content-security-policy": b"default-src 'self'; frame-ancestors 'none'",
        b"permissions-policy": b"camera=()",
        b"cross-origin-opener-policy": b"same-origin",
        b"cross-origin-resource-policy": b"same-site",
    }
    assert said(SecurityHeadersConfig(enabled=False), https=True) == {}


def test_what_an_answer_says_itself_is_not_said_twice() -> None:
    carried = caution.fields(DEFAULT)
    left = dict(caution.without_what_is_said(carried, [(b"content-security-policy", b"default-src 'self'")]))
    assert b"content-security-policy" not in left
    assert (
        left[b"x-frame-options"] == b"DENY"
    )  # browsers mind it only where the policy has no frame-ancestors
    framed = dict(caution.without_what_is_said(carried, [(b"x-frame-options", b"SAMEORIGIN")]))
    assert framed.keys().isdisjoint({b"x-frame-options", b"content-security-policy"})
    assert caution.without_what_is_said(carried, [(b"content-type", b"text/html")]) == carried


def test_lists_are_made_once_for_each_listed_origin() -> None:
    """Nothing is put together for a request; origins of patterns are the exception."""
    carried = Carried(CorsConfig(origins=("https://a.example", "https://*.b.example")), DEFAULT)
    for origin in (None, b"https://a.example"):
        assert carried.fields(origin, is_https=False) is carried.fields(origin, is_https=False)
    fields = dict(carried.fields(b"https://x.b.example", is_https=True))
    assert fields[b"access-control-allow-origin"] == b"https://x.b.example"
    assert fields[b"strict-transport-security"]


def test_cors_that_lists_nobody_does_not_depend_on_who_asks() -> None:
    carried = Carried(CorsConfig(), SecurityHeadersConfig(enabled=False))
    assert carried.fields(b"https://a.example", is_https=True) == []
    assert carried.cors is not None  # whatever a service says of other origins is not its to say
