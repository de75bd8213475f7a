"""How many deliveries a trigger may have now, by GCRA: pure. ``at`` is the one number that is kept of a trigger, the time
at which it would have had all of its deliveries so far if they had come evenly (ADR 55 has the algorithm's source).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_SLACK = 1e-6
"""Of an interval: what floating point may have lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One delivery ``every`` so many seconds, and after a rest ``burst`` of them at once."""

    every: float
    burst: int


def room(rate: Rate, at: float, now: float) -> int:
    """How many may be taken now."""
    return max(0, math.floor(rate.burst - max(0.0, at - now) / rate.every + _SLACK))


def after(rate: Rate, at: float, now: float, count: int) -> float:
    """What is kept when so many have been taken."""
    return max(at, now) + count * rate.every


def opens_in(rate: Rate, at: float, now: float) -> float:
    """Seconds until one more may be taken; 0 where it may be now."""
    return max(0.0, at - now - (rate.burst - 1) * rate.every)
