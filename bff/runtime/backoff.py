"""How long a revision that could not be warmed is left alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bff.clock import Clock
from bff.errors import FunctionNotLoaded

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


class Setbacks:
    """Failures of a function's revisions, by name. Mutable state: ``_backoffs`` and ``_failures``."""

    __slots__ = ("_backoffs", "_clock", "_failures")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._backoffs: dict[str, Backoff] = {}
        self._failures: dict[str, FunctionNotLoaded] = {}

    def hear(self, revision: str, *, is_failure: bool) -> None:
        """A warm-up ended."""
        if is_failure:
            before = self._backoffs.get(revision, Backoff())
            self._backoffs[revision] = before.after_failure(self._clock.now())
        else:
            self._backoffs.pop(revision, None)
            self._failures.pop(revision, None)

    def failed(self, revision: str, failure: FunctionNotLoaded) -> None:
        """Why, for those who come while it is left alone."""
        self._failures[revision] = failure

    def why(self, revision: str) -> FunctionNotLoaded | None:
        """How its last warm-up failed, if it did."""
        return self._failures.get(revision)

    def refuse_while_backing_off(self, revision: str) -> None:
        """A revision that cannot be warmed is not tried again for every call.

        Raises:
            FunctionNotLoaded: it failed, and it is too early to try again.

        """
        backoff, failure = self._backoffs.get(revision), self._failures.get(revision)
        if backoff is not None and failure is not None and backoff.forbids(self._clock.now()):
            raise failure

    def keep(self, revisions: Collection[str]) -> None:
        """Forget all others."""
        for known in (self._backoffs, self._failures):
            for name in known.keys() - set(revisions):
                known.pop(name)
