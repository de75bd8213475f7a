"""Between a revision and its calls: warms the instance when the first one comes, and lets it go safely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bff.errors import FunctionNotLoaded, GatewayDraining
from bff.revisions.revision import Revision
from bff.runtime import warmup
from bff.runtime.instance import Instance
from bff.runtime.lifecycle import State, moved
from bff.runtime.warmup import Settings, Workshop
from bff.signals import Evicted, Signals, WarmedUp, WarmUpFailed


class Activator:
    """The one instance of a revision and the calls that wait for it.

    ``instance`` is there exactly while calls may enter: whoever finds it counts itself in ``in_flight``
    before anything else happens on the loop, and calls :meth:`leave` at the end.

    Mutable state: ``state``, ``instance``, ``in_flight``, ``last_phases``, ``_warming``, ``_is_leaving``,
    ``_parting``, ``_evicting``, ``_gone``.
    """

    __slots__ = (
        "_evicting",
        "_gone",
        "_is_leaving",
        "_parting",
        "_real_paths",
        "_signals",
        "_warming",
        "_workshop",
        "in_flight",
        "instance",
        "last_phases",
        "revision",
        "settings",
        "state",
    )

    def __init__(
        self,
        revision: Revision,
        settings: Settings,
        *,
        workshop: Workshop,
        signals: Signals,
        real_paths: Callable[[Revision], bool],
    ) -> None:
        self.revision = revision
        self.settings = settings
        self.state = State.COLD
        self.instance: Instance | None = None
        self.in_flight = 0
        self.last_phases: dict[str, float] = {}
        self._workshop = workshop
        self._signals = signals
        self._real_paths = real_paths
        self._warming: asyncio.Task[None] | None = None
        self._is_leaving = False
        self._parting: Instance | None = None
        self._evicting: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()

    async def warm(self) -> Instance:
        """The warm instance; one warm-up serves everybody who waits, and outlives each of them.

        Raises:
            FunctionNotLoaded: the warm-up failed.
            GatewayDraining: no call enters any more.

        """
        if self.instance is not None:
            return self.instance
        if self._is_leaving:
            raise GatewayDraining
        if self._warming is None:
            self.state = moved(self.state, State.WARMING)
            self._warming = asyncio.create_task(self._warm_up())
            self._warming.add_done_callback(self._warmed)  # the first to hear, before all who wait
        warming = self._warming
        try:
            await asyncio.shield(warming)
        except asyncio.CancelledError:
            if warming.cancelled() and not _is_cancelled():
                raise GatewayDraining from None
            raise
        if self.instance is None:
            raise GatewayDraining
        return self.instance

    async def _warm_up(self) -> None:
        try:
            instance, phases = await warmup.warm_up(
                self.revision, self.settings, self._workshop, real_paths=self._real_paths(self.revision)
            )
        except Exception as error:
            why = error.report() if isinstance(error, FunctionNotLoaded) else repr(error)
            self._signals.emit(
                WarmUpFailed(function=self.revision.function, revision=self.revision.name, why=why)
            )
            raise
        self.state = moved(self.state, State.WARM)
        self.instance = instance
        self.last_phases = phases
        self._signals.emit(
            WarmedUp(function=self.revision.function, revision=self.revision.name, phases=phases)
        )
        self._leave_if_asked()

    def _warmed(self, warming: asyncio.Task[None]) -> None:
        self._warming = None
        if self.state is State.WARMING:  # it failed, or was cancelled, perhaps before it began
            self.state = moved(self.state, State.COLD)
            self._leave_if_asked()
        if not warming.cancelled():
            warming.exception()  # each waiter was told; with none left, nobody needs to be

    def leave(self) -> None:
        """A call has ended. The last one out of a draining revision ends its instance."""
        self.in_flight -= 1
        if self.state is State.DRAINING and self.in_flight == 0:
            self._begin_eviction()

    def drain(self) -> None:
        """No call enters any more; the instance goes when the last one has left. What still warms goes then."""
        self._is_leaving = True
        self._leave_if_asked()

    def _leave_if_asked(self) -> None:
        if not self._is_leaving:
            return
        if self.state is State.COLD:
            self.state = moved(self.state, State.EVICTED)
            self._gone.set()
        elif self.state is State.WARM:
            self.state = moved(self.state, State.DRAINING)
            self._parting, self.instance = self.instance, None
            if self.in_flight == 0:
                self._begin_eviction()

    def _begin_eviction(self) -> None:
        if self._evicting is None:
            self._evicting = asyncio.create_task(self._evict())

    async def _evict(self) -> None:
        instance, self._parting = self._parting, None
        assert instance is not None
        why: str | None = "stop was broken off"
        try:
            why = await warmup.stop(instance, self._workshop, self.settings.stop_timeout)
        finally:
            self.state = moved(self.state, State.EVICTED)
            self._gone.set()
            self._signals.emit(
                Evicted(function=self.revision.function, revision=self.revision.name, stop_error=why)
            )

    async def gone(self) -> None:
        """Return when the instance is gone, after :meth:`drain`."""
        await self._gone.wait()

    async def close(self) -> None:
        """Drain, whoever is still inside, and return when the instance is gone."""
        self.drain()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait({self._warming})
        if self.state is State.DRAINING:
            self._begin_eviction()
        await self._gone.wait()

    def __repr__(self) -> str:
        return f"<Activator {self.revision.name}: {self.state}, {self.in_flight} in flight>"


def _is_cancelled() -> bool:
    """Whether it is the running task that somebody cancels, rather than what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
