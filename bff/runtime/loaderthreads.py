"""Where module bodies run: one thread, and a second one for as long as that is held up.

A body that does not end cannot be killed. Once nobody waits for it any more it is given up: a fresh thread
takes over what stands behind it, and it counts as hanging for its revision until it comes back.
"""

from __future__ import annotations

from bff.clock import Clock, Timer
from bff.revisions.revision import Revision
from bff.runtime.stuck import Stuck
from bff.runtime.threads import Job, Threads

HELP_AFTER = 0.05
"""Seconds work may stand behind a body before a second thread helps. Not at once: two imports side by side
keep the event loop waiting for the interpreter's lock twice as long, and most end sooner than this."""


class LoaderThreads(Threads):
    """What a job is done ``of`` is the revision that is loaded. Mutable state, the loop's: ``_help``, the
    timer after which help comes, and that of :class:`Threads`.
    """

    def __init__(self, name: str, *, clock: Clock, stuck: Stuck) -> None:
        super().__init__(name, 2)
        self._clock = clock
        self._ledger = stuck
        self._help: Timer | None = None

    def _grow(self) -> None:
        if not self._serving:
            super()._grow()
        elif self._busy > self._serving and self._help is None:
            self._help = self._clock.call_at(self._clock.now() + HELP_AFTER, self._send_help)

    def _send_help(self) -> None:
        self._help = None
        super()._grow()

    def _goes_on_after(self, job: Job) -> bool:
        """The first thread stays; of two, the one that is done last leaves."""
        if not super()._goes_on_after(job):
            return False
        with self._lock:
            leaves = self._serving > 1 and not self._running and self._jobs.empty()
            self._serving -= leaves
            return not leaves

    def _left(self, job: Job) -> None:
        self._give_up(job)

    def _counted(self, job: Job, by: int) -> None:
        if isinstance(job.of, Revision):
            self._ledger.load_hangs(job.of, by)

    def close(self) -> None:
        if self._help is not None:
            self._help.cancel()
        super().close()
