"""Threads for what must not run on the event loop: module bodies and synchronous handlers.

Daemonic on purpose: a thread that never returns cannot be killed, and must not hold up shutdown.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from bff.errors import Overloaded

T = TypeVar("T")
_Job = tuple[contextvars.Context, asyncio.Future[Any], Callable[[], Any], Callable[[Any], object] | None]

_DROPPED: Any = object()
LONGEST_QUEUE = 10_000
"""Jobs that may wait for a thread, those whose callers have left among them: with all threads hung, none of
them would ever be taken."""
MAX_STUCK = 8
"""Threads that may hang at a time before no further one takes their place."""


class Threads:
    """At most ``size`` daemon threads, started when work waits and nobody is free; used from one loop.

    Mutable state: ``_busy``, ``_started``, ``_stuck``, ``_is_closed``, ``_generation`` (set on the loop
    only), and the queue.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._started = 0
        self._busy = 0
        self._is_closed = False
        self._generation = 0
        self._stuck = 0

    async def run(self, call: Callable[[], T], *, unheard: Callable[[T], object] | None = None) -> T:
        """The result of ``call()``, made in a thread with this task's context variables.

        Cancelling the waiter drops the job if it has not begun; one that has begun runs on, and its result
        is handed to ``unheard``, on the loop.

        Raises:
            RuntimeError: the threads are closed.
            BaseException: what the call raised.

        """
        done = self.submit(call, unheard=unheard)
        try:
            return await done
        except asyncio.CancelledError:
            # Cancelled in the very turn in which the result came: await has lost it, the future has not.
            if unheard is not None and done.done() and not done.cancelled() and done.exception() is None:
                unheard(done.result())
            raise

    def submit(
        self, call: Callable[[], T], *, unheard: Callable[[T], object] | None = None
    ) -> asyncio.Future[T]:
        """The same, for who does not wait."""
        if self._is_closed:
            raise RuntimeError(f"{self!r} are closed")
        if self._busy - self._started >= LONGEST_QUEUE:
            raise Overloaded(self._name, LONGEST_QUEUE)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        if self._busy >= self._started and self._started < self._size:
            self._started += 1
            self._start(loop)
        self._busy += 1
        self._jobs.put((contextvars.copy_context(), done, call, unheard))
        return done

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        name = f"{self._name}-{self._started}" + (f".{self._generation}" if self._generation else "")
        threading.Thread(target=self._work, args=(loop, self._generation), name=name, daemon=True).start()

    def replace(self) -> bool:
        """Stop counting on the threads there are: none can be killed, but fresh ones take over what waits.

        The old ones end with what they do, whenever that is. False when too many hang already: then what
        waits has to wait for one of them.
        """
        if self._stuck + self._started > MAX_STUCK:
            return False
        self._stuck += self._started
        self._generation += 1
        for _ in range(self._started):
            self._start(asyncio.get_running_loop())
        return True

    def close(self) -> None:
        """Let the threads end once they are done with what they do and what waits."""
        if not self._is_closed:
            self._is_closed = True
            for _ in range(self._started):
                self._jobs.put(None)

    def _work(self, loop: asyncio.AbstractEventLoop, generation: int) -> None:
        while generation == self._generation and (job := self._jobs.get()) is not None:
            if generation != self._generation:  # replaced while idle: this is for the fresh ones
                self._jobs.put(job)
                return
            context, done, call, unheard = job
            del job
            try:
                result, error = (_DROPPED if done.cancelled() else context.run(call)), None
            except BaseException as raised:
                result, error = None, raised
            try:
                loop.call_soon_threadsafe(self._deliver, done, unheard, result, error, generation)
            except RuntimeError:  # the loop closed while we worked: nobody waits any more
                return
            del context, done, call, unheard, result, error  # hold no frame of user code while idle

    def _deliver(
        self,
        done: asyncio.Future[Any],
        unheard: Callable[[Any], object] | None,
        result: Any,
        error: BaseException | None,
        generation: int,
    ) -> None:
        self._busy -= 1
        if generation != self._generation:
            self._stuck -= 1  # it came back after all
        if done.done():
            if unheard is not None and error is None and result is not _DROPPED:
                unheard(result)
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
        return f"<Threads {self._name}: {self._busy} busy of {self._started}, at most {self._size}>"
