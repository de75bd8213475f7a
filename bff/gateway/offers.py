"""Offers to speak another protocol on a connection (RFC 9110 §7.8): which are considered, and heads without them.

Pure. Names are in lower case.
"""

from __future__ import annotations

from collections.abc import Sequence

from bff.sdk.invocation import OFFER_KEY as OFFER_KEY
from bff.sdk.reply import HeaderPairs

_OF_AN_UPGRADE = frozenset({b"upgrade", b"http2-settings"})


def is_websocket(method: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether WebSocket and nothing else is offered, as RFC 6455 §4.1 has it, by a request without a body."""
    if method != b"GET" or version != "1.1":
        return False
    offered = [value.strip().lower() for name, value in headers if name == b"upgrade"]
    has_body = any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in headers
    )
    return offered == [b"websocket"] and not has_body


def without(headers: Sequence[tuple[bytes, bytes]]) -> HeaderPairs:
    """The fields as if there had been no offer; what else ``Connection`` says, ``close`` say, stays."""
    return [
        (name, _without_names(value) if name == b"connection" else value)
        for name, value in headers
        if name not in _OF_AN_UPGRADE
    ]


def _without_names(connection: bytes) -> bytes:
    options = [option.strip() for option in connection.split(b",")]
    return b", ".join(option for option in options if option.lower() not in _OF_AN_UPGRADE)
