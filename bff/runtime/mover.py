"""Traffic is moved by people and by releases: made ready in the function, written in the store, then obeyed.

Whatever fails on the way leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bff.clock import Clock
from bff.revisions import plan
from bff.revisions.plan import Deploy
from bff.revisions.release import Event, Release, State, from_json
from bff.revisions.routing import Routing
from bff.revisions.store.failures import NoSuchRelease, NoSuchRevision
from bff.revisions.store.records import Change, Planned, Published, ReleaseState, TrafficState
from bff.revisions.store.store import Store
from bff.revisions.traffic import Traffic
from bff.runtime.function import Function
from bff.runtime.publisher import Publisher


class Mover:
    """Immutable; the publisher has the locks and what is known of every function.

    Every verb raises:

    * Conflict: it is based on another version than the present one.
    * NoSuchRevision: a target names a revision that is not kept.
    * FunctionNotLoaded: a revision that would get calls cannot serve.
    * StoreUnavailable: the store is away.
    """

    def __init__(self, publisher: Publisher, *, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock

    @property
    def store(self) -> Store:
        """Where it is written."""
        return self._publisher.store

    async def deploy(self, function: Function, packed: bytes, wish: Deploy) -> tuple[Published, TrafficState]:
        """Publish an archive: :meth:`Publisher.deploy`."""
        return await self._publisher.deploy(function, packed, wish)

    async def move(self, function: Function, change: Change) -> TrafficState:
        """Obey a change of traffic, which ends a release that is under way: somebody has decided otherwise.
        One without traffic is a line in the history.
        """
        async with self._publisher.lock(function.name):
            before = await self._known(function)
            if change.traffic is None:
                return await self.store.move(change)
            return await self._move(function, change, before)

    async def tag(self, function: Function, tag: str, revision: str | None, change: Change) -> TrafficState:
        """A tag leads to this revision from now on; None takes it away. A release goes on."""
        return await self._step(
            function, change, lambda old: plan.tagged(old.traffic, tag, revision), ends=False
        )

    async def promote(self, function: Function, change: Change) -> TrafficState:
        """Everything to the latest revision, and to those that follow it. Where a release of an older one is
        under way it is that one, which was judged, and no later deploy gets calls by itself.
        """
        release = await self.store.release(function.name)
        canary = from_json(release.state).canary if release.goes_on and release.state is not None else None
        return await self._step(
            function,
            change,
            lambda old: plan.all_to(old.traffic, None if canary in (None, old.latest) else canary),
            State.PROMOTED,
        )

    async def rollback(self, function: Function, to: str | None, change: Change) -> TrafficState:
        """Everything to a revision, or to the newest before the present one that ever had traffic; where a
        release is under way, to what it was compared with. A newer deploy gets none until somebody promotes it.
        """
        target = to or await self._previous(function)
        return await self._step(
            function, change, lambda old: plan.all_to(old.traffic, target), State.ROLLED_BACK
        )

    async def turn(self, function: Function, change: Change, before: Release, after: Release) -> bool:
        """A release becomes another, and traffic with it; False where it is no more what it was before."""
        async with self._publisher.lock(function.name):
            known = await self._known(function)
            present = await self.store.release(function.name)
            if present.state is None or from_json(present.state) != before:
                return False
            wanted = plan.after_turn(after, known).traffic
            ready = await self._ready(function, replace(known, traffic=wanted))
            state = await self.store.turn(change, present, lambda seen: plan.after_turn(after, seen))
            if state is None:
                return False
            await self._obey(function, state, ready)
            return True

    async def pause(self, function: Function, change: Change) -> ReleaseState:
        """A release keeps its traffic until it is resumed, promoted or rolled back; a bad verdict still ends it.

        Raises:
            NoSuchRelease: it never had one.
            ReleaseNotSo: there is none that could be paused.

        """
        return await self._happen(function, change, Event.PAUSE)

    async def resume(self, function: Function, change: Change) -> ReleaseState:
        """A paused release goes on, in the step it was in. Raises as :meth:`pause`."""
        return await self._happen(function, change, Event.RESUME)

    async def _happen(self, function: Function, change: Change, event: Event) -> ReleaseState:
        while True:
            state = await self.store.release(function.name)
            if state.state is None:
                raise NoSuchRelease(function.name)
            before = from_json(state.state)
            if await self.turn(function, change, before, before.after(event, self._clock.wall())):
                return await self.store.release(function.name)
            # It has just turned by itself: ask again what it is now.

    async def _step(
        self,
        function: Function,
        change: Change,
        step: Callable[[TrafficState], Traffic],
        end: State = State.SUPERSEDED,
        *,
        ends: bool = True,
    ) -> TrafficState:
        async with self._publisher.lock(function.name):
            before = await self._known(function)
            expected = before.version if change.expected is None else change.expected
            whole = replace(change, traffic=step(before), expected=expected)
            return await self._move(function, whole, before, end, ends=ends)

    async def _move(
        self,
        function: Function,
        change: Change,
        before: TrafficState,
        end: State = State.SUPERSEDED,
        *,
        ends: bool = True,
    ) -> TrafficState:
        assert change.traffic is not None
        ready = await self._ready(function, replace(before, traffic=change.traffic))
        release = await self.store.release(function.name)
        if not (ends and release.goes_on):
            state: TrafficState | None = await self.store.move(change)
        else:
            ended = Planned(traffic=change.traffic, release={**(release.state or {}), "state": str(end)})
            state = await self.store.turn(change, release, lambda _: ended)
        if state is None:  # the release turned in between, and traffic with it
            before = await self.store.traffic(function.name)
            return await self._move(function, change, before, end, ends=ends)
        await self._obey(function, state, ready)
        return state

    async def _ready(self, function: Function, wanted: TrafficState) -> Routing:
        """Every revision that gets calls, warm before the first of them comes."""
        routing = await self._publisher.routing(function, wanted)
        for name, percent in routing.shares().items():
            if percent:
                await function.admit(routing.revisions[name], is_known=True)
        return routing

    async def _obey(self, function: Function, state: TrafficState, ready: Routing) -> None:
        began = self._clock.now()
        self._publisher.learn(state)
        routing = await self._publisher.routing(function, state, None, *ready.revisions.values())
        self._publisher.take(function, routing, began)

    async def _known(self, function: Function) -> TrafficState:
        before = await self._publisher.know(function)
        if before is None:
            raise NoSuchRevision(function.name, "latest")
        return before

    async def _previous(self, function: Function) -> str:
        release = await self.store.release(function.name)
        if release.goes_on and release.state is not None:
            return from_json(release.state).baseline
        state = await self._known(function)
        versions = await self.store.versions(function.name)
        present = next((each.number for each in versions if each.name == state.main), 0)
        older = [each for each in versions if each.number < present]
        used = [each for each in older if each.last_active] or older
        if not used:
            raise NoSuchRevision(function.name, f"before {state.main}", (each.name for each in versions))
        return used[-1].name
