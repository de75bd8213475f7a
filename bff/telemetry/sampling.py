"""Of which calls spans are sent, decided once they have ended. Nothing here imports OpenTelemetry.

What was sampled at its beginning is sent, and so is what failed or was slow, whatever was decided then. All of that is
bounded by a number of calls per second, and by what may wait for a collector that is late.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import random

from bff.errors import Fault
from bff.frozen import frozen
from bff.sdk.invocation import Invocation
from bff.signals import Signals
from bff.telemetry.entry import Entry, taken
from bff.telemetry.failure import Witness
from bff.trace import RAW_FIELDS, TraceContext

MOST_WAITING = 1000
"""Calls that wait to be sent; further ones are not sent, and counted."""


@frozen
class Policy:
    """``share`` of what nobody has decided about, ``errors`` and what took ``slow`` seconds; ``most`` per second."""

    share: float
    errors: bool
    slow: float
    most: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """A call whose spans are sent: what is remembered of it, its trace, and the span that it is there.
    ``is_delivery`` tells an event's from a request.
    """

    entry: Entry
    context: TraceContext
    span_id: str
    is_delivery: bool


class Sampling:
    """Mutable state: ``policy``; ``waiting``, which a thread takes from; ``dropped``, how many found no room there; and
    how many were chosen (``_count``) in the second that began at ``_since``.
    """

    def __init__(self, policy: Policy, witness: Witness) -> None:
        self.policy = policy
        self.waiting: deque[Chosen] = deque()
        self.dropped = 0
        self._witness = witness
        self._since = self._count = 0.0

    def listen(self, signals: Signals) -> None:
        """Hear how invocations end."""
        signals.listen(Invocation, self.ended)

    def ended(self, invocation: Invocation) -> None:
        """Take it, if its spans are wanted."""
        policy = self.policy
        wants = (
            invocation.ended - invocation.started >= policy.slow
            or (policy.errors and _failed(invocation))
            or self._is_sampled(invocation)
        )
        if wants and self._has_room(invocation.ended):
            entry = Entry.of(taken(invocation, 0, policy.slow, self._witness.failure_of(invocation)))
            delivers = invocation.outbox is not None
            self.waiting.append(Chosen(entry, invocation.trace, invocation.span_id, delivers))

    def _is_sampled(self, invocation: Invocation) -> bool:
        """As was decided when somebody asked for its trace. Where nobody did, neither ids nor a decision have gone
        anywhere: it is made now, and nearly all of the calls need no ids at all.
        """
        context = invocation.known_trace
        if context is None:
            if not _tells_of_a_trace(invocation):
                if random() >= self.policy.share:
                    return False
                invocation.known_trace = invocation.origin.sampled()
                return True
            context = invocation.trace
        return context.is_sampled

    def _has_room(self, now: float) -> bool:
        if now - self._since >= 1.0:
            self._since, self._count = now, 0
        if self._count >= self.policy.most or len(self.waiting) >= MOST_WAITING:
            self.dropped += 1
            return False
        self._count += 1
        return True


def _failed(invocation: Invocation) -> bool:
    error = invocation.error
    if error is None:
        return invocation.status >= 500
    return invocation.fault is not Fault.CALLER


def _tells_of_a_trace(invocation: Invocation) -> bool:
    if invocation.traceparent is not None:
        return True
    incoming = invocation.incoming
    if incoming is None or not invocation.may_tell_of_a_trace:
        return False
    return any(name in RAW_FIELDS for name, _ in incoming.scope["headers"])
