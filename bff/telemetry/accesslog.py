"""One line an invocation, once it has ended.

What most requests share (route, method, status, function, revision) is written into bytes once; what a request adds
is a dozen fields. The whole costs a few microseconds, which is why it is laid out as it is.
"""

from __future__ import annotations

import traceback
from typing import Any

import orjson

from bff.errors import Fault
from bff.sdk.caller import NOBODY
from bff.sdk.callrecord import CallRecord
from bff.sdk.invocation import Invocation
from bff.telemetry.identity import Callers
from bff.telemetry.labelsets import LabelSet, LabelSets
from bff.telemetry.lines import Lines, begun, ms
from bff.telemetry.plain import json_line
from bff.telemetry.verbosity import LEVELS
from bff.telemetry.verdict import OK, verdict_of


class AccessLog:
    """Mutable state: ``_tells_all``, whether nothing is asked of a line of a request that went well: every one is
    written, and as JSON.
    """

    def __init__(self, lines: Lines, callers: Callers, labelsets: LabelSets | None = None) -> None:
        self._lines = lines
        self._callers = callers
        self._labelsets = labelsets or LabelSets()
        self._obey()
        lines.wanted.on_change(self._obey)

    def _obey(self) -> None:
        said = self._lines.wanted.said()
        self._tells_all = all(
            (
                *(not self._lines.is_pretty, LEVELS[said.level] <= LEVELS["info"]),
                *(said.sample >= 1.0, not said.functions),
            )
        )

    def __call__(self, invocation: Invocation) -> None:
        if invocation.error is not None or invocation.missing or invocation.status >= 500:
            self._told(invocation)
        elif self._tells_all and invocation.function:
            self._tell("info", invocation)
        else:
            self._ask(invocation)

    def _ask(self, invocation: Invocation) -> None:
        """Tell of one that went well, if that is wanted."""
        # Probes come every few seconds, and a healthy one tells nothing.
        level = "info" if invocation.function or invocation.calls else "debug"
        wanted, trace_id = self._lines.wanted, invocation.trace.trace_id
        if not wanted.wants(level, invocation.function):
            return
        if wanted.sample < 1.0 and not wanted.samples(trace_id):
            return
        if self._lines.is_pretty:
            self._lines.write(level, "request", {**_kind_of(invocation), **self._rest(invocation, trace_id)})
        else:
            self._tell(level, invocation)

    def _tell(self, level: str, invocation: Invocation) -> None:
        self._put(
            level, invocation, self._rest(invocation, (invocation.known_trace or invocation.trace).trace_id)
        )

    def _put(self, level: str, invocation: Invocation, rest: dict[str, Any]) -> None:
        """One line of JSON; its fields are made here, and not by the sink, which would look into each."""
        labels: LabelSet = invocation.labels or self._labelsets.of(invocation)
        try:
            line = orjson.dumps(rest, None, orjson.OPT_APPEND_NEWLINE)
        except orjson.JSONEncodeError:  # half a surrogate pair in an event's id, say
            self._lines.write(level, "request", {**_kind_of(invocation), **rest})
            return
        if not line.isascii() or 0x7F in line:  # it asks the same, but is a call
            line = json_line(line)
        beginning = (labels.beginning or _begin(labels)) if level == "info" else _beginning(level, labels)
        self._lines.put_here(self._lines.stamp() + beginning + line[1:])

    def _rest(self, invocation: Invocation, trace_id: str) -> dict[str, Any]:
        """What one request adds. None of it is a text of the caller's or a secret: ids are checked, addresses parsed."""
        # The milliseconds as `ms` gives them.
        rest = {
            "ms": int((invocation.ended - invocation.started) * 1e6 + 0.5) / 1000,
            "phases": {"handler": int(invocation.handler_seconds * 1e6 + 0.5) / 1000},
            "complete": not invocation.missing,
            "outcome": OK,
            "request_id": invocation.request_id,
            "trace_id": trace_id,
            "client": invocation.client,
        }
        if invocation.phases is not None:
            phases = {name: ms(seconds) for name, seconds in invocation.phases.items()}
            rest["phases"] = phases | rest["phases"]  # type: ignore[operator]
        if invocation.caller is not NOBODY and invocation.caller.scheme:
            rest["caller"] = self._callers.hashed(invocation.caller)
        if not self._tells_all and self._lines.wanted.sample < 1.0:
            rest["sampled"] = self._lines.wanted.sample
        if invocation.calls:
            rest["services"] = [_call(call) for call in invocation.calls]
            if flags := invocation.flags:
                rest["flags"] = flags
        return rest

    def _told(self, invocation: Invocation) -> None:
        """What did not go as it should is always told, with everything that explains it."""
        error, level = invocation.error, "info"
        if invocation.status >= 500:
            level = "error"
        elif error is not None:
            level = "warning"
        if not self._lines.wanted.wants(level, invocation.function):
            return
        rest = self._rest(invocation, (invocation.known_trace or invocation.trace).trace_id)
        rest.pop("sampled", None)
        verdict = verdict_of(invocation)
        rest["outcome"], rest["fault"] = verdict.outcome, verdict.fault
        rest["complete"] = error is None and not invocation.missing
        if flags := invocation.flags:
            rest["flags"] = flags
        words = _words(invocation, error, verdict.fault)
        if self._lines.is_pretty:
            said = {**_kind_of(invocation), **rest, **words}
            self._lines.write(level, "request", said, is_ours=True)
        else:
            # What others have written, and may have put a secret into; the rest is ours.
            self._put(level, invocation, rest | self._lines.discretion.fields(words))


def _words(invocation: Invocation, error: BaseException | None, fault: str) -> dict[str, Any]:
    """What is told of a failure in the words of those who failed."""
    said: dict[str, Any] = {}
    if invocation.missing:
        said["missing"] = invocation.missing
    if error is not None:
        said["error"] = str(error)
        if error.__cause__ is not None and fault in (Fault.FUNCTION, Fault.GATEWAY):
            said["traceback"] = traceback.format_exception(error.__cause__, limit=-20)
    return said


def _begin(labels: LabelSet) -> bytes:
    made = labels.beginning = _beginning("info", labels)
    return made


def _beginning(level: str, labels: LabelSet) -> bytes:
    """How lines of such requests begin, behind their time."""
    return begun(level) + json_line(b'"request",' + orjson.dumps(_kind_of(labels))[1:-1] + b",")


def _kind_of(of: Invocation | LabelSet) -> dict[str, Any]:
    return {
        "method": of.method,
        "route": of.route,
        "status": of.status,
        "function": of.function,
        "revision": of.revision,
    }


def _call(call: CallRecord) -> dict[str, Any]:
    started, ended, sent, endpoint = call.started, call.ended, call.sent, call.endpoint
    shown: dict[str, Any] = {
        "service": call.service,
        "status": call.status,
        "ms": 0.0 if ended is None else int((ended - started) * 1e6 + 0.5) / 1000,
        "attempts": call.attempts,
        "bytes": call.bytes_in,
    }
    if endpoint:
        shown["endpoint"] = endpoint
    if sent is not None:
        shown["waited_ms"] = int((sent - started) * 1e6 + 0.5) / 1000
    if call.error:
        shown["error"] = call.error
    if (call.attempts != 1 or call.cached or call.coalesced) and (how := call.how()):
        shown["how"] = how
    if call.flags:
        shown["flags"] = call.flags
    return shown
