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
from asyncio import get_running_loop
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol


class Timer(Protocol):
    """What :meth:`Clock.call_at` gives back."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has happened already."""


class Ringing:
    """What rings at an instant, unless it is taken out of its ``company`` before: those that ring together, itself
    among them until then; a clock sets it.
    """

    __slots__ = ("company",)

    company: dict[Ringing, None]

    def ring(self) -> None:
        """Its time has come."""
        raise NotImplementedError


class Alarm(Ringing):
    """One that can be told to be quiet."""

    __slots__ = ()

    def cancel(self) -> None:
        """See :class:`Timer`."""
        self.company.pop(self, None)


class Calling(Alarm):
    """An alarm that calls back."""

    __slots__ = ("_args", "_callback")

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._callback = callback
        self._args = args

    def ring(self) -> None:
        self._callback(*self._args)

    def __repr__(self) -> str:
        return f"<call of {self._callback!r}>"


class Clock(Protocol):
    """A source of time, and of waking up later."""

    def now(self) -> float:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Unix time in seconds, for headers and logs only."""

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call back on the running loop once ``now()`` has reached ``when``."""

    def set(self, alarm: Ringing, when: float) -> None:
        """Have it ring on the running loop once ``now()`` has reached ``when``."""

    async def sleep(self, seconds: float) -> None:
        """Return when that many seconds have passed on this clock."""


class SystemClock:
    """The real time, through the running event loop. Mutable state: ``_timers``, those of the loop that asked last."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def __init__(self) -> None:
        self._timers: _Timers | None = None

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        alarm = Calling(callback, args)
        self.set(alarm, when)
        return alarm

    def set(self, alarm: Ringing, when: float) -> None:
        timers, loop = self._timers, get_running_loop()
        if timers is None or timers.loop is not loop:
            timers = self._timers = _Timers(loop)
        tick = int(when * TICKS)
        company = timers.by_tick.get(tick)
        if company is None:
            company = timers.begin(tick)
        company[alarm] = None
        alarm.company = company

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


TICKS = 1000
"""Of a second: uvloop's timers count in whole milliseconds, too, so that all of one can ring together."""

_FEW = 100
"""Ticks without an alarm that are left where they are."""


class _Timers:
    """All timers of one loop, which itself has one: nearly every deadline is cancelled long before it comes, and
    thousands of timers of the loop's own cost a page a tenth of its time.

    A wheel, as the timers of Linux, Netty and Envoy are: setting one and cancelling it is a matter of one dictionary,
    however many there are. Mutable state: ``by_tick``, the ``_ticks`` in a heap, ``_many`` of them after which the
    empty ones are thrown out, ``_handle`` of the loop's timer and ``_armed``, when that rings.
    """

    __slots__ = ("_armed", "_handle", "_many", "_ticks", "by_tick", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.by_tick: dict[int, dict[Ringing, None]] = {}
        self._ticks: list[int] = []
        self._many = _FEW
        self._armed: float = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def begin(self, tick: int) -> dict[Ringing, None]:
        """The company of a tick that has none yet."""
        if len(self.by_tick) >= self._many:
            self._throw_out_empty_ones()
        company = self.by_tick[tick] = {}
        heapq.heappush(self._ticks, tick)
        if tick < self._armed:
            self._arm(tick)
        return company

    def _throw_out_empty_ones(self) -> None:
        self.by_tick = {tick: company for tick, company in self.by_tick.items() if company}
        self._ticks = sorted(self.by_tick)  # which is a heap
        self._many = 2 * len(self.by_tick) + _FEW

    def _arm(self, tick: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        # call_later and not call_at: uvloop's own time stands still within one turn of the loop. In a context of
        # nobody's: what it calls is not for whoever happened to arm it.
        wait = max(0.0, tick / TICKS - time.monotonic())
        self._handle = self.loop.call_later(wait, self._ring, context=contextvars.Context())
        self._armed = tick

    def _ring(self) -> None:
        self._handle, self._armed = None, math.inf
        # Half a tick too early is in time: the loop rounds. What is set meanwhile waits for another turn of the loop:
        # others want theirs too.
        last = int(time.monotonic() * TICKS + 0.5)
        due = []
        while self._ticks and (self._ticks[0] <= last or not self.by_tick[self._ticks[0]]):
            due.append(self.by_tick.pop(heapq.heappop(self._ticks)))
        for company in due:
            for alarm in list(company):
                if alarm in company:  # else one before has cancelled it
                    del company[alarm]
                    self._ring_one(alarm)
        if self._ticks and self._ticks[0] < self._armed:
            self._arm(self._ticks[0])

    def _ring_one(self, alarm: Ringing) -> None:
        try:
            alarm.ring()
        except Exception as error:
            told = {"message": f"a timer failed: {alarm!r}", "exception": error}
            self.loop.call_exception_handler(told)

    def __repr__(self) -> str:
        alarms = sum(map(len, self.by_tick.values()))
        return f"<_Timers: {alarms} to come, in {len(self.by_tick)} ticks>"


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


class Expiry(Alarm):
    """``with Expiry(clock, at): …`` raises TimeoutError when the clock reaches ``at`` inside the block.

    It is :class:`asyncio.Timeout` on our own clock, with the same rules: a cancellation from elsewhere is
    never swallowed, and of nested expiries that fired in the same turn the outermost raises TimeoutError.
    Mutable state: ``_expired``, ``_task``, ``_before``, and an alarm's.
    """

    __slots__ = ("_at", "_before", "_clock", "_expired", "_task")

    def __init__(self, clock: Clock, at: float) -> None:
        self._clock = clock
        self._at = at
        self._expired = False

    def __enter__(self) -> Expiry:
        task = asyncio.current_task(get_running_loop())
        assert task is not None, "an expiry needs a task to cancel"
        self._task = task
        self._before = task.cancelling()
        self._clock.set(self, self._at)
        return self

    @property
    def has_expired(self) -> bool:
        """Whether the clock has reached the instant inside the block."""
        return self._expired

    def move(self, at: float) -> None:
        """Expire at another instant than first said; too late once it has expired."""
        if self._expired:
            return
        self.cancel()
        self._clock.set(self, at)

    def ring(self) -> None:
        """See :class:`Alarm`."""
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.company.pop(self, None)
        if not self._expired:
            return
        # As asyncio.Timeout: ours is taken back; if more cancellations are pending, theirs wins.
        if self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
