"""How long a function that could not be warmed is left alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 0.1
"""Seconds after the second failure in a row; it doubles from there. The first is tried again at once."""
LONGEST = 10.0
"""Seconds; Kubernetes begins its own back-off for crashing containers with as many."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Failures in a row, and until when nobody shall try."""

    failures: int = 0
    until: float = 0.0

    def forbids(self, now: float) -> bool:
        """Whether it is too early to try again."""
        return now < self.until

    def after_failure(self, now: float) -> Backoff:
        """One failure more."""
        failures = self.failures + 1
        wait = 0.0 if failures == 1 else min(FIRST * 2.0 ** (failures - 2), LONGEST)
        return Backoff(failures, now + wait)
