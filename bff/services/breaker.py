"""The breaker of one endpoint: a table of states, and what trips it. It never waits and never sends anything.

Envoy's outlier detection per host (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier):
so many failures in a row eject an endpoint, each time for longer. What Envoy has not is the half-open state:
an endpoint that comes back is shown one call at a time until one is answered. How many endpoints of a service
may be out at once is :mod:`bff.services.outlier`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Closed lets calls through, open none, half-open one at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Event(StrEnum):
    """What moves a breaker."""

    TRIPPED = "tripped"
    WAITED = "waited"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


NEXT: Mapping[State, Mapping[Event, State]] = {
    State.CLOSED: {Event.TRIPPED: State.OPEN},
    # An open one is called only when too few others are left (panic): an answer then is as good as a probe's.
    State.OPEN: {Event.WAITED: State.HALF_OPEN, Event.SUCCEEDED: State.CLOSED},
    State.HALF_OPEN: {Event.SUCCEEDED: State.CLOSED, Event.FAILED: State.OPEN},
}
"""What is not in the table changes nothing."""


def after(state: State, event: Event) -> State:
    """The state an event leads to."""
    return NEXT[state].get(event, state)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """A service's ``outlier_detection``, with Envoy's names and defaults. Seconds; rates from 0 to 1.

    The last four are options that are off until a rate is given: of at least ``min_calls`` within ``interval``,
    ``failure_rate`` failed or ``slow_call_rate`` took longer than ``slow_call`` (resilience4j's words).
    """

    consecutive: int = 5
    interval: float = 10.0
    base_ejection: float = 30.0
    max_ejection: float = 300.0
    failure_rate: float = 0.0
    slow_call_rate: float = 0.0
    slow_call: float = 1.0
    min_calls: int = 50

    @property
    def counts_rates(self) -> bool:
        """Whether successes have to be counted too."""
        return self.failure_rate > 0 or self.slow_call_rate > 0

    def ejection(self, times: int) -> float:
        """Seconds of the ``times``-th ejection in a row, counted from 1."""
        return min(self.base_ejection * times, self.max_ejection)


class Breaker:
    """One endpoint's. ``now`` is handed in, in seconds.

    A call remembers the ``epoch`` it was let in under and hands it back with its outcome: what was sent before
    the breaker last moved says nothing about what holds now.

    Mutable state: ``state``, ``epoch``, ``until`` (the end of an ejection), ``times`` (ejections in a row),
    ``probing``, ``_row`` (failures in a row), ``_since`` (closed since), and the counts of this interval.
    """

    __slots__ = (
        "_calls",
        "_counting_since",
        "_failures",
        "_policy",
        "_row",
        "_since",
        "_slow",
        "epoch",
        "is_spotless",
        "probing",
        "state",
        "times",
        "until",
    )

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self.state = State.CLOSED
        self.epoch = 0
        self.until = 0.0
        self.times = 0
        self.probing = False
        self._row = 0
        self._since = 0.0
        self._calls = self._failures = self._slow = 0
        self._counting_since = 0.0
        self.is_spotless = not policy.counts_rates
        """Whether a success changes nothing, so that the way of a good call need not tell of it."""

    def obey(self, policy: BreakerPolicy) -> None:
        """Another policy from now on: it stands alone, or no longer. What was counted stays."""
        self._policy = policy

    def is_due(self, now: float) -> bool:
        """Whether an ejection has ended and the next call may be the probe."""
        return self.state is State.OPEN and now >= self.until

    def admits(self, now: float) -> bool:
        """Whether a call may go to this endpoint; does not take the place of one."""
        if self.state is State.CLOSED:
            return True
        return self.is_due(now) or (self.state is State.HALF_OPEN and not self.probing)

    def enter(self, now: float) -> int:
        """Let one call in, which :meth:`admits` or panic allowed. The epoch to hand back with its outcome."""
        if self.state is State.CLOSED:
            return self.epoch
        if self.is_due(now):
            self._move(Event.WAITED, now)
        if self.state is State.HALF_OPEN:
            self.probing = True
        return self.epoch

    def leave(self, epoch: int) -> None:
        """The call ended without telling anything about the endpoint: it was cancelled."""
        if epoch == self.epoch:
            self.probing = False

    def succeeded(self, epoch: int, seconds: float, now: float) -> None:
        """The endpoint gave an answer."""
        if epoch != self.epoch:
            return
        self._row = 0
        if self.state is not State.CLOSED:
            self._move(Event.SUCCEEDED, now)
        elif self._policy.counts_rates:
            self._count(False, seconds, now)
        self.is_spotless = not self._policy.counts_rates

    def failed(self, epoch: int, seconds: float, now: float) -> bool:
        """The endpoint did not answer as it should; True when it should be ejected: see :meth:`eject`."""
        if epoch != self.epoch:
            return False
        self.is_spotless = False
        if self.state is State.HALF_OPEN:
            self._open(Event.FAILED, now)
            return False
        self._row += 1
        if self._policy.counts_rates:
            self._count(True, seconds, now)
        return self.state is State.CLOSED and self._has_reason

    @property
    def in_a_row(self) -> int:
        """Failures since the last success, while it is closed."""
        return self._row

    @property
    def wants_out(self) -> bool:
        """Whether a closed one has reason to open, by its last outcomes."""
        return self.state is State.CLOSED and self._has_reason

    def eject(self, now: float) -> None:
        """Open it, for longer each time in a row. Each interval it was closed takes one time back, as in Envoy."""
        self.times = max(0, self.times - int((now - self._since) / self._policy.interval))
        self._open(Event.TRIPPED, now)

    def _open(self, event: Event, now: float) -> None:
        self.times += 1
        self.until = now + self._policy.ejection(self.times)
        self._move(event, now)

    def _move(self, event: Event, now: float) -> None:
        self.state = after(self.state, event)
        self.epoch += 1
        self.probing = False
        self.is_spotless = False
        self._row = self._calls = self._failures = self._slow = 0
        self._counting_since = now
        if self.state is State.CLOSED:
            self._since = now

    def _count(self, failed: bool, seconds: float, now: float) -> None:
        if now - self._counting_since >= self._policy.interval:
            self._calls = self._failures = self._slow = 0
            self._counting_since = now
        self._calls += 1
        self._failures += failed
        self._slow += seconds > self._policy.slow_call

    @property
    def _has_reason(self) -> bool:
        policy = self._policy
        if policy.consecutive and self._row >= policy.consecutive:
            return True
        if not policy.counts_rates or self._calls < policy.min_calls:
            return False
        return bool(
            (policy.failure_rate and self._failures >= policy.failure_rate * self._calls)
            or (policy.slow_call_rate and self._slow >= policy.slow_call_rate * self._calls)
        )

    def __repr__(self) -> str:
        return f"<Breaker {self.state}: {self._row} failures in a row, ejected {self.times} times>"
