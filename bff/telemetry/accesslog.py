"""One line an invocation, once it has ended.

What most requests share (route, method, status, function, revision) is written into bytes once; what a request adds
is a dozen fields. The whole costs a few microseconds, which is why it is laid out as it is.
"""

from __future__ import annotations

import traceback
from typing import Any

import orjson

from bff.config.names import METHODS
from bff.errors import Fault
from bff.sdk.invocation import CallRecord, Invocation
from bff.telemetry.identity import Callers
from bff.telemetry.lines import Lines, begun, ms
from bff.telemetry.plain import json_line
from bff.telemetry.verdict import OK, verdict_of

MOST_KNOWN = 10_000
"""Beginnings that are remembered."""
_USUAL = frozenset(METHODS)

Kind = tuple[str, str, int, str, str]


class AccessLog:
    """Mutable state: ``_known``, the beginning of a line by what it is of."""

    def __init__(self, lines: Lines, callers: Callers) -> None:
        self._lines = lines
        self._callers = callers
        self._known: dict[Kind, bytes] = {}

    def __call__(self, invocation: Invocation) -> None:
        is_good = invocation.error is None and not invocation.missing and invocation.status < 500
        if not is_good:
            self._told(invocation)
            return
        # Probes come every few seconds, and a healthy one tells nothing.
        level = "info" if invocation.function or invocation.calls else "debug"
        wanted, trace_id = self._lines.wanted, invocation.trace.trace_id
        if not wanted.wants(level, invocation.function):
            return
        if wanted.sample < 1.0 and not wanted.samples(trace_id):
            return
        if self._lines.is_pretty:
            self._lines.write(level, "request", {**_kind_of(invocation), **self._rest(invocation, trace_id)})
            return
        route, method, function = invocation.route, invocation.method, invocation.function
        kind = (route, method, invocation.status, function, invocation.revision)
        rest = self._rest(invocation, trace_id)
        try:
            first = self._known.get(kind) or self._first(kind, invocation)
            line = first + json_line(orjson.dumps(rest, option=orjson.OPT_APPEND_NEWLINE)[1:])
        except orjson.JSONEncodeError:  # half a surrogate pair in an event's id, say
            self._lines.write(level, "request", {**_kind_of(invocation), **rest})
        else:
            self._lines.put(begun(level) + line)

    def _first(self, kind: Kind, invocation: Invocation) -> bytes:
        made = json_line(b'"request",' + orjson.dumps(_kind_of(invocation))[1:-1] + b",")
        if invocation.method in _USUAL:  # else anybody could make up methods, and beginnings with them
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[kind] = made
        return made

    def _rest(self, invocation: Invocation, trace_id: str) -> dict[str, Any]:
        """What one request adds. None of it is a text of the caller's or a secret: ids are checked, addresses parsed."""
        phases = {"handler": ms(invocation.handler_seconds)}
        if invocation.phases is not None:
            phases = {name: ms(seconds) for name, seconds in invocation.phases.items()} | phases
        rest = {
            "ms": ms(invocation.ended - invocation.started),
            "phases": phases,
            "complete": not invocation.missing,
            "outcome": OK,
            "request_id": invocation.request_id,
            "trace_id": trace_id,
            "client": invocation.client,
        }
        if invocation.caller.scheme:
            rest["caller"] = self._callers.hashed(invocation.caller)
        if self._lines.wanted.sample < 1.0:
            rest["sampled"] = self._lines.wanted.sample
        if invocation.calls:
            rest["services"] = [_call(call) for call in invocation.calls]
            if flags := invocation.flags:
                rest["flags"] = flags
        return rest

    def _told(self, invocation: Invocation) -> None:
        """What did not go as it should is always told, with everything that explains it."""
        rest = self._rest(invocation, invocation.trace.trace_id)
        rest.pop("sampled", None)
        verdict = verdict_of(invocation)
        rest["outcome"], rest["fault"] = verdict.outcome, verdict.fault
        rest["complete"] = invocation.error is None and not invocation.missing
        if invocation.missing:
            rest["missing"] = invocation.missing
        if flags := invocation.flags:
            rest["flags"] = flags
        level, error = "info", invocation.error
        if error is not None:
            rest["error"] = str(error)
            if error.__cause__ is not None and verdict.fault in (Fault.FUNCTION, Fault.GATEWAY):
                rest["traceback"] = traceback.format_exception(error.__cause__, limit=-20)
        if invocation.status >= 500:
            level = "error"
        elif error is not None:
            level = "warning"
        self._lines.write(level, "request", {**_kind_of(invocation), **rest}, is_ours=True)


def _kind_of(invocation: Invocation) -> dict[str, Any]:
    return {
        "method": invocation.method,
        "route": invocation.route,
        "status": invocation.status,
        "function": invocation.function,
        "revision": invocation.revision,
    }


def _call(call: CallRecord) -> dict[str, Any]:
    started, attempts = call.started, call.attempts
    took = 0.0 if call.ended is None else call.ended - started
    shown: dict[str, Any] = {
        "service": call.service,
        "status": call.status,
        "ms": ms(took),
        "attempts": attempts,
        "bytes": call.bytes_in,
    }
    if call.endpoint:
        shown["endpoint"] = call.endpoint
    if call.sent is not None:
        shown["waited_ms"] = 0.0 if call.sent == started else ms(call.sent - started)
    if call.error:
        shown["error"] = call.error
    if (attempts != 1 or call.cached or call.coalesced) and (how := call.how()):
        shown["how"] = how
    if call.flags:
        shown["flags"] = call.flags
    return shown
