"""The record of one invocation in words: for programs as a dict, for people as a few lines and a table."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bff.cli.output import print_table, say
from bff.errors import FunctionNotLoaded
from bff.sdk.callrecord import CallRecord
from bff.sdk.invocation import Invocation


def as_dict(record: Invocation, phases: Mapping[str, float], error: str | None) -> dict[str, Any]:
    """Everything but the answer itself, ``error`` being what went wrong, if anything did; times in milliseconds."""
    return {
        "revision": record.revision,
        "ms": _ms(record.ended - record.started),
        "phases": {name: _ms(seconds) for name, seconds in phases.items()},
        "calls": [_call(call) for call in record.calls or ()],
        "missing": list(record.missing or ()),
        "error": error,
    }


def not_loaded(failure: FunctionNotLoaded) -> dict[str, Any]:
    """The same for a function that could not even be called."""
    nothing: dict[str, Any] = {"status": failure.status, "headers": {}, "body": None, "revision": ""}
    return nothing | {"ms": 0.0, "phases": {}, "calls": [], "missing": [], "error": failure.report()}


def explained(error: BaseException, folder: Path) -> str:
    """What went wrong, with the lines of the function's own code that were running."""
    if isinstance(error, FunctionNotLoaded):
        return error.report()
    cause = error.__cause__
    if cause is None:
        return str(error)
    own = [frame for frame in traceback.extract_tb(cause.__traceback__) if _is_within(frame.filename, folder)]
    lines = traceback.format_list(own) + traceback.format_exception_only(cause)
    return f"{error}\n{''.join(lines)}".rstrip()


def _is_within(filename: str, folder: Path) -> bool:
    return Path(filename).is_relative_to(folder)


def tell(told: Mapping[str, Any]) -> None:
    """Print it for people, on standard error."""
    say(_summary(told), colour="red" if told["status"] >= 400 else "green")
    if told["phases"]:
        say("warm-up: " + ", ".join(f"{name} {ms:g} ms" for name, ms in told["phases"].items()))
    if told["calls"]:
        print_table(("service", "call", "answer", "bytes", "ms", ""), map(_row, told["calls"]), err=True)
    if told["error"]:
        say(told["error"])


def _summary(told: Mapping[str, Any]) -> str:
    parts: list[str] = [str(told["status"]), told["revision"], f"{told['ms']:g} ms"]
    if told["missing"]:
        parts.append(f"missing: {', '.join(told['missing'])}")
    return " · ".join(part for part in parts if part)


def _row(call: Mapping[str, Any]) -> list[str]:
    answer = call["error"] or str(call["status"])
    asked = f"{call['method']} {call['path']}"
    return [call["service"], asked, answer, str(call["bytes"]), f"{call['ms']:g}", call["how"]]


def _call(call: CallRecord) -> dict[str, Any]:
    ended = call.ended if call.ended is not None else call.started
    return {
        "service": call.service,
        "method": call.method,
        "path": call.path,
        "status": call.status,
        "ms": _ms(ended - call.started),
        "error": call.error,
        "endpoint": call.endpoint,
        "attempts": call.attempts,
        "waited_ms": None if call.sent is None else _ms(call.sent - call.started),
        "bytes": call.bytes_in,
        "cached": call.cached,
        "coalesced": call.coalesced,
        "how": call.how(),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
