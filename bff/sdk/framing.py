"""How the items of a stream follow each other: as text, as bytes, as lines of JSON, as server-sent events.

Pure. Which framing a stream has is told by its declared items, else by its first one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import to_json

from bff.frozen import frozen
from bff.sdk.serversent import ServerSentEvent

Fields = tuple[tuple[bytes, bytes], ...]

BYTES = (bytes, bytearray, memoryview)
"""What goes out as it is."""
AT_ONCE = (b"x-accel-buffering", b"no")
"""Asks nginx, and who follows it, to hand on each piece as it comes."""


@frozen
class Framing:
    """One way. ``fields`` are those of the answer's head that speak of it; ``encode`` makes bytes of an item."""

    fields: Fields
    encode: Callable[[Any], bytes]

    @property
    def content_type(self) -> tuple[bytes, bytes]:
        """The field that names it."""
        return self.fields[0]


def _raw(item: Any) -> bytes:
    """An item as it is; one that is neither text nor bytes as a line of JSON."""
    if isinstance(item, str):
        return item.encode("utf-8", "replace")
    return (
        bytes(item) if isinstance(item, BYTES) else to_json(item, by_alias=True, inf_nan_mode="null") + b"\n"
    )


def _event(item: Any) -> bytes:
    """What is no event yet is one's data."""
    if isinstance(item, ServerSentEvent):
        return item.encode()
    data = bytes(item).decode("utf-8", "replace") if isinstance(item, BYTES) else item
    return ServerSentEvent(data=data).encode()


TEXT = Framing(fields=((b"content-type", b"text/plain; charset=utf-8"),), encode=_raw)
BINARY = Framing(fields=((b"content-type", b"application/octet-stream"),), encode=_raw)
NDJSON = Framing(fields=((b"content-type", b"application/x-ndjson"), AT_ONCE), encode=_raw)
EVENTS = Framing(fields=((b"content-type", b"text/event-stream"), AT_ONCE), encode=_event)


def framing_of(item: Any, *, prefers_events: bool = False) -> Framing:
    """What a first item tells. Objects become events where the caller would rather have those than lines."""
    if isinstance(item, ServerSentEvent):
        return EVENTS
    if isinstance(item, str):
        return TEXT
    if isinstance(item, BYTES):
        return BINARY
    return EVENTS if prefers_events else NDJSON


def of_none(declared: Any) -> Framing:
    """What a stream without any item would have been, by the declared type of its items."""
    if declared is str:
        return TEXT
    return BINARY if declared in BYTES else NDJSON
