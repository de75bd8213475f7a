"""Fields of answers that tell browsers to be careful."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from bff.config.section import Also, Flag, Section, wrong
from bff.config.units import Duration

_FIELD_TEXT = frozenset(map(chr, range(0x20, 0x7F)))
REFERRER_POLICIES = (
    "no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin", "same-origin",
    "strict-origin", "strict-origin-when-cross-origin", "unsafe-url",
)  # fmt: skip


def _field_value(text: str) -> str:
    if not set(text) <= _FIELD_TEXT:
        raise wrong("is not the value of a header: plain ASCII on one line (RFC 9110 §5.5)")
    return text.strip()


def _sources(text: str) -> str:
    """``none``, ``self``, or hosts as CSP writes them."""
    words = text.split()
    if not words or any(each in text for each in ";,'"):
        raise wrong("is no list of sources; write none, self, or origins with blanks between them")
    if "none" in words and len(words) > 1:
        raise wrong("has none beside others, where it means nothing")
    return " ".join(words)


def _referrer_policy(text: str) -> str:
    if text not in ("", *REFERRER_POLICIES):
        raise wrong("is not one of the standard's referrer policies, such as strict-origin-when-cross-origin")
    return text


FieldValue = Annotated[str, AfterValidator(_field_value)]


class SecurityHeadersConfig(Section):
    """What every answer says beyond what it says itself; a function's or service's own field always wins."""

    enabled: Flag = Field(
        default=True, description="Whether there are any; `security_headers: none` is the same as false."
    )
    nosniff: Flag = Field(default=True, description="X-Content-Type-Options: nosniff.")
    frame_ancestors: Annotated[FieldValue, AfterValidator(_sources)] = Field(
        default="none",
        description="Who may show answers in a frame: none, self, or origins; X-Frame-Options says the same.",
    )
    referrer_policy: Annotated[str, AfterValidator(_referrer_policy)] = Field(
        default="strict-origin-when-cross-origin", description="Referrer-Policy; empty: none."
    )
    content_security_policy: FieldValue = Field(
        default="", description="More directives of Content-Security-Policy, for functions that answer HTML."
    )
    hsts: Flag = Field(
        default=True,
        description="Strict-Transport-Security; said only over https, a trusted proxy's included.",
    )
    hsts_max_age: Duration = Field(
        default=2_592_000.0, description="How long browsers keep to https (ASP.NET Core's default)."
    )
    hsts_subdomains: Flag = Field(default=False, description="Whether hosts below are https only too.")
    permissions_policy: FieldValue = Field(default="", description="Permissions-Policy; empty: none.")
    cross_origin_opener_policy: FieldValue = Field(
        default="", description="Cross-Origin-Opener-Policy; empty: none."
    )
    cross_origin_resource_policy: FieldValue = Field(
        default="", description="Cross-Origin-Resource-Policy; empty: none."
    )


def _none(value: Any) -> Any:
    return {"enabled": False} if value == "none" else value


SecurityHeadersSetting = Annotated[SecurityHeadersConfig, Also(_none, "string")]
