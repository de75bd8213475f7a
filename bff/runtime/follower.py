"""A gateway keeps up with its store: it publishes the folder after the start, and obeys what other gateways on
the same store did, within a second. A store that goes away is told once, and traffic flows on as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from bff.clock import Clock
from bff.errors import BffError, FunctionNotLoaded, GatewayDraining
from bff.revisions.store.failures import StoreBroken, StoreUnavailable
from bff.revisions.store.records import Candidate
from bff.runtime.function import Function
from bff.runtime.publisher import Publisher, files_digest
from bff.signals import LoadFailed, Signals, StoreLost, StoreReturned, Unexpected

POLL = 0.5
"""Seconds between looks at the store: what one gateway does is seen by the others within a second."""
PAUSE = 0.002
"""Seconds between two functions of the folder, so that ten thousand of them do not stand in anybody's way."""
BATCH = 100
"""Functions that are published in one transaction."""


LONGEST = 30.0
"""Seconds at most between two attempts at what does not succeed; the first ones come sooner."""


class Follower:
    """Mutable state: ``_seen``, the last number of the sequence; ``_lost``, why the store cannot be read or written, by
    which of the two; ``_tasks`` of functions that are behind, by name.
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
        self._in_force = publisher.in_force
        self._store = publisher.store
        self._functions = functions
        self._clock = clock
        self._signals = signals
        self._seen = 0
        self._lost: dict[str, StoreUnavailable] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Learn who gets the calls, before the first one comes.

        Raises:
            StoreUnavailable: nobody can tell; a gateway that guessed could bring a bad revision back.

        """
        self._seen, states = await self._store.everything()
        for state in states.values():
            self._in_force.learn(state)

    async def run(self) -> None:
        """Publish the folder, then follow, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.settle())
                group.create_task(self._poll())
        finally:
            for task in list(self._tasks.values()):
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
            self._lose("reading", lost)
            return
        self._regain("reading")
        for state in changed.values():
            if self._in_force.learn(state):
                self._follow(state.function)
        self._seen = seen
        for name in self._in_force.behind - self._tasks.keys():
            self._follow(name)
        with suppress(StoreUnavailable):  # they wait
            await self._in_force.note_approved()

    def _lose(self, how: str, lost: StoreUnavailable) -> None:
        if not self._lost:
            self._signals.emit(StoreLost(why=str(lost)))
        self._lost[how] = lost

    def _regain(self, how: str) -> None:
        if self._lost.pop(how, None) is not None and not self._lost:
            self._signals.emit(StoreReturned())

    def _follow(self, name: str) -> None:
        function = self._functions().get(name)
        if function is None or function.live is None:  # its first call asks what is in force
            self._in_force.behind.discard(name)
            return
        before = self._tasks.get(name)
        if before is not None:
            before.cancel()
        task = self._tasks[name] = asyncio.create_task(self._obey(function))
        task.add_done_callback(lambda ended: self._ended(name, ended))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]

    async def _obey(self, function: Function) -> None:
        """Until it is obeyed as a whole: what cannot be fetched or loaded here now may be later."""
        told: set[str] = set()
        pause = POLL
        while await self._is_behind(function, told):
            await self._clock.sleep(pause)
            pause = min(2 * pause, LONGEST)

    async def _is_behind(self, function: Function, told: set[str]) -> bool:
        try:
            failures = await self._in_force.obey(function, self._in_force.states[function.name])
        except GatewayDraining:
            return False
        except Exception as error:  # a bug of ours must not end the following
            if (why := repr(error)) not in told:
                told.add(why)
                self._signals.emit(Unexpected(where=f"following {function.name}", error=error))
            return True
        for name, failure in failures.items():
            self._tell(function, name, failure, told)
        return bool(failures)

    def _tell(self, function: Function, revision: str, failure: BffError, told: set[str]) -> None:
        """Once for each reason. That the store is away is told by whoever asks it twice a second."""
        why = failure.report() if isinstance(failure, FunctionNotLoaded) else f"{revision}: {failure}"
        is_away = isinstance(failure, StoreUnavailable) and not isinstance(failure, StoreBroken)
        if why in told or is_away:
            return
        told.add(why)
        serving = function.live.revision.name if function.live else None
        self._signals.emit(LoadFailed(function=function.name, report=why, serving=serving))

    async def settle(self) -> None:
        """Publish what of the folder nobody has published, and make revisions that are not in the folder ready
        to be loaded without the store. What cannot be read is left to its first caller, who is told; what cannot be
        written is tried again.
        """
        left = await self._settled(list(self._functions().values()))
        pause = POLL
        while left:
            await self._clock.sleep(pause)
            pause = min(2 * pause, LONGEST)
            left = await self._settled(left)
        self._regain("writing")

    async def _settled(self, functions: list[Function]) -> list[Function]:
        """Those that the store does not take now."""
        waiting: dict[Function, Candidate] = {}
        left: list[Function] = []
        for function in functions:
            try:
                await self._settle(function, waiting)
            except StoreUnavailable as lost:
                if not isinstance(lost, StoreBroken):  # waiting does not help then
                    self._lose("writing", lost)
                    left.append(function)
            except BffError:
                pass  # its first caller is told
            else:
                left += [function] if function.name in self._publisher.first_look.unwritten else []
            if len(waiting) >= BATCH:
                left += await self._refused(waiting)
            await self._clock.sleep(PAUSE)
        left += await self._refused(waiting)
        if not self._publisher.is_dev:
            self._publisher.first_look.settle(
                {each.name for each in functions} - {each.name for each in left}
            )
        return left

    async def _settle(self, function: Function, waiting: dict[Function, Candidate]) -> None:
        if function.name in self._publisher.first_look.unwritten:
            await self._publisher.resume(function)
            return
        if function.live is not None:
            return
        state = self._in_force.states.get(function.name)
        try:
            taken = await function.look()
        except FunctionNotLoaded as failure:
            if state is None:
                raise
            function.tell(failure)
            await self._restore_cold(function)
            return
        if state is None:
            self._publisher.keep_at_hand(function, taken)
            waiting[function] = await self._publisher.candidate(taken)
        elif files_digest(taken) != state.folder and not await self._publisher.passes_over(function, taken):
            await self._publisher.open(function)
        elif taken.digest != state.digest or state.routed() != {state.latest}:
            await self._restore_cold(function)
        else:
            self._publisher.keep_at_hand(function, taken)

    async def _restore_cold(self, function: Function) -> None:
        await self._in_force.restore_cold(function)
        await self._publisher.succeed(function, is_start=True)

    async def _refused(self, waiting: dict[Function, Candidate]) -> list[Function]:
        """Publish them; those that the store does not take."""
        states = self._in_force.states
        fresh = {
            function: candidate for function, candidate in waiting.items() if function.name not in states
        }
        waiting.clear()
        if not fresh:
            return []
        try:
            await self._store.publish(fresh.values())
        except StoreUnavailable as lost:
            self._lose("writing", lost)
            return list(fresh)
        self._regain("writing")
        await self.catch_up()
        return []

    def __repr__(self) -> str:
        return f"<Follower at {self._seen}, {len(self._tasks)} behind>"
