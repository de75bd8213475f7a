"""The only file that tells the time or sleeps.

Everything above takes a :class:`Clock`, so that a test can hand in one that it moves by hand
(:class:`bff.testing.ManualClock`). Seconds everywhere; ``now`` is monotonic, ``wall`` is Unix time.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import math
import threading
import time
from collections.abc import Callable
from itertools import count
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
    """The real time, through the running event loop. Mutable state: ``_timers``, those of the loop that asked last."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def __init__(self) -> None:
        self._timers: _Timers | None = None

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        timers, loop = self._timers, asyncio.get_running_loop()
        if timers is None or timers.loop is not loop:
            timers = self._timers = _Timers(loop)
        return timers.add(when, callback, args)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


_EARLY = 0.001
"""Seconds that a loop's timer may be early: uvloop's count in whole milliseconds."""

_FEW = 100
"""Cancelled timers that are left where they are, as asyncio leaves them."""


class _Alarm(list[Any]):
    """When, a number that keeps equal ones in order, what to call (None once it is cancelled) and with what. A list,
    because heapq compares lists in C.
    """

    __slots__ = ("timers",)
    timers: _Timers

    def cancel(self) -> None:
        """See :class:`Timer`."""
        if self[2] is not None:
            self[2] = self[3] = None
            self.timers.one_is_dead()


class _Timers:
    """All timers of one loop, which itself has one: nearly every deadline is cancelled long before it comes, and
    thousands of timers of the loop's own cost a page a tenth of its time.

    Mutable state: ``_heap``, ``_dead`` (how many in it are cancelled), ``_handle`` of the loop's timer and ``_armed``,
    when that rings.
    """

    __slots__ = ("_armed", "_dead", "_handle", "_heap", "_order", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._heap: list[_Alarm] = []
        self._order = count()
        self._dead = 0
        self._armed = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def add(self, when: float, callback: Callable[..., Any], args: tuple[Any, ...]) -> _Alarm:
        alarm = _Alarm((when, next(self._order), callback, args))
        alarm.timers = self
        heapq.heappush(self._heap, alarm)
        if when < self._armed:
            self._arm(when)
        return alarm

    def _arm(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        # call_later and not call_at: uvloop's own time stands still within one turn of the loop. In a context of
        # nobody's: what it calls is not for whoever happened to arm it.
        wait = max(0.0, when - time.monotonic())
        self._handle = self.loop.call_later(wait, self._ring, context=contextvars.Context())
        self._armed = when

    def _ring(self) -> None:
        self._handle, self._armed = None, math.inf
        due, before = time.monotonic() + _EARLY, next(self._order)
        # What is set meanwhile waits for another turn of the loop: others want theirs too.
        while self._heap and self._heap[0][0] <= due and self._heap[0][1] < before:
            alarm = heapq.heappop(self._heap)
            _, _, callback, args = alarm
            if callback is None:
                self._dead -= 1
            else:
                alarm[2] = None  # rung: there is nothing to cancel any more
                self._call(callback, args)
        if self._heap and self._heap[0][0] < self._armed:
            self._arm(self._heap[0][0])

    def _call(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            callback(*args)
        except Exception as error:
            told = {"message": f"a timer failed: {callback!r}", "exception": error}
            self.loop.call_exception_handler(told)

    def one_is_dead(self) -> None:
        """Count it; those that were cancelled are thrown out once they are the most."""
        self._dead += 1
        if self._dead > _FEW and 2 * self._dead > len(self._heap):
            self._heap = [alarm for alarm in self._heap if alarm[2] is not None]
            heapq.heapify(self._heap)
            self._dead = 0

    def __repr__(self) -> str:
        return f"<_Timers: {len(self._heap) - self._dead} to come, {self._dead} cancelled>"


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

    @property
    def has_expired(self) -> bool:
        """Whether the clock has reached the instant inside the block."""
        return self._expired

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
