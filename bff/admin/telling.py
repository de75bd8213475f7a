"""Remembered invocations as JSON has them: see :mod:`bff.admin.recordshapes`. Pure.

Plain dicts: a live stream makes a thousand of them a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import gmtime, strftime
from typing import Any

from bff.telemetry import bodies
from bff.telemetry.causes import Cause
from bff.telemetry.entry import Entry
from bff.telemetry.failure import Failure, Frame
from bff.telemetry.pulse import Pulse
from bff.telemetry.redaction import redacted_path
from bff.telemetry.spans import Span, spans_of


@dataclass(frozen=True, slots=True)
class Teller:
    """``epoch`` is the Unix time at which the clock was 0."""

    epoch: float

    def moment(self, at: float) -> str:
        """Clock seconds as RFC 3339 in UTC."""
        milliseconds = int((self.epoch + at) * 1000)
        return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"

    def line(self, entry: Entry) -> dict[str, Any]:
        """See InvocationShape."""
        failure = entry.failure
        return {
            "seq": entry.number,
            "request_id": entry.request_id,
            "trace_id": entry.trace_id,
            "at": self.moment(entry.started),
            "ms": _ms(entry.ended - entry.started),
            "method": entry.method,
            "route": entry.route,
            "function": entry.function,
            "revision": entry.revision,
            "status": entry.status,
            "fault": None if failure is None else str(failure.fault),
            "error": None if failure is None else failure.code,
            "cold": entry.phases is not None,
            "slow": entry.is_slow,
            "calls": 0 if entry.calls is None else len(entry.calls) + entry.calls_dropped,
            "missing": entry.missing or [],
        }

    def whole(self, entry: Entry) -> dict[str, Any]:
        """See WholeInvocationShape."""
        flags = [flag for call in entry.calls or () if call.flags for flag in call.flags.split(",")]
        return {
            **self.line(entry),
            "client": entry.client,
            "caller": entry.caller,
            "lane": entry.lane,
            "flags": ",".join(dict.fromkeys(flags)),
            "calls_dropped": entry.calls_dropped,
            "failure": None if entry.failure is None else _failure(entry.failure),
            "spans": [_span(span, entry.started) for span in spans_of(entry)],
            "bodies": None if entry.bodies is None else _bodies(entry.bodies),
        }

    def cause(self, cause: Cause) -> dict[str, Any]:
        """See CauseShape."""
        return {
            "id": cause.id,
            "function": cause.function,
            **_failure(cause.newest),
            "count": cause.count,
            "first": self.moment(cause.first),
            "last": self.moment(cause.last),
            "request_id": cause.examples[-1][0],
            "seq": cause.examples[-1][1],
            "examples": [{"request_id": name, "seq": seq} for name, seq in reversed(cause.examples)],
            "revisions": list(cause.revisions),
        }


def pulse(told: Pulse) -> dict[str, Any]:
    """See PulseShape."""
    return {
        "function": told.function,
        "window_s": round(told.window, 3),
        "count": told.count,
        "rate": round(told.rate, 2),
        "errors": round(told.errors, 2),
        "slow": told.slow,
        "cold": told.cold,
        "incomplete": told.incomplete,
        "p50_ms": _ms(told.p50),
        "p99_ms": _ms(told.p99),
        "max_ms": _ms(told.longest),
    }


def _failure(failure: Failure) -> dict[str, Any]:
    frame = failure.frame
    return {
        "code": failure.code,
        "fault": str(failure.fault),
        "sentence": failure.sentence,
        "cause": failure.cause,
        "service": failure.service,
        "place": failure.place,
        "line": frame.line if frame is not None else None,
        "in_function": frame.function if frame is not None else "",
        "excerpt": [] if frame is None else _excerpt(frame),
    }


def _excerpt(frame: Frame) -> list[dict[str, Any]]:
    return [{"line": at, "text": text} for at, text in enumerate(frame.excerpt, start=frame.first)]


def _span(span: Span, started: float) -> dict[str, Any]:
    return {
        "kind": str(span.kind),
        "name": span.name,
        "start_ms": _ms(span.begin - started),
        "ms": _ms(span.end - span.begin),
        "parent": span.parent,
        "error": span.error,
        "span_id": span.span_id,
        "facts": _facts(span.facts),
    }


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: redacted_path(value) if name == "path" else value for name, value in facts.items()}


def _bodies(kept: bodies.Bodies) -> dict[str, Any]:
    return {
        "request": bodies.shown(kept.request),
        "request_size": kept.request_size,
        "answer": bodies.shown(kept.answer),
        "answer_size": kept.answer_size,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(at))
