"""Calls of a process instance whose callers are gone: each should end soon. One that does not costs the process
its life, once nobody else is inside, or at once where nobody else could finish either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from bff.clock import Clock, Timer
from bff.runtime.isolation.exchange import Exchange, Question, Reply
from bff.runtime.isolation.limits import ProcessLimits

DOUBT = 0.1
"""Seconds to read an answer that is there already, should it have been our own loop that stood still."""


class Leavers:
    """``settled`` is called when one has ended, ``overstayed`` when one has not in time, ``lifeless`` when the
    process's event loop stands still after a call's deadline: its threads may go on, but nothing they do is heard.

    Mutable state: ``_timers`` by call, ``_stuck`` (those that should have ended), ``_verdict`` (a pulse is felt).
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        clock: Clock,
        limits: ProcessLimits,
        settled: Callable[[], object],
        overstayed: Callable[[], object],
        lifeless: Callable[[], object],
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._limits = limits
        self._settled = settled
        self._overstayed = overstayed
        self._lifeless = lifeless
        self._timers: dict[int, Timer] = {}
        self._stuck: set[int] = set()
        self._verdict: Timer | None = None

    def __len__(self) -> int:
        """Those that go on: their places are not free."""
        return len(self._timers)

    @property
    def are_stuck(self) -> bool:
        """Whether one of them should have ended."""
        return bool(self._stuck)

    def let_go(self, call: Question, *, is_late: bool) -> None:
        """Its caller is gone, with a 504 if it ``is_late``."""
        at = self._clock.now() + self._limits.kill_after
        self._timers[call.number] = self._clock.call_at(at, self._overstay, call.number)
        call.drop(partial(self._left, call.number))
        if is_late and self._verdict is None and call.number in self._timers:
            self._feel_pulse()

    def _left(self, call: int) -> None:
        self._stuck.discard(call)
        timer = self._timers.pop(call, None)
        if timer is not None:
            timer.cancel()
            self._settled()

    def _overstay(self, call: int) -> None:
        self._stuck.add(call)
        self._overstayed()

    def _feel_pulse(self) -> None:
        pulse = self._exchange.question("pulse", {})
        self._verdict = self._clock.call_at(self._clock.now() + self._limits.pulse_within, self._doubt)
        pulse.reply.add_done_callback(self._felt)

    def _felt(self, _pulse: asyncio.Future[Reply]) -> None:
        if self._verdict is not None:
            self._verdict.cancel()
            self._verdict = None

    def _doubt(self) -> None:
        self._verdict = self._clock.call_at(self._clock.now() + DOUBT, self._lifeless)

    def close(self) -> None:
        """The process has ended, and they with it."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._verdict is not None:
            self._verdict.cancel()
