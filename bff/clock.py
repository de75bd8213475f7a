"""The only file that tells the time or sleeps.

Everything above takes a :class:`Clock`, so that a test can hand in one that it moves by hand
(:class:`bff.testing.ManualClock`). Seconds everywhere; ``now`` is monotonic, ``wall`` is Unix time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol


class Timer(Protocol):
    """What :meth:`Clock.call_at` gives back."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has happened already."""


class Clock(Protocol):
    """A source of time, and of waking up later."""

    def now(self) -> float:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Unix time in seconds, for headers and logs only."""

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call back on the running loop once ``now()`` has reached ``when``."""

    async def sleep(self, seconds: float) -> None:
        """Return when that many seconds have passed on this clock."""


class SystemClock:
    """The real time, through the running event loop."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        # call_later and not call_at: uvloop's own time stands still within one turn of the loop.
        return asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), callback, *args)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def cpu_of_this_thread() -> Callable[[], float]:
    """Tells, in whichever thread it is asked, the seconds of CPU that the present thread has used. Always 0
    where the system does not tell (macOS).
    """
    clock_id = getattr(time, "pthread_getcpuclockid", None)
    if clock_id is None:
        return lambda: 0.0
    own = clock_id(threading.get_ident())
    return lambda: time.clock_gettime(own)


FAN_OUT = 0.85
"""The share of an invocation's time that its service calls may use, so that the page can still be shaped
(KrakenD's rule for the timeouts of its backends)."""


class Deadline:
    """An instant by which an invocation must have answered, and how long it was given in the first place;
    ``of_calls`` is the one by which its service calls must have ended.
    """

    __slots__ = ("allowed", "at", "of_calls")

    def __init__(self, at: float, allowed: float) -> None:
        self.at = at
        self.allowed = allowed
        self.of_calls = at - (1.0 - FAN_OUT) * allowed

    def __repr__(self) -> str:
        return f"<Deadline at {self.at:.3f}, {self.allowed:g} s allowed>"


class Expiry:
    """``with Expiry(clock, at): …`` raises TimeoutError when the clock reaches ``at`` inside the block.

    It is :class:`asyncio.Timeout` on our own clock, with the same rules: a cancellation from elsewhere is
    never swallowed, and of nested expiries that fired in the same turn the outermost raises TimeoutError.
    Mutable state: ``_expired``, ``_timer``, ``_task``, ``_before``.
    """

    __slots__ = ("_at", "_before", "_clock", "_expired", "_task", "_timer")

    def __init__(self, clock: Clock, at: float) -> None:
        self._clock = clock
        self._at = at
        self._expired = False

    def __enter__(self) -> Expiry:
        task = asyncio.current_task()
        assert task is not None, "an expiry needs a task to cancel"
        self._task = task
        self._before = task.cancelling()
        self._timer = self._clock.call_at(self._at, self._expire)
        return self

    def move(self, at: float) -> None:
        """Expire at another instant than first said; too late once it has expired."""
        if self._expired:
            return
        self._timer.cancel()
        self._timer = self._clock.call_at(at, self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if not self._expired:
            return
        # As asyncio.Timeout: ours is taken back; if more cancellations are pending, theirs wins.
        if self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
