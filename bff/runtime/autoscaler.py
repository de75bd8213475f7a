"""How many instances a function should have: Knative's KPA as a pure function of what was seen.

The algorithm and its words are Knative serving's autoscaler (docs: "Autoscaling", code: pkg/autoscaler):
a stable window says what is needed on average, a panic window a tenth as long reacts to bursts, and while
in panic mode the number never falls. Nothing here measures, waits or starts anything.
"""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum

from bff.frozen import frozen

MAX_SCALE_UP_RATE = 1000.0
"""At most this many times the ready instances at once (Knative ``max-scale-up-rate``)."""
MAX_SCALE_DOWN_RATE = 2.0
"""At most this fraction fewer at once (Knative ``max-scale-down-rate``)."""


class Metric(StrEnum):
    """What is averaged: calls inside at a time, or calls a second."""

    CONCURRENCY = "concurrency"
    RPS = "rps"


@frozen
class Policy:
    """A function's ``scale`` section with Knative's defaults. Seconds; percentages as such.

    ``target`` is per instance, before ``utilization``; ``idle`` is how long without a call before the last
    instance goes.
    """

    min: int = 0
    max: int = 0
    initial: int = 1
    metric: Metric = Metric.CONCURRENCY
    target: float = 100.0
    utilization: float = 70.0
    window: float = 60.0
    idle: float = 60.0
    panic_window_percentage: float = 10.0
    panic_threshold_percentage: float = 200.0
    scale_down_delay: float = 0.0
    activation: int = 1

    @property
    def per_instance(self) -> float:
        """What one instance shall carry on average (Knative: target times target-utilization)."""
        return max(self.target * self.utilization / 100.0, 0.01)

    @property
    def panic_window(self) -> float:
        """Seconds of the short window; Knative allows no less than one sample."""
        return max(self.window * self.panic_window_percentage / 100.0, 1.0)

    def first(self, *, is_new: bool) -> int:
        """How many a cold revision begins with: a new one with ``initial``, one that slept with ``activation``."""
        wanted = max(1, self.initial if is_new else self.activation, self.min)
        return min(wanted, self.max) if self.max else wanted


DEFAULT = Policy()
"""Knative's own."""


@frozen
class Seen:
    """What was measured up to now. ``stable`` and ``panic`` are totals over all instances, averaged over
    the two windows; ``last_call`` is when a call last entered or left, None if none ever did.
    """

    ready: int
    stable: float
    panic: float
    in_flight: int
    last_call: float | None


@frozen
class Memory:
    """What one decision leaves for the next."""

    panic_since: float | None = None
    panic_peak: int = 0
    wanted: tuple[tuple[float, int], ...] = ()


@frozen
class Decision:
    """How many instances to have now, and what to remember."""

    instances: int
    is_panicking: bool
    memory: Memory


def decide(seen: Seen, policy: Policy, now: float, memory: Memory) -> Decision:
    """The number of instances for this moment."""
    stable, panic = _wanted(seen.stable, seen.ready, policy), _wanted(seen.panic, seen.ready, policy)
    memory = _panic(seen, policy, now, memory)
    chosen = stable
    if memory.panic_since is not None:
        # In panic mode the number only grows; the stable window may even ask for more than the short one.
        chosen = max(memory.panic_peak, panic, stable, seen.ready)
        memory = replace(memory, panic_peak=chosen)
    chosen = _rested(chosen, seen, policy, now)
    chosen, memory = _delayed(chosen, policy, now, memory)
    return Decision(
        instances=_bounded(chosen, policy), is_panicking=memory.panic_since is not None, memory=memory
    )


def _wanted(load: float, ready: int, policy: Policy) -> int:
    """Instances for a load, within the rates at which the number may change; as long as there is any load, no
    fewer than ``activation``.
    """
    wanted = math.ceil(load / policy.per_instance)
    most = math.ceil(MAX_SCALE_UP_RATE * max(ready, 1))
    least = math.floor(ready / MAX_SCALE_DOWN_RATE)
    bounded = min(max(wanted, least), most)
    return max(bounded, policy.activation) if wanted > 0 else bounded


def _panic(seen: Seen, policy: Policy, now: float, memory: Memory) -> Memory:
    """Enter panic mode over the threshold; leave it a whole stable window after it was last crossed."""
    wanted, ready = math.ceil(seen.panic / policy.per_instance), max(seen.ready, 1)
    if wanted / ready >= policy.panic_threshold_percentage / 100.0:
        return replace(memory, panic_since=now)
    if memory.panic_since is not None and now - memory.panic_since >= policy.window:
        return replace(memory, panic_since=None, panic_peak=0)
    return memory


def _rested(chosen: int, seen: Seen, policy: Policy, now: float) -> int:
    """The last instance stays while anybody is inside, and for ``idle`` seconds after the last call. Then it
    goes, whatever the windows still remember: all of them by halves, as the rate allows.
    """
    if seen.in_flight == 0 and (seen.last_call is None or now - seen.last_call >= policy.idle):
        return min(chosen, math.floor(seen.ready / MAX_SCALE_DOWN_RATE))
    return max(chosen, 1) if seen.ready else chosen


def _delayed(chosen: int, policy: Policy, now: float, memory: Memory) -> tuple[int, Memory]:
    """The most that was wanted within ``scale_down_delay``: fewer only when fewer were wanted all along."""
    if policy.scale_down_delay <= 0:
        return chosen, memory
    since = now - policy.scale_down_delay
    wanted = (*(each for each in memory.wanted if each[0] >= since), (now, chosen))
    return max(number for _, number in wanted), replace(memory, wanted=wanted)


def _bounded(chosen: int, policy: Policy) -> int:
    chosen = max(chosen, policy.min)
    return min(chosen, policy.max) if policy.max else chosen
