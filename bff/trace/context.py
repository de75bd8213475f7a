"""W3C Trace Context level 2, ``traceparent`` (§3.2): ``version-traceid-parentid-flags`` in lower-case hex.

An invalid field is as good as none, and a future version is read by its first four fields.
"""

from __future__ import annotations

import random
import re
from collections.abc import MutableMapping
from typing import NamedTuple

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = 0x01
RANDOM = 0x02  # level 2 §3.2.2.5.2: the trace id's low bits are random


class TraceContext(NamedTuple):
    """Which trace an invocation belongs to, as a tuple, for one is made with every call. ``parent_id`` is None when the trace begins here.

    ``state`` is what ``tracestate`` carries on, empty where nothing came; ``writes`` are the formats besides W3C's
    that services are told it in.
    """

    trace_id: str
    parent_id: str | None
    flags: int
    state: str = ""
    writes: tuple[str, ...] = ()

    @property
    def is_sampled(self) -> bool:
        """Whether whoever decided wants it recorded."""
        return bool(self.flags & SAMPLED)

    def child(self, span_id: str) -> str:
        """The ``traceparent`` for a request made under span ``span_id``."""
        return f"00-{self.trace_id}-{span_id}-{self.flags:02x}"

    def write(self, fields: MutableMapping[str, str], span_id: str) -> None:
        """Add the fields of a request made under span ``span_id``; what they held before is nobody's word."""
        fields["traceparent"] = f"00-{self.trace_id}-{span_id}-{self.flags:02x}"
        if self.state:
            fields["tracestate"] = self.state
        if self.writes:
            from bff.trace.propagators import WRITERS

            for each in self.writes:
                WRITERS[each](fields, self, span_id)


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
    return TraceContext(trace_id.decode(), parent_id.decode(), int(flags, 16) & (SAMPLED | RANDOM))


def begin(share: float = 0.0, writes: tuple[str, ...] = ()) -> TraceContext:
    """A trace that starts here; ``share`` of them are sampled. All of the id's bits are random."""
    bits = random.getrandbits(128) or 1
    flags = RANDOM | SAMPLED if share and is_chosen(bits, share) else RANDOM
    # As TraceContext(…) does, but for a frame and its keywords: one begins with nearly every call.
    return tuple.__new__(TraceContext, (bits.to_bytes(16, "big").hex(), None, flags, "", writes))


def is_chosen(bits: int, share: float) -> bool:
    """Whether a trace id is among that share of them, by its 56 random bits (level 2 §3.2.2.3): whoever has the same
    share chooses the same traces.
    """
    return (bits & _RANDOM_BITS) >= (1.0 - share) * 2.0**56


_RANDOM_BITS = (1 << 56) - 1


def new_span_id() -> str:
    """Sixteen hex digits, never all zero."""
    return (random.getrandbits(64) or 1).to_bytes(8, "big").hex()
