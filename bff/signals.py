"""What happened, as values, and the hub that carries them sideways.

Rooms emit; telemetry and the console listen. Nobody who emits knows who listens, and a listener that
fails never fails the one who emitted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bff.measured import WarmUp


class Signal:
    """The root of everything that can be emitted."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionReady(Signal):
    """A revision was loaded and now gets the function's traffic."""

    function: str
    revision: str
    digest: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailed(Signal):
    """A save or a first call brought code that cannot serve; ``serving`` is the revision that goes on."""

    function: str
    report: str
    serving: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmedUp(Signal):
    """An instance became warm."""

    warm_up: WarmUp

    @property
    def function(self) -> str:
        """Whose instance."""
        return self.warm_up.function

    @property
    def revision(self) -> str:
        """Of which revision."""
        return self.warm_up.revision

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds by phase."""
        return self.warm_up.phases


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCalled(Signal):
    """A new instance has answered its first call; ``warm_up`` has the phase now."""

    warm_up: WarmUp


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUpFailed(Signal):
    """An instance could not be made."""

    function: str
    revision: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceDead(Signal):
    """An instance said that it is not alive, or could not say; it is replaced."""

    function: str
    revision: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted(Signal):
    """An instance is gone and its modules are dropped; of a process, so many bytes came back with it."""

    function: str
    revision: str
    stop_error: str | None = None
    bytes_returned: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadsStuck(Signal):
    """So many threads of a function's module or synchronous handler go on now although nobody waits for them: one
    more than before, or one fewer.
    """

    function: str
    revision: str
    count: int

    @property
    def remedy(self) -> str:
        """What its author can do."""
        return (
            "give what it waits for a timeout, or set `isolation: process` for "
            f"{self.function} in routes.yaml: a process can be killed, a thread cannot"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopBlocked(Signal):
    """Somebody does not give the event loop back. Emitted by the watchdog's thread, while it lasts."""

    culprit: Culprit
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopReturned(Signal):
    """The loop that was blocked turns again, after so many seconds. Emitted by the watchdog's thread."""

    culprit: Culprit
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLost(Signal):
    """The loop did not come back within ``gateway.watchdog``. Emitted by the watchdog's thread; the process
    ends, or in dev begins anew.
    """

    culprit: Culprit
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTurned(Signal):
    """The event loop did what was due, so many seconds late. Emitted ten times a second, on the loop."""

    late: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficMoved(Signal):
    """A function's calls go elsewhere from now on; ``before`` and ``after`` are traffic in words, ``shares`` are
    percent by revision.
    """

    function: str
    before: str
    after: str
    latest: str
    shares: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTurned(Signal):
    """Something happened to a release: ``event`` brought it into ``state``, in which the canary has ``percent`` of
    the calls; ``numbers`` are those of the verdict, if there was one.
    """

    function: str
    canary: str
    baseline: str
    event: str
    state: str
    percent: int
    why: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEjected(Signal):
    """An endpoint of a service failed so often that it is left alone for so many seconds."""

    service: str
    endpoint: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReturned(Signal):
    """An endpoint that had been ejected answers again."""

    service: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsChanged(Signal):
    """Discovery found other endpoints of a service than before."""

    service: str
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryFailed(Signal):
    """Nobody told where a service is; ``kept`` endpoints that were known go on being used."""

    service: str
    why: str
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Signal):
    """A registry knows this gateway by a name, at an address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deregistered(Signal):
    """The gateway was taken out of a registry."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFailed(Signal):
    """A registry did not take what the gateway told of itself; it is told again."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigApplied(Signal):
    """A changed routes.yaml is live: so many ``routes``; these ``services``, of which those ``replaced`` are others
    than before.
    """

    routes: int
    services: frozenset[str] | None = None
    replaced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRejected(Signal):
    """A changed routes.yaml has mistakes; the last good one goes on."""

    mistakes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminWrite(Signal):
    """Somebody changed something through the admin listener, or tried: ``what`` is the operation, ``status``
    how it was answered. ``who`` is empty when no token was known; ``unrecorded`` says why the store has no
    record of it, if it has none.
    """

    who: str
    what: str
    target: str
    status: int
    detail: Mapping[str, Any]
    unrecorded: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLocalToken(Signal):
    """The token for this machine's own commands could not be made; everything else works."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPassedOver(Signal):
    """A gateway started with files in its folder whose revision has no calls, and leaves it at that: ``serving`` goes
    on. ``is_taken_back`` says that a release did not find it fit.
    """

    function: str
    revision: str
    serving: str
    is_taken_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLost(Signal):
    """The state store cannot be used; traffic flows on as it was, and changes are refused."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReturned(Signal):
    """The state store can be used again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAccepted(Signal):
    """So many events were stored that were not known before."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSettled(Signal):
    """An attempt to deliver an event has ended: ``outcome`` is ``delivered``, ``waiting`` (it is tried again) or
    ``dead``; the revision is empty where none was reached.
    """

    trigger: str
    function: str
    revision: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDied(Signal):
    """An event could not be delivered: after so many attempts, or because no further one could end better."""

    event: str
    trigger: str
    function: str
    attempts: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLost(Signal):
    """A process was silent for too long, and another one has its name by now."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsLost(Signal):
    """Calls cannot be counted where several gateways count them; ``lets_in`` tells what happens to them."""

    why: str
    lets_in: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsReturned(Signal):
    """Calls are counted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesLost(Signal):
    """The collector takes no spans. Emitted by the thread that sends them, once; calls go on as ever."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesReturned(Signal):
    """The collector takes spans again; those of so many calls are gone meanwhile. Emitted by that thread."""

    gone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesLeftOut(Signal):
    """Spans of so many calls were not sent, for they were more than may be. Emitted by that thread."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexpected(Signal):
    """A failure that is ours, with its traceback for the log."""

    where: str
    error: BaseException


Listener = Callable[[Any], None]


class Signals:
    """Delivers each signal to the listeners of its type, at once and in the order they were added."""

    def __init__(self) -> None:
        # Mutable: grows while app composes the house, then only read.
        self._listeners: dict[type[Signal], tuple[Listener, ...]] = {}

    def listen(self, kind: type[Signal], listener: Listener) -> None:
        """Call ``listener`` with every signal of exactly that type."""
        self._listeners[kind] = (*self._listeners.get(kind, ()), listener)

    def emit(self, signal: Signal) -> None:
        """Tell everybody who listens; a listener's failure is printed and goes no further."""
        for listener in self._listeners.get(type(signal), ()):
            try:
                listener(signal)
            except Exception:
                print(f"listener {listener!r} failed on {type(signal).__name__}", file=sys.stderr)  # noqa: T201
                traceback.print_exc()
