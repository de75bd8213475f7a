"""What is kept of an invocation once it has ended: one flat tuple, for it is made with every call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bff.errors import Fault
from bff.sdk.invocation import CallRecord, Invocation
from bff.telemetry.bodies import Bodies
from bff.telemetry.failure import Failure
from bff.trace import TraceContext, parse

LEAST_WEIGHT = 700
"""Bytes of an entry without service calls: the tuple, its numbers, and texts of their usual length."""
CALL_WEIGHT = 450
"""Bytes of a service call, without its path."""
TRY_WEIGHT = 200
"""Bytes of one attempt."""


class Entry(NamedTuple):
    """One invocation. Times are clock seconds, as in :class:`bff.sdk.invocation.Invocation`, whose words these are.

    ``number`` counts invocations in the order in which they ended; ``weight`` is about how many bytes this takes.
    ``caller`` is a digest.
    """

    number: int
    weight: int
    is_slow: bool
    request_id: str
    method: str
    route: str
    function: str
    revision: str
    status: int
    client: str
    caller: str
    lane: str
    started: float
    queued: float
    warmed: float
    began: float
    returned: float
    handler_seconds: float
    ended: float
    phases: Mapping[str, float] | None
    calls: list[CallRecord] | None
    calls_dropped: int
    missing: list[str] | None
    failure: Failure | None
    trace: TraceContext | bytes | None
    bodies: Bodies | None

    @property
    def seconds(self) -> float:
        """From the complete head to the sent answer."""
        return self.ended - self.started

    @property
    def fault(self) -> Fault | None:
        """Whose fault a failure was."""
        return None if self.failure is None else self.failure.fault

    @property
    def is_error(self) -> bool:
        """Whether it failed, and not by its caller's fault."""
        return self.status >= 500 or (self.failure is not None and self.failure.fault is not Fault.CALLER)

    @property
    def is_notable(self) -> bool:
        """Whether somebody may want to look at it for longer than at others."""
        return self.is_slow or bool(self.missing) or self.is_error

    @property
    def trace_id(self) -> str | None:
        """The trace it belongs to, where anybody asked, or its caller said."""
        known = parse(self.trace) if isinstance(self.trace, bytes) else self.trace
        return None if known is None else known.trace_id


_make = tuple.__new__


def taken(
    invocation: Invocation,
    number: int,
    slow: float,
    failure: Failure | None,
    bodies: Bodies | None = None,
    caller: str = "",
) -> Entry:
    """What is kept of one that has ended; ``slow`` is from how many seconds on it is."""
    calls = invocation.calls
    seconds = invocation.ended - invocation.started
    return _make(
        Entry,
        (
            number,
            _weight(calls, failure, bodies) if calls or failure or bodies else LEAST_WEIGHT,
            seconds >= slow,
            invocation.request_id,
            invocation.method,
            invocation.route,
            invocation.function,
            invocation.revision,
            invocation.status,
            invocation.client,
            caller,
            invocation.lane,
            invocation.started,
            invocation.queued,
            invocation.warmed,
            invocation.began,
            invocation.returned,
            invocation.handler_seconds,
            invocation.ended,
            invocation.phases,
            calls,
            invocation.calls_dropped,
            invocation.missing,
            failure,
            invocation.known_trace or invocation.traceparent,
            bodies,
        ),
    )


def _weight(calls: list[CallRecord] | None, failure: Failure | None, bodies: Bodies | None) -> int:
    weight = LEAST_WEIGHT + sum(each.weight for each in (failure, bodies) if each is not None)
    for call in calls or ():
        weight += CALL_WEIGHT + len(call.path)
        if call.tries is not None:
            weight += TRY_WEIGHT * len(call.tries)
    return weight
