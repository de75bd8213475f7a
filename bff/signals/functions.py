"""What happens to functions: their code, their instances, their traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bff.frozen import frozen
from bff.measured import WarmUp
from bff.signals.hub import Signal


@frozen
class RevisionReady(Signal):
    """A revision was loaded and now gets the function's traffic."""

    function: str
    revision: str
    digest: str
    seconds: float


@frozen
class LoadFailed(Signal):
    """A save or a first call brought code that cannot serve; ``serving`` is the revision that goes on."""

    function: str
    report: str
    serving: str | None


@frozen
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


@frozen
class FirstCalled(Signal):
    """A new instance has answered its first call; ``warm_up`` has the phase now."""

    warm_up: WarmUp


@frozen
class WarmUpFailed(Signal):
    """An instance could not be made."""

    function: str
    revision: str
    why: str


@frozen
class InstanceDead(Signal):
    """An instance said that it is not alive, or could not say; it is replaced."""

    function: str
    revision: str
    why: str


@frozen
class Evicted(Signal):
    """An instance is gone and its modules are dropped; of a process, so many bytes came back with it."""

    function: str
    revision: str
    stop_error: str | None = None
    bytes_returned: int | None = None


@frozen
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


@frozen
class TrafficMoved(Signal):
    """A function's calls go elsewhere from now on; ``before`` and ``after`` are traffic in words, ``shares`` are
    percent by revision.
    """

    function: str
    before: str
    after: str
    latest: str
    shares: Mapping[str, int]


@frozen
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


@frozen
class FolderPassedOver(Signal):
    """A gateway started with files in its folder whose revision has no calls, and leaves it at that: ``serving`` goes
    on. ``is_taken_back`` says that a release did not find it fit.
    """

    function: str
    revision: str
    serving: str
    is_taken_back: bool = False
