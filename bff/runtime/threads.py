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

T = TypeVar("T")
_Job = tuple[contextvars.Context, asyncio.Future[Any], Callable[[], Any]]


class Threads:
    """At most ``size`` daemon threads, started when work waits and nobody is free; used from one loop.

    Mutable state: ``_idle``, ``_started`` (touched on the loop only), and the queue.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._started = 0
        self._busy = 0

    async def run(self, call: Callable[[], T]) -> T:
        """The result of ``call()``, made in a thread with this task's context variables.

        Cancelling the waiter drops the job if it has not begun; one that has begun runs on unheard.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._busy += 1
        if self._busy > self._started and self._started < self._size:
            self._started += 1
            threading.Thread(
                target=self._work, args=(loop,), name=f"{self._name}-{self._started}", daemon=True
            ).start()
        self._jobs.put((contextvars.copy_context(), done, call))
        return await done

    def close(self) -> None:
        """Let the threads end once they are done with what they do."""
        for _ in range(self._started):
            self._jobs.put(None)
        self._started = 0

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (job := self._jobs.get()) is not None:
            context, done, call = job
            del job
            try:
                result, error = (None if done.cancelled() else context.run(call)), None
            except BaseException as raised:
                result, error = None, raised
            try:
                loop.call_soon_threadsafe(self._deliver, done, result, error)
            except RuntimeError:  # the loop closed while we worked: nobody waits any more
                return
            del context, done, call, result, error  # hold no frame of user code while idle

    def _deliver(self, done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._busy -= 1
        if done.done():
            return
        if error is None:
            done.set_result(result)
            return
        # A StopIteration cannot travel through a future (PEP 479); generators are told apart before this.
        done.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)

    def __repr__(self) -> str:
        return f"<Threads {self._name}: {self._busy} busy of {self._started}, at most {self._size}>"
