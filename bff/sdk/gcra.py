"""The generic cell rate algorithm: a leaky bucket in one number (ITU-T I.371, as ATM switches use it). Pure.

Of each bucket only one instant is kept: when it would be full again if nobody called any more. Each call moves
it on by one interval; a call that would move it further than the bucket holds is refused, and moves nothing.
"""

from __future__ import annotations

from math import floor

from bff.frozen import frozen

ROUNDING = 1e-6
"""Seconds that sums of intervals may be off: Unix times are 2e-7 s apart as doubles."""


@frozen
class Rate:
    """``interval`` seconds between calls in the long run, and ``burst`` calls at once after a rest."""

    interval: float
    burst: int

    @property
    def depth(self) -> float:
        """Seconds in which an empty bucket fills up."""
        return self.interval * self.burst


@frozen
class Verdict:
    """What became of one call. ``full_at`` is what the bucket keeps, ``remaining`` the calls that could follow at
    once, ``again_in`` the seconds until one may (0: now), ``full_in`` until all may.
    """

    is_allowed: bool
    full_at: float
    remaining: int
    again_in: float
    full_in: float


def take(full_at: float, now: float, rate: Rate) -> Verdict:
    """Take one call out of a bucket that is full again at ``full_at``; both are instants of one clock."""
    begins = max(full_at, now)
    wait = opens_in(begins, now, rate)
    if wait > ROUNDING:
        return Verdict(is_allowed=False, full_at=begins, remaining=0, again_in=wait, full_in=begins - now)
    after = begins + rate.interval
    remaining = room(after, now, rate)
    again_in = 0.0 if remaining else opens_in(after, now, rate)
    return Verdict(
        is_allowed=True, full_at=after, remaining=remaining, again_in=again_in, full_in=after - now
    )


def room(full_at: float, now: float, rate: Rate) -> int:
    """How many calls may be taken out at once."""
    return max(0, floor((rate.depth - max(0.0, full_at - now) + ROUNDING) / rate.interval))


def opens_in(full_at: float, now: float, rate: Rate) -> float:
    """Seconds until one call may be taken out; 0 where it may be now."""
    return max(0.0, full_at - now + rate.interval - rate.depth)
