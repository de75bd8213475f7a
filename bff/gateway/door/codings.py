"""Content codings for answers: which one a caller takes (RFC 9110 §12.5.3), and bodies written in it. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

from bff.config.compression import LIBRARIES, CompressionConfig

_GZIP_LEVEL, _BROTLI_QUALITY, _ZSTD_LEVEL = 6, 4, 3
"""What each library calls its middle, for bodies that are made anew for every call."""
_GZIP = 31
"""zlib's ``wbits`` for gzip's header (RFC 1952), which has no time in it: the same body, the same bytes."""

_TEXTS = (
    *(b"json", b"javascript", b"xml", b"text", b"html", b"css", b"x-ndjson", b"problem+json", b"svg+xml"),
    *(b"wasm", b"yaml", b"csv", b"plain", b"graphql", b"manifest+json"),
)


class Writer(Protocol):
    """A body in a coding, written piece by piece."""

    def piece(self, data: bytes) -> bytes:
        """What the caller can read at once of it."""

    def end(self) -> bytes:
        """What closes it."""


def chosen(accepted: Iterable[tuple[bytes, bytes]], offered: tuple[str, ...]) -> str | None:
    """The coding that the caller weighs most, of equal ones the first offered; None: as it is.

    What it weighs less than ``identity`` is not used, and what it does not name is not either. Nobody is refused
    for forbidding ``identity``: an answer that could not be read is still better than none.
    """
    said = b",".join(value for name, value in accepted if name == b"accept-encoding").lower()
    if not said:
        return None
    weights = dict(map(_weighed, said.decode("latin-1").split(",")))
    rest = weights.get("*", 0.0)
    best, most = None, max(weights.get("identity", 0.0), 0.0)
    for coding in offered:
        weight = weights.get(coding, rest)
        if weight > 0 and (weight > most if best is not None else weight >= most):
            best, most = coding, weight
    return best


def _weighed(option: str) -> tuple[str, float]:
    name, *parameters = (each.strip() for each in option.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        told = float(weight)
    except ValueError:
        told = 0.0
    return "gzip" if name == "x-gzip" else name, told if 0.0 <= told <= 1.0 else 0.0


def is_text(content_type: bytes) -> bool:
    """Whether a body of this type gets smaller: pictures, films, archives and fonts are compressed already."""
    kind, _, rest = content_type.partition(b";")[0].strip().lower().partition(b"/")
    if kind == b"text":
        return True
    return kind in (b"application", b"image") and (
        rest in _TEXTS or rest.endswith((b"+json", b"+xml", b"+yaml"))
    )


class Compression:
    """What one route's answers may be written in. Immutable."""

    __slots__ = ("_offered", "min_size", "streams")

    def __init__(self, config: CompressionConfig) -> None:
        self._offered = tuple(each for each in config.codings if is_installed(each))
        self.min_size = config.min_size
        self.streams = config.streams

    def coding(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The coding for whoever sent these fields."""
        return chosen(headers, self._offered)


@cache
def is_installed(coding: str) -> bool:
    """Whether it can be written here."""
    return coding not in LIBRARIES or find_spec(LIBRARIES[coding]) is not None


def compressed(body: bytes, coding: str) -> bytes:
    """A whole body in a coding."""
    return _WHOLE[coding](body)


def writer(coding: str) -> Writer:
    """A body that is written piece by piece."""
    return _WRITERS[coding]()


def _gzip(body: bytes) -> bytes:
    machine = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    return machine.compress(body) + machine.flush()


def _br(body: bytes) -> bytes:
    import brotli

    written: bytes = brotli.compress(body, quality=_BROTLI_QUALITY)
    return written


def _zstd(body: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)


_WHOLE: dict[str, Callable[[bytes], bytes]] = {"gzip": _gzip, "br": _br, "zstd": _zstd}


class _GzipWriter:
    """Mutable state: zlib's."""

    def __init__(self) -> None:
        self._machine = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)

    def piece(self, data: bytes) -> bytes:
        return self._machine.compress(data) + self._machine.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._machine.flush()


class _BrotliWriter:
    """Mutable state: brotli's."""

    def __init__(self) -> None:
        import brotli

        self._machine: Any = brotli.Compressor(quality=_BROTLI_QUALITY)

    def piece(self, data: bytes) -> bytes:
        written: bytes = self._machine.process(data) + self._machine.flush()
        return written

    def end(self) -> bytes:
        written: bytes = self._machine.finish()
        return written


class _ZstdWriter:
    """Mutable state: zstd's."""

    def __init__(self) -> None:
        import zstandard

        self._machine = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
        self._flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK

    def piece(self, data: bytes) -> bytes:
        return self._machine.compress(data) + self._machine.flush(self._flush)

    def end(self) -> bytes:
        return self._machine.flush()


_WRITERS: dict[str, Callable[[], Writer]] = {"gzip": _GzipWriter, "br": _BrotliWriter, "zstd": _ZstdWriter}
