"""HTTP/1.1 as text: the heads of requests written, the heads of answers read (RFC 9112). Pure.

Whether an answer's head is well-formed is llhttp's to say; what is here reads heads that it has accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bff.config.names import is_token as is_named_token

Fields = list[tuple[bytes, bytes]]
"""Field names and values as they are on the wire."""

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that may be sent again when it is unknown whether they arrived (RFC 9110 §9.2.2)."""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110 §5.5: visible characters and obs-text, with blanks between them only.
_VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_FOLD = re.compile(rb"\r\n[ \t]+")
_LENGTH = re.compile(rb"[0-9]{1,18}")  # what fits into 63 bits, as every parser counts
_USUAL = frozenset(
    {
        *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
        *("host", "accept", "accept-encoding", "connection", "user-agent"),
        *("traceparent", "x-request-id", "x-forwarded-for", "x-envoy-expected-rq-timeout-ms", "baggage"),
    }
)
"""Tokens that need no second look."""


class NotHttp(ValueError):
    """What should be sent cannot be written as HTTP/1.1. The sentence names the place and never quotes it."""


def request_line(method: bytes, target: bytes) -> bytes:
    """``GET /path HTTP/1.1`` and the line's end.

    Raises:
        NotHttp: the method is no token, or the target is empty or has a blank or a control character.

    """
    if not _TOKEN.fullmatch(method):
        raise NotHttp("the method is not a token")
    if not _TARGET.fullmatch(target):
        raise NotHttp("the path has a character that no request line can hold")
    return b"%b %b HTTP/1.1\r\n" % (method, target)


def field_lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The field lines of a head, without the empty line at its end.

    Raises:
        NotHttp: a name is no token, or a value could end its line early.

    """
    lines = []
    for name, value in fields:
        if not _TOKEN.fullmatch(name):
            raise NotHttp("a header's name is not a token")
        if not _VALUE.fullmatch(value):
            raise NotHttp("a header's value has a control character or blanks at its ends")
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


def announced(fields: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Bytes of body that a request's fields, names in lower case, announce: 0 without a word of it, None for chunks.

    Raises:
        NotHttp: it is coded otherwise than in chunks alone, or its length is not one number (RFC 9112 §6).

    """
    known = [(name, value) for name, value in fields if name in (b"transfer-encoding", b"content-length")]
    codings = [value.lower() for name, value in known if name == b"transfer-encoding"]
    if codings:
        if codings != [b"chunked"]:
            raise NotHttp("a request's Transfer-Encoding is chunked, once, or absent")
        return None
    lengths = [value for _, value in known]
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise NotHttp("a request's Content-Length is one number of bytes, or absent")
    return int(lengths[0]) if lengths else 0


def is_token(text: str) -> bool:
    """Whether this can be a method or a field's name."""
    return text in _USUAL or is_named_token(text)


def text_lines(fields: Mapping[str, str]) -> str:
    """The field lines of a head as text in latin-1, without the empty line at its end.

    Raises:
        NotHttp: a name is no token, or a value could end its line early or is not in latin-1.
        TypeError: a value is not text.

    """
    lines = []
    for name, value in fields.items():
        if name not in _USUAL and not is_named_token(name):
            raise NotHttp("a header's name is not a token")
        # Text without control characters and outer blanks needs no closer look; the rest may be obs-text.
        try:
            is_plain = value.isascii() and value.isprintable() and value.strip(" ") is value
        except AttributeError:
            raise TypeError(f"a header's value is text, not {type(value).__name__}") from None
        if not is_plain:
            _look_closely(value)
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines)


def _look_closely(value: str) -> None:
    try:
        octets = value.encode("latin-1")
    except UnicodeEncodeError:
        raise NotHttp("a header's value is not in latin-1") from None
    if not _VALUE.fullmatch(octets):
        raise NotHttp("a header's value has a control character or blanks at its ends")


def check(head: bytes) -> bool:
    """Whether an answer's head names a Content-Encoding, once it is found to be one that can be trusted.

    Raises:
        NotHttp: llhttp let something pass that could be read in two ways: another protocol, NUL, a
            Transfer-Encoding that is not chunked alone (RFC 9112 §6.1 and §7).

    """
    if not head.startswith(b"HTTP/1.") or b"\x00" in head:
        raise NotHttp("the answer's head is not HTTP/1.1")
    lower = head.lower()
    if b"-encoding" not in lower:
        return False
    if b"transfer-encoding" in lower and value_of(lower, b"transfer-encoding") not in (None, b"chunked"):
        raise NotHttp("the answer has a Transfer-Encoding other than chunked")
    return b"content-encoding" in lower


def says_more(head: bytes) -> bool:
    """Whether a head announces a body."""
    return value_of(head, b"content-length") is not None or value_of(head, b"transfer-encoding") is not None


def fields_of(head: bytes) -> Fields:
    """The fields of an answer's head, names and values as they came; folded lines become one (RFC 9112 §5.2)."""
    _, _, text = head.partition(b"\r\n")
    if b"\r\n " in text or b"\r\n\t" in text:
        text = _FOLD.sub(b" ", text)
    fields = []
    for line in text.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name, value.strip(b" \t")))
    return fields


def texts_of(head: bytes) -> dict[str, str]:
    """The fields of a head that was written here, in latin-1; each of them stands once."""
    return {name.decode("ascii"): value.decode("latin-1") for name, value in fields_of(head)}


def reason_of(head: bytes) -> bytes:
    """The reason phrase of an answer's status line."""
    parts = head.partition(b"\r\n")[0].split(b" ", 2)
    return parts[2] if len(parts) == 3 else b""


def version_of(head: bytes) -> bytes:
    """``HTTP/1.1`` or what else the answer's status line begins with."""
    return head[:8]


def value_of(head: bytes, name: bytes) -> bytes | None:
    """The value of a field, lists joined; None when it is absent. ``name`` is lower-case."""
    if name not in head.lower():
        return None
    found = [value for field, value in fields_of(head) if field.lower() == name]
    return b", ".join(found) if found else None


def ends_with_connection(head: bytes) -> bool:
    """Whether only the connection's end is the body's end (RFC 9112 §6.3, 8)."""
    return not says_more(head)


def may_go_on(head: bytes) -> bool:
    """Whether the connection stays open after this answer (RFC 9112 §9.3)."""
    options = (value_of(head, b"connection") or b"").lower()
    tokens = {token.strip() for token in options.split(b",")}
    if version_of(head) == b"HTTP/1.1":
        return b"close" not in tokens
    return b"keep-alive" in tokens and b"close" not in tokens
