"""What others write instead of ``traceparent``: B3, as one field or several, and Jaeger's ``uber-trace-id``. Pure.

https://github.com/openzipkin/b3-propagation and https://www.jaegertracing.io/docs/1.76/architecture/sdks/ have the
formats; the names are OpenTelemetry's (OTEL_PROPAGATORS).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from types import MappingProxyType
from urllib.parse import unquote

from bff.frozen import frozen
from bff.trace.context import SAMPLED, TraceContext

_B3 = re.compile(r"([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d]))?(?:-[0-9a-f]{16})?")
_ID = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
_SPAN = re.compile(r"[0-9a-f]{16}")
_UBER = re.compile(r"([0-9a-f]{1,32}):([0-9a-f]{1,16}):([0-9a-f]{0,16}):([0-9a-f]{1,2})")
_DECISIONS = {"1": True, "0": False, "d": True, "true": True, "false": False}
B3_FIELDS = (b"x-b3-traceid", b"x-b3-spanid", b"x-b3-parentspanid", b"x-b3-sampled", b"x-b3-flags")


@frozen
class Told:
    """What a caller said. ``trace_id`` is empty where it only decided whether to sample; ``is_sampled`` is None where
    it left that to us.
    """

    trace_id: str = ""
    parent_id: str = ""
    is_sampled: bool | None = None


def read(headers: Iterable[tuple[bytes, bytes]]) -> Told | None:
    """What stands in the fields of these formats; None where nothing does, or nothing that can be read. A field that
    stands twice is none.
    """
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name == b"b3" or name == b"uber-trace-id" or name.startswith(b"x-b3-"):
            found[name] = "" if name in found else value.decode("latin-1").strip(" \t")
    if not found:
        return None
    return _b3(found.get(b"b3", "")) or _multi(found) or _uber(found.get(b"uber-trace-id", ""))


def _b3(text: str) -> Told | None:
    # Only whether to sample: https://github.com/openzipkin/b3-propagation#single-header
    if text in _DECISIONS and len(text) == 1:
        return Told(is_sampled=_DECISIONS[text])
    match = _B3.fullmatch(text)
    return None if match is None else _told(match[1], match[2], _DECISIONS.get(match[3] or ""))


def _multi(found: Mapping[bytes, str]) -> Told | None:
    trace_id, span_id, _, sampled, flags = (found.get(name, "") for name in B3_FIELDS)
    decided = True if flags == "1" else _DECISIONS.get(sampled) if sampled != "d" else None
    if not trace_id and not span_id:
        return None if decided is None else Told(is_sampled=decided)
    if not (_ID.fullmatch(trace_id) and _SPAN.fullmatch(span_id)):
        return None
    return _told(trace_id, span_id, decided)


def _uber(text: str) -> Told | None:
    match = _UBER.fullmatch(unquote(text) if "%" in text else text)
    return None if match is None else _told(match[1], match[2], bool(int(match[4], 16) & SAMPLED))


def _told(trace_id: str, span_id: str, is_sampled: bool | None) -> Told | None:
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Told(trace_id=trace_id.zfill(32), parent_id=span_id.zfill(16), is_sampled=is_sampled)


Fields = MutableMapping[str, str]


def _write_b3(fields: Fields, context: TraceContext, span_id: str) -> None:
    fields["b3"] = f"{context.trace_id}-{span_id}-{context.flags & SAMPLED}"


def _write_multi(fields: Fields, context: TraceContext, span_id: str) -> None:
    fields["x-b3-traceid"], fields["x-b3-spanid"] = context.trace_id, span_id
    fields["x-b3-sampled"] = str(context.flags & SAMPLED)
    for name in ("x-b3-parentspanid", "x-b3-flags"):  # a caller's own, which would speak of another span
        fields.pop(name, None)


def _write_uber(fields: Fields, context: TraceContext, span_id: str) -> None:
    # The parent's place is deprecated and written as 0.
    fields["uber-trace-id"] = f"{context.trace_id}:{span_id}:0:{context.flags & SAMPLED}"


WRITERS: Mapping[str, Callable[[Fields, TraceContext, str], None]] = MappingProxyType(
    {"b3": _write_b3, "b3multi": _write_multi, "jaeger": _write_uber}
)
"""Each format by its name."""

WRITTEN: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {"b3": (b"b3",), "b3multi": B3_FIELDS, "jaeger": (b"uber-trace-id",)}
)
"""The fields that are ours alone where a format is written."""

FIELDS = frozenset(
    {*("traceparent", "tracestate", "b3", "uber-trace-id"), *(name.decode() for name in B3_FIELDS)}
)
"""Everything that tells of a trace: it differs from call to call, and no answer is made of it."""

RAW_FIELDS = frozenset(name.encode() for name in FIELDS)
"""The same as they travel."""


def respanned(fields: Mapping[str, str], span_id: str) -> dict[str, str]:
    """The same fields for another request of the same trace, under a span id of its own: each attempt is a span of
    the trace (W3C Trace Context §3.2.2.4).
    """
    before = fields.get("traceparent", "").split("-")
    if len(before) != 4:
        return dict(fields)
    changed = {**fields, "traceparent": "-".join((*before[:2], span_id, before[3]))}
    for name in ("b3", "x-b3-spanid", "uber-trace-id"):
        if name in changed:
            changed[name] = changed[name].replace(before[2], span_id)
    return changed
