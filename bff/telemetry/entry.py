"""What is kept of an invocation once it has ended: a few flat values, for it is taken with every call."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from bff.errors import Fault
from bff.sdk.invocation import CallRecord, Invocation
from bff.telemetry.bodies import Bodies
from bff.telemetry.failure import Failure
from bff.trace import TraceContext, parse

LEAST_WEIGHT = 800
"""Bytes of an entry without service calls: the tuples, their numbers, and texts of their usual length."""
CALL_WEIGHT = 450
"""Bytes of a service call, without its path."""
TRY_WEIGHT = 200
"""Bytes of one attempt."""

Values = tuple[Any, ...]
Kept = tuple[int, int, float, "Failure | None", "Bodies | None", str, Values]
"""How an entry is kept: the first six fields of :class:`Entry`, and the invocation's own values."""


class Entry(NamedTuple):
    """One invocation, as whoever reads gets it. Times are clock seconds, as in
    :class:`bff.sdk.invocation.Invocation`, whose words these are from ``request_id`` on.

    ``number`` counts invocations in the order in which they ended; ``weight`` is about how many bytes this takes;
    ``slow`` is from how many seconds on a call is that; ``caller`` is a digest.
    """

    number: int
    weight: int
    slow: float
    failure: Failure | None
    bodies: Bodies | None
    caller: str
    request_id: str
    method: str
    route: str
    function: str
    revision: str
    status: int
    client: str
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
    known_trace: TraceContext | None
    traceparent: bytes | None

    @classmethod
    def of(cls, kept: Kept) -> Entry:
        """What was kept, with its names."""
        return cls._make((*kept[:6], *kept[6]))

    @property
    def seconds(self) -> float:
        """From the complete head to the sent answer."""
        return self.ended - self.started

    @property
    def is_slow(self) -> bool:
        """Whether it took as long as nothing should."""
        return self.ended - self.started >= self.slow

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
        known = self.known_trace or (parse(self.traceparent) if self.traceparent else None)
        return None if known is None else known.trace_id


_OWN = Entry._fields.index("request_id")
values_of = attrgetter(*Entry._fields[_OWN:])
"""The invocation's own values, in the order of Entry's fields; in C, since it is asked for with every call."""

REQUEST_ID, STATUS, STARTED, ENDED, CALLS, MISSING = (
    Entry._fields.index(name) - _OWN
    for name in ("request_id", "status", "started", "ended", "calls", "missing")
)
"""Places among these values."""


def taken(
    invocation: Invocation,
    number: int,
    slow: float,
    failure: Failure | None,
    bodies: Bodies | None = None,
    caller: str = "",
) -> Kept:
    """What is kept of one that has ended; ``slow`` is from how many seconds on it is."""
    values: Values = values_of(invocation)
    weight = LEAST_WEIGHT
    if values[CALLS] or failure or bodies:
        weight = weight_of(values[CALLS], failure, bodies)
    return (number, weight, slow, failure, bodies, caller, values)


def weight_of(calls: list[CallRecord] | None, failure: Failure | None, bodies: Bodies | None) -> int:
    """About how many bytes it takes."""
    weight = LEAST_WEIGHT + sum(each.weight for each in (failure, bodies) if each is not None)
    for call in calls or ():
        weight += CALL_WEIGHT + len(call.path)
        if call.tries is not None:
            weight += TRY_WEIGHT * len(call.tries)
    return weight
