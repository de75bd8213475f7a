"""The bytes of a request's target, and the path a service is asked for: nothing decoded, nothing put in order.

Pure. What would lead out of the service's URL is refused elsewhere, and nowhere mended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bff.config import Pattern
from bff.config.pattern import Kind
from bff.config.rewrite import Rewrite

Asks = Callable[[bytes], bytes]
"""A caller's raw path -> the path below the service's URL."""


def split(target: bytes) -> tuple[bytes, bytes]:
    """The raw path, and the query with its mark (empty where there is none, ``?`` where it is empty).

    An absolute target (RFC 9112 §3.2.2) counts without its scheme and host: those are the ``Host`` field's.
    """
    if not target.startswith(b"/"):
        _, _, rest = target.partition(b"://")
        at = min((place for mark in (b"/", b"?") if (place := rest.find(mark)) >= 0), default=len(rest))
        target = rest[at:] if rest[at : at + 1] == b"/" else b"/" + rest[at:]
    path, mark, query = target.partition(b"?")
    return path, mark + query


def asked(pattern: Pattern, rewrite: Rewrite | None) -> Asks:
    """How a route's path becomes the service's: by ``rewrite``, else what the wildcard matched, else as it is."""
    if rewrite is not None:
        return lambda path: rewrite.path(parameters(pattern, path))
    last = pattern.segments[-1]
    if last.kind is not Kind.WILDCARD:
        return lambda path: path
    return lambda path: b"/" + parameters(pattern, path)[last.text]


def parameters(pattern: Pattern, path: bytes) -> Mapping[str, bytes]:
    """What each parameter matched, as it came. The path must be one that the pattern matches."""
    texts = path[1:].split(b"/", len(pattern.segments) - 1)
    pairs = zip(pattern.segments, texts, strict=True)
    return {segment.text: text for segment, text in pairs if segment.kind is not Kind.STATIC}
