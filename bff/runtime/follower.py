"""A gateway keeps up with its store: it publishes the folder after the start, and obeys what other gateways on
the same store did, within a second. A store that goes away is told once, and traffic flows on as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from bff.clock import Clock
from bff.errors import BffError, FunctionNotLoaded, GatewayDraining
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import Candidate, TrafficState
from bff.runtime.function import Function
from bff.runtime.publisher import Publisher, files_digest
from bff.signals import Signals, StoreLost, StoreReturned, Unexpected

POLL = 0.5
"""Seconds between looks at the store: what one gateway does is seen by the others within a second."""
PAUSE = 0.002
"""Seconds between two functions of the folder, so that ten thousand of them do not stand in anybody's way."""
BATCH = 100
"""Functions that are published in one transaction."""


class Follower:
    """Mutable state: ``_seen``, the last number of the sequence; ``_lost``, why the store is away; ``_tasks`` of
    functions that are behind, by name.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        functions: Callable[[], Mapping[str, Function]],
        clock: Clock,
        signals: Signals,
    ) -> None:
        self._publisher = publisher
        self._store = publisher.store
        self._functions = functions
        self._clock = clock
        self._signals = signals
        self._seen = 0
        self._lost: StoreUnavailable | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Learn who gets the calls, before the first one comes.

        Raises:
            StoreUnavailable: nobody can tell; a gateway that guessed could bring a bad revision back.

        """
        self._seen, states = await self._store.everything()
        for state in states.values():
            self._publisher.learn(state)

    async def run(self) -> None:
        """Publish the folder, then follow, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.settle())
                group.create_task(self._poll())
        finally:
            for task in self._tasks.values():
                task.cancel()

    async def _poll(self) -> None:
        while True:
            await self._clock.sleep(POLL)
            try:
                await self.catch_up()
            except Exception as error:  # a row that cannot be read must not end the following
                self._signals.emit(Unexpected(where="following the store", error=error))

    async def catch_up(self) -> None:
        """Take what changed since the last look; nothing waits for a function that takes its time."""
        try:
            seen, changed = await self._store.changed_since(self._seen)
        except StoreUnavailable as lost:
            self._tell_lost(lost)
            return
        if self._lost is not None:
            self._lost = None
            self._signals.emit(StoreReturned())
        for state in changed.values():
            if self._publisher.learn(state):
                self._follow(state)
        self._seen = seen

    def _tell_lost(self, lost: StoreUnavailable) -> None:
        if self._lost is None:
            self._signals.emit(StoreLost(why=str(lost)))
        self._lost = lost

    def _follow(self, state: TrafficState) -> None:
        function = self._functions().get(state.function)
        if function is None or function.live is None:  # its first call asks what is in force
            return
        before = self._tasks.get(function.name)
        if before is not None and not before.done():
            before.cancel()
        self._tasks[function.name] = asyncio.create_task(self._obey(function))

    async def _obey(self, function: Function) -> None:
        """Until it succeeds, or cannot: an archive that cannot be fetched now is fetched later."""
        while True:
            try:
                await self._publisher.obey(function, self._publisher.states[function.name])
            except StoreUnavailable as lost:
                self._tell_lost(lost)
                await self._clock.sleep(POLL)
            except FunctionNotLoaded as failure:
                function.tell(failure)
                return
            except GatewayDraining:
                return
            except Exception as error:  # a bug of ours must not end the following
                self._signals.emit(Unexpected(where=f"following {function.name}", error=error))
                return
            else:
                return

    async def settle(self) -> None:
        """Publish what of the folder nobody has published, and make revisions that are not in the folder ready
        to be loaded without the store. What cannot be read is left to its first caller, who is told.
        """
        waiting: list[Candidate] = []
        for function in list(self._functions().values()):
            with suppress(BffError):
                await self._settle(function, waiting)
            if len(waiting) >= BATCH:
                await self._publish(waiting)
            await self._clock.sleep(PAUSE)
        await self._publish(waiting)

    async def _settle(self, function: Function, waiting: list[Candidate]) -> None:
        if function.live is not None:
            return
        taken = await function.look()
        state = self._publisher.states.get(function.name)
        if state is None:
            waiting.append(await self._publisher.candidate(taken))
        elif files_digest(taken) != state.folder:
            await self._publisher.open(function)
        elif taken.digest != state.digest or state.routed() != {state.latest}:
            await self._publisher.restore_cold(function)

    async def _publish(self, waiting: list[Candidate]) -> None:
        fresh = [each for each in waiting if each.function not in self._publisher.states]
        waiting.clear()
        try:
            if fresh:
                await self._store.publish(fresh)
                await self.catch_up()
        except StoreUnavailable as lost:
            self._tell_lost(lost)
