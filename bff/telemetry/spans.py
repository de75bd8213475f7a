"""An invocation as a tree of spans: what its waterfall shows, and what is exported of it. Pure.

Everything is told after the fact, from the record: while a call runs nobody makes a span.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from bff.frozen import frozen
from bff.measured import FIRST_CALL
from bff.sdk.attempt import Attempt
from bff.sdk.callrecord import CallRecord
from bff.telemetry.entry import Entry


class Kind(StrEnum):
    """What a span is of."""

    REQUEST = "request"
    QUEUE = "queue"
    WARM_UP = "warm-up"
    PHASE = "phase"
    HANDLER = "handler"
    CALL = "call"
    ATTEMPT = "attempt"
    ENCODE = "encode"
    SEND = "send"


@frozen
class Span:
    """Something that took its time. ``parent`` is the place of another in the list, None for the first; times are
    clock seconds. ``span_id`` is the one that was sent to a service; the others have none until they are exported.
    """

    kind: Kind
    name: str
    begin: float
    end: float
    parent: int | None
    error: str = ""
    span_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def spans_of(entry: Entry) -> list[Span]:
    """The spans, each parent before its children, and beside each other in the order in which they began."""
    failure = entry.failure
    made = [
        Span(
            kind=Kind.REQUEST,
            name=f"{entry.method} {entry.route}".rstrip(),
            begin=entry.started,
            end=entry.ended,
            parent=None,
            error=failure.code if failure is not None and entry.is_error else "",
        )
    ]
    made.extend(_waiting(entry, len(made)))
    handler = _handler(entry)
    if handler is not None:
        made.append(handler)
    at = len(made) - 1 if handler is not None else 0
    for call in sorted(entry.calls or (), key=_began):
        is_handlers = handler is not None and call.started <= handler.end
        made.extend(_call(call, at if is_handlers else 0, len(made), entry.ended))
    made.extend(_answering(entry, at))
    return made


def _began(call: CallRecord) -> float:
    return call.started


def _waiting(entry: Entry, at: int) -> Iterator[Span]:
    """The time before the handler, where there was any to tell of; ``at`` is the place of the first span."""
    if not entry.queued:
        return
    end = entry.began or entry.ended
    yield Span(kind=Kind.QUEUE, name="queue", begin=entry.queued, end=end, parent=0)
    phases = {name: took for name, took in (entry.phases or {}).items() if name != FIRST_CALL}
    if phases:
        yield from _warm_up(phases, entry.warmed or end, entry.revision, at)


def _warm_up(phases: Mapping[str, float], end: float, revision: str, parent: int) -> Iterator[Span]:
    """The warm-up that ended then. Somebody else's call may have begun it, long before this one came."""
    begin = end - sum(phases.values())
    yield Span(kind=Kind.WARM_UP, name=f"warm up {revision}", begin=begin, end=end, parent=parent)
    for name, took in phases.items():
        yield Span(kind=Kind.PHASE, name=name, begin=begin, end=begin + took, parent=parent + 1)
        begin += took


def _handler(entry: Entry) -> Span | None:
    if not entry.began:
        return None
    end = entry.began + entry.handler_seconds
    failure = entry.failure
    return Span(
        kind=Kind.HANDLER,
        name=entry.function,
        begin=entry.began,
        end=min(entry.returned, end) if entry.returned else end,
        parent=0,
        error=failure.code if failure is not None and entry.is_error else "",
    )


def _answering(entry: Entry, handler: int) -> Iterator[Span]:
    if not handler:
        return
    end = entry.began + entry.handler_seconds
    if entry.returned:
        yield Span(kind=Kind.ENCODE, name="encode", begin=min(entry.returned, end), end=end, parent=0)
    yield Span(kind=Kind.SEND, name="send", begin=end, end=max(end, entry.ended), parent=0)


def _call(call: CallRecord, parent: int, at: int, otherwise: float) -> Iterator[Span]:
    """A service call and its attempts; one that never ended did so with its invocation."""
    end = otherwise if call.ended is None else call.ended
    facts: dict[str, Any] = {"service": call.service, "method": call.method, "path": call.path}
    facts |= {"status": call.status, "attempts": call.attempts, "bytes_in": call.bytes_in}
    told = {"cache": call.cached, "shared": call.coalesced, "flags": call.flags, "endpoint": call.endpoint}
    facts |= {name: value for name, value in told.items() if value}
    yield Span(
        kind=Kind.CALL,
        name=f"{call.service} {call.method}",
        begin=call.started,
        end=end,
        parent=parent,
        error=_error(call.error, call.status),
        facts=facts,
    )
    for number, attempt in enumerate(_attempts(call, end), start=1):
        yield Span(
            kind=Kind.ATTEMPT,
            name=f"attempt {number}",
            begin=attempt.started,
            end=attempt.ended,
            parent=at,
            error=_error(attempt.error, attempt.status),
            span_id=attempt.span_id,
            facts={
                "number": number,
                "method": call.method,
                "endpoint": attempt.endpoint,
                "status": attempt.status,
            },
        )


def _error(code: str | None, status: int | None) -> str:
    """What went wrong: the code of a failure, or the status of an answer that is one."""
    return code or ("" if status is None or status < 500 else str(status))


def _attempts(call: CallRecord, end: float) -> list[Attempt]:
    """Each sending in the order in which they began; of a call that went well at once, the one there was."""
    if call.tries is not None:
        return sorted(call.tries, key=lambda each: each.started)
    if not call.attempts:
        return []
    begin = call.started if call.sent is None else call.sent
    return [
        Attempt(
            started=begin,
            ended=end,
            endpoint=call.endpoint,
            span_id=call.span_id,
            status=call.status,
            error=call.error,
        )
    ]
