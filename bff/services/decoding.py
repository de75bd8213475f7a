"""Content codings undone within a limit: what a small body may become is said before it is unpacked.

``identity`` and codings that nobody asked for are left as they are, as httpx leaves them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import httpx

from bff.services.connection import TooLarge

_GZIP, _ZLIB, _RAW = 31, 15, -15
"""zlib's ``wbits``: with gzip's header, with zlib's own, without any."""


def decoded(body: bytes, coding: str, limit: int) -> bytes:
    """The body without its content coding.

    Raises:
        httpx.DecodingError: it is not what the coding says, or not all of it.
        TooLarge: it has more than ``limit`` bytes once decoded.

    """
    decode = DECODERS.get(coding.strip().lower())
    if decode is None or not body:
        return body
    return decode(body, limit)


def _gunzip(body: bytes, limit: int) -> bytes:
    """RFC 1952 §2.2: one member or several, one after the other."""
    parts: list[bytes] = []
    left = limit
    while body:
        part, body = _inflate(body, _GZIP, left)
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _undeflate(body: bytes, limit: int) -> bytes:
    """RFC 9110 §8.4.1.2: zlib's format, or the bare data that some send instead."""
    try:
        return _inflate(body, _ZLIB, limit)[0]
    except httpx.DecodingError:
        return _inflate(body, _RAW, limit)[0]


def _inflate(body: bytes, wbits: int, limit: int) -> tuple[bytes, bytes]:
    """The data, and what follows it."""
    machine = zlib.decompressobj(wbits)
    try:
        data = machine.decompress(body, limit + 1)
    except zlib.error as error:
        raise httpx.DecodingError("the body is not what its coding says") from error
    if len(data) > limit:
        raise TooLarge(limit)
    if not machine.eof:
        raise httpx.DecodingError("the body ends early")
    return data, machine.unused_data


DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
}

ACCEPTED = "gzip, deflate"
"""What is asked for."""
