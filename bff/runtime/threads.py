"""Threads for what must not run on the event loop: module bodies and synchronous handlers.

Daemonic on purpose: a thread that never returns cannot be killed, and must not hold up shutdown. It can be
given up, though: then it counts no more among those that serve, and a fresh one may take its place.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bff.errors import Overloaded

T = TypeVar("T")

_DROPPED: Any = object()
_EMPTY = contextvars.Context()
LONGEST_QUEUE = 10_000
"""Jobs that may wait for a thread, those whose callers have left among them: with all threads hung, none of
them would ever be taken."""
MAX_STUCK = 8
"""Threads that may hang at a time before no further one takes their place."""


class NoThreadLeft(Exception):
    """Every thread hangs, and no more take their place."""


def _nothing() -> None:
    """In the place of a call that was made."""


@dataclass(slots=True, eq=False)
class Job:
    """One call to make, ``of`` something it is done for. Mutable state: ``is_stuck``, set once, on the loop,
    while a thread runs it; once that has ended it holds nothing of the caller's any more.
    """

    call: Callable[[], Any]
    done: asyncio.Future[Any]
    unheard: Callable[[Any], object] | None
    of: object = None
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    is_stuck: bool = False

    def made(self) -> tuple[Any, BaseException | None]:
        """What the call returned or raised, made here and now."""
        try:
            return (_DROPPED if self.done.cancelled() else self.context.run(self.call)), None
        except BaseException as raised:
            return None, raised
        finally:
            self.call, self.context = _nothing, _EMPTY


class Threads:
    """At most ``size`` daemon threads that serve, started when work waits and nobody is free; used from one
    loop.

    Mutable state, the loop's: ``_busy`` (jobs that neither ended nor were given up), ``_is_closed``, ``_made``.
    Under ``_lock``: ``_running``, ``_serving`` (threads that take jobs), ``_stuck`` (threads whose job was
    given up). And the queue.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: set[Job] = set()
        self._serving = 0
        self._stuck = 0
        self._made = 0
        self._busy = 0
        self._is_closed = False

    async def run(
        self, call: Callable[[], T], *, unheard: Callable[[T], object] | None = None, of: object = None
    ) -> T:
        """The result of ``call()``, made in a thread with this task's context variables.

        Cancelling the waiter drops the job if it has not begun; one that has begun runs on, and its result
        is handed to ``unheard``, on the loop.

        Raises:
            RuntimeError: the threads are closed.
            Overloaded: too many jobs wait.
            NoThreadLeft: all threads hang.
            BaseException: what the call raised.

        """
        job = self._put(call, unheard, of)
        done: asyncio.Future[T] = job.done
        try:
            return await done
        except asyncio.CancelledError:
            # Cancelled in the very turn in which the result came: await has lost it, the future has not.
            if unheard is not None and done.done() and not done.cancelled() and done.exception() is None:
                unheard(done.result())
            self._left(job)
            raise

    def submit(
        self, call: Callable[[], T], *, unheard: Callable[[T], object] | None = None
    ) -> asyncio.Future[T]:
        """The same, for who does not wait."""
        return self._put(call, unheard).done

    def _put(
        self, call: Callable[[], Any], unheard: Callable[[Any], object] | None, of: object = None
    ) -> Job:
        if self._is_closed:
            raise RuntimeError(f"{self!r} are closed")
        if not self.can_serve:
            raise self._refusal()
        if self._busy - self._serving >= LONGEST_QUEUE:
            raise Overloaded(self._name, LONGEST_QUEUE)
        job = Job(call, asyncio.get_running_loop().create_future(), unheard, of)
        self._busy += 1
        self._jobs.put(job)
        self._grow()
        return job

    def _left(self, job: Job) -> None:
        """Whoever waited for it waits no more."""

    def _grow(self) -> None:
        """One thread more, if work waits, nobody is free, and there may be one more."""
        with self._lock:
            if self._busy <= self._serving or not self._may_grow():
                return
            self._serving += 1
        self._made += 1
        work, name = self._work, f"{self._name}-{self._made}"
        loop = asyncio.get_running_loop()
        threading.Thread(target=work, args=(loop,), name=name, daemon=True).start()

    def _may_grow(self) -> bool:
        return self._serving < self._size and self._serving + self.hanging < self._size + MAX_STUCK

    @property
    def hanging(self) -> int:
        """Threads that count against ``MAX_STUCK``."""
        return self._stuck

    @property
    def can_serve(self) -> bool:
        """Whether there is a thread for a further job, now or after those before it."""
        return self._serving > 0 or self._may_grow()

    def _give_up(self, job: Job) -> bool:
        """Wait no more for the job's thread: it cannot be killed, but a fresh one takes over what waits. False
        when it does not run.
        """
        with self._lock:
            if job.is_stuck or job not in self._running:
                return False
            job.is_stuck = True
            self._serving -= 1
            self._stuck += 1
        self._busy -= 1
        self._counted(job, 1)
        self._grow()
        if not self.can_serve:
            self._refuse_who_waits()
        return True

    def _counted(self, job: Job, by: int) -> None:
        """One more hangs, or one came back after all."""

    def _refuse_who_waits(self) -> None:
        """Nobody will come for them."""
        try:
            while (job := self._jobs.get_nowait()) is not None:
                self._busy -= 1
                if not job.done.done():
                    job.done.set_exception(self._refusal())
        except queue.Empty:
            pass

    def _refusal(self) -> Exception:
        """What those are told for whom there is no thread."""
        return NoThreadLeft(f"{self!r} all hang")

    def close(self) -> None:
        """Let the threads end once they are done with what they do and what waits."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            serving = self._serving
        for _ in range(serving):
            self._jobs.put(None)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                self._running.add(job)
            result, error = job.made()
            goes_on = self._goes_on_after(job)
            try:
                loop.call_soon_threadsafe(self._deliver, job, result, error)
            except RuntimeError:  # the loop closed while we worked: nobody waits any more
                return
            del job, result, error  # hold no frame of user code while idle
            if not goes_on:
                return

    def _goes_on_after(self, job: Job) -> bool:
        """Whether the thread takes the next job: one that was given up has perhaps been replaced."""
        with self._lock:
            self._running.discard(job)
            if not job.is_stuck:
                return True
            self._stuck -= 1
            goes_on = not self._is_closed and self._serving < self._size
            self._serving += goes_on
            return goes_on

    def _deliver(self, job: Job, result: Any, error: BaseException | None) -> None:
        if job.is_stuck:
            self._counted(job, -1)
        else:
            self._busy -= 1
        done = job.done
        if done.done():
            if job.unheard is not None and error is None and result is not _DROPPED:
                job.unheard(result)
        elif error is None:
            done.set_result(result)
        elif isinstance(error, StopIteration):
            # It cannot travel through a future (PEP 479); generators are told apart before this.
            failure = RuntimeError("StopIteration was raised")
            failure.__cause__ = error
            done.set_exception(failure)
        else:
            done.set_exception(error)

    def __repr__(self) -> str:
        stuck = f", {self._stuck} stuck" if self._stuck else ""
        return f"<Threads {self._name}: {self._busy} busy of {self._serving}{stuck}, at most {self._size}>"
