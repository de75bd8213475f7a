"""Fields that tell browsers to be careful, written once for each configuration."""

from __future__ import annotations

from bff.config.headers import SecurityHeadersConfig
from bff.sdk.reply import HeaderPairs

_CSP = b"content-security-policy"
_FRAME = b"x-frame-options"
_HSTS = b"strict-transport-security"
NAMES = frozenset(
    {
        *(b"x-content-type-options", _FRAME, _CSP, b"referrer-policy", _HSTS, b"permissions-policy"),
        *(b"cross-origin-opener-policy", b"cross-origin-resource-policy"),
    }
)
"""Every field of this kind: where an answer says one itself, that is its word."""


def fields(config: SecurityHeadersConfig) -> HeaderPairs:
    """What answers carry over plain http. ``X-Frame-Options`` is for browsers that know no ``frame-ancestors``,
    and has no word for a list of origins (RFC 7034 §2.1).
    """
    if not config.enabled:
        return []
    framed = {"none": b"DENY", "self": b"SAMEORIGIN"}.get(config.frame_ancestors, b"")
    written = (
        (b"x-content-type-options", b"nosniff" if config.nosniff else b""),
        (_FRAME, framed),
        (_CSP, _policy(config)),
        (b"referrer-policy", config.referrer_policy.encode()),
        (b"permissions-policy", config.permissions_policy.encode()),
        (b"cross-origin-opener-policy", config.cross_origin_opener_policy.encode()),
        (b"cross-origin-resource-policy", config.cross_origin_resource_policy.encode()),
    )
    return [pair for pair in written if pair[1]]


def over_https(config: SecurityHeadersConfig) -> HeaderPairs:
    """What comes on top over https: browsers ignore it elsewhere, and must (RFC 6797 §8.1, §7.2)."""
    if not config.enabled or not config.hsts:
        return []
    below = b"; includeSubDomains" if config.hsts_subdomains else b""
    return [(_HSTS, b"max-age=%d" % config.hsts_max_age + below)]


def without_what_is_said(carried: HeaderPairs, fields: HeaderPairs) -> HeaderPairs:
    """Those of ``carried`` that the answer with these ``fields`` leaves to us. A policy on framing in either
    form silences the newer one, which would override it.
    """
    said = {name for name, _ in fields} & NAMES
    if _FRAME in said:
        said.add(_CSP)
    return [pair for pair in carried if pair[0] not in said]


def _policy(config: SecurityHeadersConfig) -> bytes:
    sources = [f"'{word}'" if word in ("none", "self") else word for word in config.frame_ancestors.split()]
    directives = [f"frame-ancestors {' '.join(sources)}"]
    if config.content_security_policy:
        directives.insert(0, config.content_security_policy.rstrip("; "))
    return "; ".join(directives).encode()
