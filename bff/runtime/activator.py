"""Between a revision and its calls: warms the instance when the first one comes, and lets it go safely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bff.errors import FunctionNotLoaded
from bff.revisions.revision import Revision
from bff.runtime import warmup
from bff.runtime.instance import Instance
from bff.runtime.lifecycle import State, moved
from bff.runtime.warmup import Settings, Workshop
from bff.signals import Evicted, Signals, WarmedUp, WarmUpFailed


class Activator:
    """The one instance of a revision and the calls that wait for it.

    Mutable state: ``state``, ``instance``, ``in_flight``, ``last_phases``, ``_warming``, ``_evicting``.
    """

    __slots__ = (
        "_evicting",
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
        self._warming: asyncio.Task[Instance] | None = None
        self._evicting: asyncio.Task[None] | None = None

    async def warm(self) -> Instance:
        """The warm instance; one warm-up serves everybody who waits, and outlives each of them.

        Raises:
            FunctionNotLoaded: the warm-up failed.

        """
        if self.instance is not None:
            return self.instance
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm_up())
            self._warming.add_done_callback(self._warmed)
        return await asyncio.shield(self._warming)

    async def _warm_up(self) -> Instance:
        self.state = moved(self.state, State.WARMING)
        try:
            instance, phases = await warmup.warm_up(
                self.revision, self.settings, self._workshop, real_paths=self._real_paths(self.revision)
            )
        except BaseException as error:
            self.state = moved(self.state, State.COLD)
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
        return instance

    def _warmed(self, warming: asyncio.Task[Instance]) -> None:
        self._warming = None
        if not warming.cancelled():
            warming.exception()  # each waiter was told; with none left, nobody needs to be

    def leave(self) -> None:
        """A call has ended. The last one out of a draining revision ends its instance."""
        self.in_flight -= 1
        if self.state is State.DRAINING and self.in_flight == 0:
            self._begin_eviction()

    def drain(self) -> None:
        """No call enters any more; the instance goes when the last one has left."""
        if self.state is State.WARM:
            self.state = moved(self.state, State.DRAINING)
            if self.in_flight == 0:
                self._begin_eviction()

    def _begin_eviction(self) -> None:
        if self._evicting is None:
            self._evicting = asyncio.create_task(self._evict())

    async def _evict(self) -> None:
        instance, self.instance = self.instance, None
        assert instance is not None
        why = await warmup.stop(instance, self._workshop, self.settings.stop_timeout)
        self.state = moved(self.state, State.EVICTED)
        self._signals.emit(
            Evicted(function=self.revision.function, revision=self.revision.name, stop_error=why)
        )

    async def close(self) -> None:
        """Drain, whoever is still inside, and return when the instance is gone."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait({self._warming})
        if self.state is State.WARM:
            self.state = moved(self.state, State.DRAINING)
        if self.state is State.DRAINING:
            self._begin_eviction()
        if self._evicting is not None:
            await self._evicting

    def __repr__(self) -> str:
        return f"<Activator {self.revision.name}: {self.state}, {self.in_flight} in flight>"
