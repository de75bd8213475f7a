"""Content codings undone within a limit: what a small body may become is said before it is unpacked.

``identity`` and codings that nobody asked for are left as they are, as httpx leaves them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib.util import find_spec

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


def _unbrotli(body: bytes, limit: int) -> bytes:
    """RFC 7932. One byte may become megabytes, so the output is asked for in pieces."""
    import brotli

    machine = brotli.Decompressor()
    parts: list[bytes] = []
    left = limit
    try:
        while not machine.is_finished():
            part = machine.process(body, output_buffer_limit=_PIECE)
            if not part and not machine.is_finished() and machine.can_accept_more_data():
                raise httpx.DecodingError("the body ends early")
            left -= len(part)
            if left < 0:
                raise TooLarge(limit)
            parts.append(part)
            body = b""
    except brotli.error as error:
        raise httpx.DecodingError("the body is not what its coding says") from error
    return b"".join(parts)


def _unzstd(body: bytes, limit: int) -> bytes:
    """RFC 8878, with the window that RFC 9659 allows. First how much it becomes, then what."""
    import zstandard

    machine = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    parts: list[bytes] = []
    try:
        with machine.stream_reader(body, read_across_frames=True) as reader:
            if len(data := reader.read(limit + 1)) > limit:
                raise TooLarge(limit)
        del data
        while body:
            frame = machine.decompressobj()
            parts.append(frame.decompress(body))
            if not frame.eof:
                raise httpx.DecodingError("the body ends early")
            body = frame.unused_data
    except zstandard.ZstdError as error:
        raise httpx.DecodingError("the body is not what its coding says") from error
    return b"".join(parts)


_PIECE = 64 * 1024
_ZSTD_WINDOW = 8 * 1024 * 1024


def available(is_installed: Callable[[str], bool]) -> dict[str, Callable[[bytes, int], bytes]]:
    """The decoders by coding, those of packages that are installed among them."""
    decoders: dict[str, Callable[[bytes, int], bytes]] = {
        "gzip": _gunzip,
        "x-gzip": _gunzip,
        "deflate": _undeflate,
    }
    if is_installed("brotli"):
        decoders["br"] = _unbrotli
    if is_installed("zstandard"):
        decoders["zstd"] = _unzstd
    return decoders


def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


DECODERS = available(_is_installed)
ACCEPTED = ", ".join(coding for coding in DECODERS if coding != "x-gzip")
"""What is asked for."""
