"""What is remembered of a cohort's calls: how they ended, by whose fault, and how long they took. Pure.

Sums only: counts of several gateways, and of several seconds, add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from math import ceil, exp, log
from types import MappingProxyType
from typing import Any

from bff.errors import CallerLeft, Fault
from bff.frozen import frozen
from bff.sdk.invocation import Invocation

FASTEST = 1e-5
"""Seconds; all that is faster is in the first bucket of a histogram."""
GROWTH = 1.05
"""Each bucket of a histogram ends 5 % later than the one before it."""
_LOG = log(GROWTH)
_LAST = ceil(log(1e4 / FASTEST) / _LOG)


def bucket_of(seconds: float) -> int:
    """The bucket of a duration."""
    return 0 if seconds <= FASTEST else min(int(log(seconds / FASTEST) / _LOG), _LAST)


def seconds_of(bucket: int) -> float:
    """The middle of a bucket."""
    return FASTEST * exp((bucket + 0.5) * _LOG)


@frozen
class Outcomes:
    """``own`` failures are the function's, ``services`` a service's (an answer with a part missing too),
    ``refused`` the caller's; ``took`` counts the handler's time of good answers by bucket.
    """

    calls: int = 0
    own: int = 0
    services: int = 0
    refused: int = 0
    took: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    def __add__(self, other: Outcomes) -> Outcomes:
        took = dict(self.took)
        for bucket, count in other.took.items():
            took[bucket] = took.get(bucket, 0) + count
        return Outcomes(
            calls=self.calls + other.calls,
            own=self.own + other.own,
            services=self.services + other.services,
            refused=self.refused + other.refused,
            took=took,
        )

    @property
    def median(self) -> float | None:
        """Seconds that half of the good answers took less than; None without one."""
        left = sum(self.took.values()) / 2
        for bucket in sorted(self.took):
            left -= self.took[bucket]
            if left <= 0:
                return seconds_of(bucket)
        return None

    def as_json(self) -> dict[str, Any]:
        """For a store; :func:`from_json` reads it."""
        return {
            "calls": self.calls,
            "own": self.own,
            "services": self.services,
            "refused": self.refused,
            "took": {str(bucket): count for bucket, count in self.took.items()},
        }


NOTHING = Outcomes()
GOOD = Outcomes(calls=1)
OWN = Outcomes(calls=1, own=1)
SERVICES = Outcomes(calls=1, services=1)
REFUSED = Outcomes(calls=1, refused=1)


def from_json(raw: Mapping[str, Any]) -> Outcomes:
    """What :meth:`Outcomes.as_json` wrote."""
    took = {int(bucket): int(count) for bucket, count in raw["took"].items()}
    return Outcomes(
        calls=raw["calls"], own=raw["own"], services=raw["services"], refused=raw["refused"], took=took
    )


def outcome_of(invocation: Invocation) -> Outcomes:
    """One call's; nothing where it says nothing about the function: the caller left, or the failure was ours."""
    fault = invocation.fault
    if fault is Fault.GATEWAY or isinstance(invocation.error, CallerLeft):
        return NOTHING
    if fault is Fault.FUNCTION or (fault is None and invocation.status >= 500):
        return OWN
    if fault is Fault.SERVICE or invocation.missing:
        return SERVICES
    if fault is Fault.CALLER:
        return REFUSED
    return Outcomes(calls=1, took={bucket_of(invocation.handler_seconds): 1})
