"""Trace identity: W3C ``traceparent`` read, minted and written; nothing about spans, exporters or SDKs.

W3C Trace Context level 2, §3.2: ``version-traceid-parentid-flags``, lower-case hex; an invalid header is
as good as none, and a future version is read by its first four fields.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01
_RANDOM = 0x02  # level 2 §3.2.2.5.2: the trace id's low bits are random


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Which trace an invocation belongs to. ``parent_id`` is None when the trace begins here."""

    trace_id: str
    parent_id: str | None
    flags: int

    def child(self, span_id: str) -> str:
        """The ``traceparent`` for a request made under span ``span_id``."""
        return f"00-{self.trace_id}-{span_id}-{self.flags:02x}"


def parse(header: bytes) -> TraceContext | None:
    """The context in a ``traceparent`` field, or None when it is invalid and the trace restarts."""
    found = _TRACEPARENT.fullmatch(header.strip(b" \t"))
    if found is None:
        return None
    version, trace_id, parent_id, flags, rest = found.groups()
    if version == b"ff" or (version == b"00" and rest is not None):
        return None
    if trace_id == b"0" * 32 or parent_id == b"0" * 16:
        return None
    return TraceContext(trace_id.decode(), parent_id.decode(), int(flags, 16) & (_SAMPLED | _RANDOM))


def begin() -> TraceContext:
    """A trace that starts here, not sampled until somebody decides so."""
    return TraceContext((random.getrandbits(128) or 1).to_bytes(16, "big").hex(), None, _RANDOM)


def new_span_id() -> str:
    """Sixteen hex digits, never all zero."""
    return (random.getrandbits(64) or 1).to_bytes(8, "big").hex()
