"""What is kept of an invocation once it has ended: a few flat values, for it is taken with every call."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from bff.errors import Fault
from bff.sdk.callrecord import CallRecord
from bff.sdk.invocation import Invocation
from bff.telemetry.bodies import Bodies
from bff.telemetry.failure import Failure
from bff.telemetry.labelsets import LabelSet
from bff.trace import TraceContext, parse

LEAST_WEIGHT = 800
"""Bytes of an entry without service calls: the tuples, their numbers, and texts of their usual length."""
PLAIN_WEIGHT = 650
"""Bytes of a plain one: its tuple, its numbers, its id, its address and its trace."""
CALL_WEIGHT = 450
"""Bytes of a service call, without its path."""
TRY_WEIGHT = 200
"""Bytes of one attempt."""

Values = tuple[Any, ...]
Whole = tuple[int, int, float, "Failure | None", "Bodies | None", str, Values]
"""How an entry is kept: the first six fields of :class:`Entry`, and the invocation's own values."""


class Plain(NamedTuple):
    """How a request is kept of which there is nothing to tell but when it was: most are, and a full entry has twice
    as many values. The words are Entry's; ``labels`` is what it shares with others.
    """

    number: int
    weight: int
    slow: float
    labels: LabelSet
    request_id: str
    client: str
    started: float
    began: float
    returned: float
    handler_seconds: float
    ended: float
    known_trace: TraceContext | None
    traceparent: bytes | None


Kept = Whole | Plain


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
        if not isinstance(kept, Plain):
            return cls._make((*kept[:6], *kept[6]))
        labels = kept.labels
        told = {name: getattr(labels, name) for name in ("method", "route", "function", "revision", "status")}
        told |= {name: value for name, value in kept._asdict().items() if name != "labels"}
        return cls(**_NOTHING, **told)

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


_NOTHING: Mapping[str, Any] = MappingProxyType(
    {
        **dict.fromkeys(("failure", "bodies", "phases", "calls", "missing")),
        "caller": "",
        "lane": "",
        "queued": 0.0,
        "warmed": 0.0,
        "calls_dropped": 0,
    }
)
"""What a plain one has nothing of."""
_OWN = Entry._fields.index("request_id")
values_of = attrgetter(*Entry._fields[_OWN:])
"""The invocation's own values, in the order of Entry's fields; in C, since it is asked for with many a call."""
STATUS, STARTED, ENDED, CALLS, MISSING = (
    Entry._fields.index(name) - _OWN for name in ("status", "started", "ended", "calls", "missing")
)
"""Places among these values."""


def plain(of: Invocation, number: int, slow: float, labels: LabelSet) -> Plain:
    """What is kept of one of which there is nothing more to tell."""
    # fmt: off
    values = (
        number, PLAIN_WEIGHT, slow, labels, of.request_id, of.client,
        of.started, of.began, of.returned, of.handler_seconds, of.ended, of.known_trace, of.traceparent,
    )
    # fmt: on
    return tuple.__new__(Plain, values)  # as Plain(…) does, but for a frame of its own


def request_id_of(kept: Kept) -> str:
    """Its request's id, without its other fields."""
    return kept.request_id if isinstance(kept, Plain) else str(kept[6][0])


def taken(
    invocation: Invocation,
    number: int,
    slow: float,
    failure: Failure | None,
    bodies: Bodies | None = None,
    caller: str = "",
) -> Whole:
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
