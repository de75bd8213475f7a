"""What the watchdog sees of the event loop, and who is to blame."""

from __future__ import annotations

from dataclasses import replace

from bff.frozen import frozen
from bff.signals.hub import Signal


@frozen
class Culprit:
    """Who holds the event loop, as far as can be told: ``line`` is ``functions/home.py:12``, or a place in
    our own or a package's code when no user's line runs; ``function`` is empty then, unless a call is known.
    """

    function: str = ""
    revision: str = ""
    line: str = ""
    route: str = ""
    request_id: str = ""

    @property
    def remedy(self) -> str:
        """What its author can do; nothing where no function is known."""
        if not self.function:
            return ""
        return (
            f"set `isolation: process` for {self.function} in routes.yaml, or make it a plain `def handle`, "
            "which runs in a thread"
        )


@frozen
class LoopBlocked(Signal):
    """Somebody does not give the event loop back. Emitted by the watchdog's thread, while it lasts."""

    culprit: Culprit
    seconds: float


@frozen
class LoopReturned(Signal):
    """The loop that was blocked turns again, after so many seconds. Emitted by the watchdog's thread."""

    culprit: Culprit
    seconds: float


@frozen
class Blockages:
    """How often a function blocked the event loop, the longest time in seconds, and the line of that one."""

    count: int = 0
    longest: float = 0.0
    line: str = ""

    def after(self, said: LoopBlocked | LoopReturned) -> Blockages:
        """The same with one told of more, or with the end of it."""
        count = self.count + isinstance(said, LoopBlocked)
        if said.seconds < self.longest:
            return replace(self, count=count)
        return Blockages(count=count, longest=said.seconds, line=said.culprit.line)


@frozen
class LoopLost(Signal):
    """The loop did not come back within ``gateway.watchdog``. Emitted by the watchdog's thread; the process
    ends, or in dev begins anew.
    """

    culprit: Culprit
    seconds: float


@frozen
class LoopTurned(Signal):
    """The event loop did what was due, so many seconds late. Emitted ten times a second, on the loop."""

    late: float
