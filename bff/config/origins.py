"""Origins as browsers send them, and patterns of them that no look-alike can match. Pure.

An origin is a scheme, a host and perhaps a port (RFC 6454 §6.2), compared as a whole. A pattern has ``*`` for
whatever labels stand before a domain: ``https://*.example.com`` means every host below example.com, not
example.com itself, no other port and no other scheme.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from bff.config.section import wrong

NULL = "null"
"""What sandboxed frames, local files and some redirects call themselves: nobody in particular."""

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[^/?#@:\[\]\s]+)(:(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_BELOW = re.compile(r"\*(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?){2,}|\*\.localhost")
_LABELS = rb"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+"
"""One or more labels of a host's name, as browsers write them (RFC 1035 §2.3.4; ``_`` occurs)."""


def is_pattern(text: str) -> bool:
    """Whether it means many origins."""
    return "*" in text


def origin(text: str) -> str:
    """The origin as a browser sends it, ``null``, or a pattern; what no browser would send is refused."""
    text = text.lower()
    if text == NULL:
        return text
    if text == "*":
        raise wrong("an origin cannot be *; list each origin exactly, such as http://localhost:5173")
    match = _ORIGIN.fullmatch(text.rstrip("/"))
    if match is None:
        raise wrong(
            "is not an origin; write scheme://host or scheme://host:port, such as http://localhost:5173"
        )
    if text.endswith("/"):
        raise wrong("an origin has no trailing slash", hint=f"; write {text.rstrip('/')}")
    if not text.isascii():
        raise wrong("browsers send an origin's host in its ASCII form (xn--…); write that")
    if match["port"] and _DEFAULT_PORTS.get(match["scheme"]) == match["port"]:
        raise wrong("browsers leave out the scheme's own port", hint=f"; write {text.rpartition(':')[0]}")
    if match["port"] and not 0 < int(match["port"]) < 65536:
        raise wrong("an origin's port lies between 1 and 65535")
    if is_pattern(text):
        _refuse_loose(match["scheme"], match["host"])
    return text


def _refuse_loose(scheme: str, host: str) -> None:
    """A pattern may stand for the hosts of one owner only."""
    if not _BELOW.fullmatch(host):
        raise wrong(
            "a pattern has one *, as all that stands before a domain of two labels or more, such as "
            "https://*.example.com; list other origins exactly"
        )
    if scheme != "https" and not host.endswith(".localhost"):
        raise wrong(
            "a pattern over plain http is anybody's who sits on the way; write https://, or list each origin"
        )


def expression(pattern: str) -> re.Pattern[bytes]:
    """What a pattern's origins match as a whole, byte for byte: browsers send them in lower case."""
    before, _, after = pattern.encode().partition(b"*.")
    return re.compile(re.escape(before) + _LABELS + re.escape(after))


Origin = Annotated[str, AfterValidator(origin)]
