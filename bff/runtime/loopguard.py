"""Names whoever blocks the event loop, from a thread that watches: function, revision and the very line.

The loop marks the time every ``BEAT`` seconds. When the mark gets old the thread looks, ``LOOK`` seconds
apart, at who runs; one and the same task over ``threshold`` seconds is told of at once, although the loop
stands still. After ``give_up`` seconds the process is ended: an infinite loop can be stopped in no other way.

Whether somebody is to blame is decided by the pure :func:`judged`: neither many short steps in a row, nor a
machine that slept or had no CPU to give, nor a developer at a debugger's prompt is a blocked loop. C code
that never lets go of the interpreter's lock stops this thread too: it is told of only once it has ended.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType
from typing import Any

from bff.clock import Clock, Timer, cpu_of_this_thread
from bff.frozen import frozen
from bff.revisions.loader import Loader
from bff.sdk.invocation import Invocation
from bff.signals import Culprit, LoopBlocked, LoopLost, LoopReturned, LoopTurned, Signals

BEAT = 0.1
"""Seconds between two marks of the loop."""
LOOK = 0.1
"""Seconds between two looks of the thread."""
THRESHOLD = 0.5
"""Seconds from which a loop counts as blocked."""
LAST_WORDS = 1.0
"""Seconds the last words may take: whoever reads the log may be stuck, too."""

_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd", "debugpy")


@frozen
class Look:
    """What the thread sees at one moment: when the loop last marked the time, who runs there (a task, say;
    None for nobody who could be blamed), and the CPU seconds the loop's thread has used so far.
    """

    at: float
    mark: float
    cpu: float
    holder: object | None


@frozen
class Suspicion:
    """Since the mark, ``holder`` has been seen running for so many seconds that can be held against it."""

    last: Look
    seconds: float = 0.0
    is_told: bool = False

    @property
    def holder(self) -> object | None:
        """Who is suspected."""
        return self.last.holder

    def in_all(self, next_mark: float) -> float:
        """The seconds, with those between the last look and the mark that ended it."""
        rest = next_mark - self.last.at
        return self.seconds + (rest if 0.0 < rest <= 2 * LOOK else 0.0)


def judged(before: Suspicion, look: Look) -> Suspicion:
    """What to think after one more look."""
    if look.holder is None:
        return Suspicion(last=look)
    passed = look.at - before.last.at
    excused = 0.0
    if passed > 2 * LOOK:
        # We came late. Either the whole machine stood still, and the loop could not have moved, or the loop's
        # thread kept the interpreter to itself: then it used the CPU.
        excused = max(0.0, passed - (look.cpu - before.last.cpu))
    if before.holder is None or look.mark > before.last.mark:
        # It began before the next mark was due, or after the last look that saw nobody.
        overdue = min(look.at - look.mark - BEAT, passed + BEAT)
        return Suspicion(last=look, seconds=max(0.0, overdue - excused))
    if look.holder is not before.holder:
        return Suspicion(last=look)  # the loop moves from one to the next: busy, not blocked
    return replace(before, last=look, seconds=before.seconds + passed - excused)


class LoopGuard:
    """``with LoopGuard(…):`` on the loop to be watched. ``give_up`` is asked at every look, and ``end`` is
    called in the thread after the last words; it should not return.

    Mutable state: ``_mark`` and ``_timer`` (the loop's), ``_suspicion`` and ``_culprit`` (the thread's).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        loader: Loader,
        signals: Signals,
        give_up: Callable[[], float],
        end: Callable[[LoopLost], object],
        threshold: float = THRESHOLD,
    ) -> None:
        self._clock = clock
        self._loader = loader
        self._signals = signals
        self._give_up = give_up
        self._end = end
        self._threshold = threshold
        self._stopped = threading.Event()
        self._timer: Timer | None = None
        self._culprit = Culprit()

    def __enter__(self) -> LoopGuard:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._cpu = cpu_of_this_thread()
        self._mark = self._clock.now() - BEAT
        self._beat()
        self._suspicion = Suspicion(last=self._seen(None))
        threading.Thread(target=self._watch, name="bff-watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        before, self._mark = self._mark, self._clock.now()
        self._signals.emit(LoopTurned(late=max(0.0, self._mark - before - BEAT)))
        self._timer = self._clock.call_at(self._mark + BEAT, self._beat)

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK):
            self._look()

    def _look(self) -> None:
        """One look, and what follows from it."""
        is_late = self._clock.now() - self._mark > 2 * BEAT
        stack = list(self._stack()) if is_late else []
        before, self._suspicion = self._suspicion, judged(self._suspicion, self._seen(self._holder(stack)))
        now = self._suspicion
        if before.is_told and not now.is_told:
            seconds = before.in_all(now.last.mark)
            self._signals.emit(LoopReturned(culprit=self._culprit, seconds=seconds))
        if now.seconds >= self._threshold and not now.is_told:
            self._suspicion = now = replace(now, is_told=True)
            self._culprit = self._accused(stack)
            self._signals.emit(LoopBlocked(culprit=self._culprit, seconds=now.seconds))
        if now.is_told and now.seconds >= self._give_up():
            self._lose(LoopLost(culprit=self._accused(stack), seconds=now.seconds))

    def _lose(self, lost: LoopLost) -> None:
        self._stopped.set()
        words = threading.Thread(target=self._signals.emit, args=(lost,), daemon=True)
        words.start()
        words.join(LAST_WORDS)
        self._end(lost)

    def _seen(self, holder: object | None) -> Look:
        return Look(at=self._clock.now(), mark=self._mark, cpu=self._cpu(), holder=holder)

    def _stack(self) -> Iterator[FrameType]:
        """The frames of the loop's thread, innermost first."""
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - documented, for watchdogs like this
        while frame is not None:
            yield frame
            frame = frame.f_back

    def _holder(self, stack: list[FrameType]) -> object | None:
        """The task that runs, or the function's frame outside of any task."""
        if any(_module_of(frame).startswith(_DEBUGGERS) for frame in stack):
            return None
        task = asyncio.current_task(self._loop) if stack else None
        return task or next((frame for frame in stack if self._place_of(frame)), None)

    def _accused(self, stack: list[FrameType]) -> Culprit:
        """Function, revision, line and call of what runs now, as far as they can be told."""
        invocation = next(filter(None, map(_invocation_of, stack)), None)
        found = Culprit(
            function=invocation.function if invocation is not None else "",
            revision=invocation.revision if invocation is not None else "",
            route=invocation.route if invocation is not None else "",
            request_id=invocation.request_id if invocation is not None else "",
            line=f"{stack[0].f_code.co_filename}:{stack[0].f_lineno}" if stack else "",
        )
        for frame in stack:
            package, place = self._loader.package_of(_module_of(frame)), self._place_of(frame)
            if package is not None and place is not None:
                revision = package.revision
                line = f"{place}:{frame.f_lineno}"
                return replace(found, function=revision.function, revision=revision.name, line=line)
        return found

    def _place_of(self, frame: FrameType) -> str | None:
        """``functions/home.py`` for a frame of a function's own code."""
        return self._loader.place_of(_module_of(frame), frame.f_code.co_filename)


def _module_of(frame: FrameType) -> str:
    name: Any = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


def _invocation_of(frame: FrameType) -> Invocation | None:
    """The call a frame of ours works for. Only frames that have such a variable are looked into."""
    if "invocation" not in frame.f_code.co_varnames:
        return None
    value = frame.f_locals.get("invocation")
    return value if isinstance(value, Invocation) else None
