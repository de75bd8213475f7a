"""The opening of a WebSocket (RFC 6455 §4.2): what a caller has to say, and what agrees to it. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha1

from bff.errors import BadRequest, UpgradeRequired
from bff.sdk.reply import HeaderPairs

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")  # 16 bytes in base64
_SET_BY_US = frozenset({b"connection", b"upgrade", b"content-length", b"transfer-encoding"})


def agreed(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """What ``Sec-WebSocket-Accept`` says to this offer.

    Raises:
        UpgradeRequired: it is of another version than 13.
        BadRequest: its key is none.

    """
    if _values(headers, b"sec-websocket-version") != [b"13"]:
        raise UpgradeRequired("Only version 13 of WebSocket is spoken here (RFC 6455).")
    keys = _values(headers, b"sec-websocket-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise BadRequest("Sec-WebSocket-Key is not 16 bytes in base64.")
    return b64encode(sha1(keys[0] + _GUID, usedforsecurity=False).digest())


def subprotocols(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    """Those the caller offers, in its order."""
    said = b",".join(_values(headers, b"sec-websocket-protocol")).decode("latin-1")
    return [each.strip() for each in said.split(",") if each.strip()]


def agreement(accept: bytes, subprotocol: str | None, own: HeaderPairs) -> HeaderPairs:
    """The fields of the agreement (101); ``own`` are the function's, as far as they are its to set."""
    fields = [(b"connection", b"upgrade"), (b"upgrade", b"websocket"), (b"sec-websocket-accept", accept)]
    if subprotocol is not None:
        fields.append((b"sec-websocket-protocol", subprotocol.encode("latin-1", "replace")))
    kept = [pair for pair in own if pair[0] not in _SET_BY_US and not pair[0].startswith(b"sec-websocket-")]
    return fields + kept


def _values(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value.strip() for each, value in headers if each == name]
