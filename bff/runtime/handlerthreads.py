"""A function's own threads, for its synchronous handler: one that goes on although nobody waits for it any
more is counted and replaced, up to a bound; past that, calls are refused rather than left to wait.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable
from typing import Any

from bff.clock import Clock
from bff.errors import FunctionStuck
from bff.revisions.revision import Revision
from bff.runtime.threads import Job, Threads
from bff.signals import ThreadsStuck

GRACE = 1.0
"""Seconds a handler may go on after its caller has been told 504, or has left, before its thread counts as
stuck."""


class Stuck:
    """Threads that hang, over all instances of a function: none can be killed, and its next instance finds
    them there. Mutable state: ``_counts`` by function and revision.
    """

    def __init__(self, tell: Callable[[ThreadsStuck], object] = lambda _: None) -> None:
        self._tell = tell
        self._counts: Counter[tuple[str, str]] = Counter()

    def of(self, function: str) -> int:
        """How many of one function's."""
        return sum(count for (name, _), count in self._counts.items() if name == function)

    def changed(self, revision: Revision, by: int) -> None:
        """One more hangs, or one came back after all."""
        key = (revision.function, revision.name)
        self._counts[key] += by
        self._tell(ThreadsStuck(function=revision.function, revision=revision.name, count=self._counts[key]))
        if not self._counts[key]:
            del self._counts[key]


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

    def _put(self, call: Callable[[], Any], unheard: Callable[[Any], object] | None) -> Job:
        if not self.can_serve and not self._is_closed:
            raise self._refusal()
        return super()._put(call, unheard)

    def _left(self, job: Job) -> None:
        if job in self._running:
            self._clock.call_at(self._clock.now() + GRACE, self._give_up, job)

    def _counted(self, by: int) -> None:
        self._ledger.changed(self._revision, by)

    def _give_up(self, job: Job) -> bool:
        is_stuck = super()._give_up(job)
        if is_stuck and not self.can_serve:
            self._refuse_who_waits()
        return is_stuck

    def _refuse_who_waits(self) -> None:
        """Nobody will come for them."""
        try:
            while (job := self._jobs.get_nowait()) is not None:
                self._busy -= 1
                if not job.done.done():
                    job.done.set_exception(self._refusal())
        except queue.Empty:
            pass

    def _refusal(self) -> FunctionStuck:
        return FunctionStuck(self._name, self.hanging)
