"""A coroutine run beside others: as a task would run it, but begun at once and without the loop's help.

:func:`bff.sdk.aggregate.gather` runs service calls so: their requests are written one after the other before
anybody waits, and each goes on when its own answer is there. A task would cost a turn of the loop to begin
with. Inside, :func:`asyncio.current_task` is this part, so that timeouts and cancellation mean it alone.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class RunningPart(Generic[T]):
    """What :class:`asyncio.Task` is to its awaiter, as far as gather, ``asyncio.timeout`` and
    :class:`bff.clock.Expiry` need it (docs.python.org, "Extending asyncio": a third-party task).

    Mutable state: what it waits for (``_fut_waiter``, Task's own name), cancellations asked for (``_cancels``)
    and not yet delivered (``_must_cancel``), what is to be ``_thrown`` next, and in the end ``_result`` or ``error``.
    """

    __slots__ = (
        "__weakref__",
        "_cancels",
        "_context",
        "_coroutine",
        "_ended",
        "_fut_waiter",
        "_is_done",
        "_loop",
        "_must_cancel",
        "_result",
        "_thrown",
        "error",
    )

    _result: T

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, T],
        ended: Callable[[RunningPart[T]], object],
        loop: asyncio.AbstractEventLoop,
        context: Context | None = None,
    ) -> None:
        """``ended`` is told once; ``context`` is its own from now on, a copy of the present one unless given."""
        self._coroutine = coroutine
        self._ended = ended
        self._loop = loop
        self._context = context or copy_context()
        self._fut_waiter: Any = None
        self.error: BaseException | None = None
        self._thrown: BaseException | None = None
        self._cancels = 0
        self._is_done = self._must_cancel = False

    def start(self, starter: Any) -> None:
        """Take the first step now. ``starter`` is the task that runs at present, None in a callback of the loop."""
        if starter is None:
            self._context.run(self._step)
            return
        _leave_task(self._loop, starter)
        try:
            self._context.run(self._step)
        finally:
            _enter_task(self._loop, starter)

    def done(self) -> bool:
        """Whether it has returned, raised or been cancelled."""
        return self._is_done

    def cancelled(self) -> bool:
        """Whether it ended by a cancellation."""
        return self._is_done and isinstance(self.error, asyncio.CancelledError)

    def exception(self) -> BaseException | None:
        """What it raised."""
        return self.error

    def result(self) -> T:
        """What it returned.

        Raises:
            BaseException: what it raised.

        """
        if self.error is not None:
            raise self.error
        return self._result

    def get_coro(self) -> Coroutine[Any, Any, T]:
        """Its coroutine, for who looks at stacks."""
        return self._coroutine

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop it runs on."""
        return self._loop

    def cancel(self, msg: Any = None) -> bool:
        """Have CancelledError raised where it waits; False when it has ended."""
        if self._is_done:
            return False
        self._cancels += 1
        if self._fut_waiter is None or not self._fut_waiter.cancel(msg):
            self._must_cancel = True
        return True

    def cancelling(self) -> int:
        """How many cancellations were asked for and not taken back."""
        return self._cancels

    def uncancel(self) -> int:
        """Take one back; how many are left."""
        self._cancels = max(0, self._cancels - 1)
        return self._cancels

    def _step(self, _waited_for: Any = None) -> None:
        thrown, self._thrown, self._fut_waiter = self._thrown, None, None
        if self._must_cancel:
            self._must_cancel, thrown = False, asyncio.CancelledError()
        _enter_task(self._loop, self)  # type: ignore[arg-type]
        try:
            coroutine = self._coroutine
            waited_for = coroutine.send(None) if thrown is None else coroutine.throw(thrown)
        except StopIteration as returned:
            self._result = returned.value
            self._end(None)
        except (KeyboardInterrupt, SystemExit) as error:
            self._end(error)
            raise
        except BaseException as error:
            self._end(error)
        else:
            # The mark of a future that is awaited; one of another loop would wake us from another thread.
            is_future = getattr(waited_for, "_asyncio_future_blocking", None)
            if is_future and waited_for.get_loop() is self._loop:
                waited_for._asyncio_future_blocking = False  # noqa: SLF001
                waited_for.add_done_callback(self._step, context=self._context)
                self._fut_waiter = waited_for
                if self._must_cancel and waited_for.cancel():
                    self._must_cancel = False
            else:
                self._wait_a_turn(waited_for)
        finally:
            _leave_task(self._loop, self)  # type: ignore[arg-type]
            del thrown

    def _wait_a_turn(self, future: Any) -> None:
        if future is not None:  # None is asyncio.sleep(0)'s
            is_future = getattr(future, "_asyncio_future_blocking", None)
            what = "a future of another loop" if is_future else "something that is no future"
            self._thrown = RuntimeError(f"a part waits for {what}: {future!r}")
        self._loop.call_soon(self._step, context=self._context)

    def _end(self, error: BaseException | None) -> None:
        self.error = error
        self._is_done = True
        self._ended(self)

    def __repr__(self) -> str:
        return f"<RunningPart {'done' if self._is_done else 'running'}: {self._coroutine!r}>"
