"""A function's own threads, for its synchronous handler: one that goes on although nobody waits for it any
more is counted and replaced, up to a bound; past that, calls are refused rather than left to wait.
"""

from __future__ import annotations

from bff.clock import Clock
from bff.errors import FunctionStuck
from bff.revisions.revision import Revision
from bff.runtime.stuck import Stuck
from bff.runtime.threads import Job, Threads

GRACE = 1.0
"""Seconds a handler may go on after its caller has been told 504, or has left, before its thread counts as
stuck."""


class HandlerThreads(Threads):
    """Threads of one instance."""

    def __init__(self, revision: Revision, size: int, *, clock: Clock, stuck: Stuck) -> None:
        super().__init__(revision.function, size)
        self._revision = revision
        self._clock = clock
        self._ledger = stuck

    @property
    def hanging(self) -> int:
        return self._ledger.of(self._name)

    def _left(self, job: Job) -> None:
        if job in self._running:
            self._clock.call_at(self._clock.now() + GRACE, self._give_up, job)

    def _counted(self, _job: Job, by: int) -> None:
        self._ledger.changed(self._revision, by)

    def _refusal(self) -> FunctionStuck:
        return FunctionStuck(self._name, self.hanging)
