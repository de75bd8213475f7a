"""Traffic is moved by people and by releases: made ready in the function, written in the store, then obeyed.

Whatever fails on the way leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bff.clock import Clock
from bff.revisions import plan
from bff.revisions.past import Shares
from bff.revisions.plan import Deploy
from bff.revisions.release import Event, Release, State, from_json
from bff.revisions.routing import Routing
from bff.revisions.store.failures import Conflict, NoSuchRelease, NoSuchRevision
from bff.revisions.store.records import Change, Deployed, Planned, ReleaseState, TrafficState
from bff.revisions.store.store import Store
from bff.revisions.traffic import Traffic, TrafficInvalid
from bff.runtime.function import Function
from bff.runtime.publisher import Publisher

MOST_TRIES = 5
"""Times that a change which names no version begins again because traffic moved meanwhile."""


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

    async def deploy(self, function: Function, packed: bytes, wish: Deploy) -> Deployed:
        """Publish an archive: :meth:`Publisher.deploy`."""
        return await self._publisher.deploy(function, packed, wish)

    async def move(self, function: Function, change: Change) -> TrafficState:
        """Obey a change of traffic, which ends a release that is under way: somebody has decided otherwise.
        One without traffic is a line in the history.
        """
        before = await self._known(function)
        if change.traffic is None:
            return await self.store.move(change)
        return await self._move(function, change, before, State.SUPERSEDED)

    async def tag(self, function: Function, tag: str, revision: str | None, change: Change) -> TrafficState:
        """A tag leads to this revision from now on; None takes it away. A release goes on.

        Raises:
            TrafficInvalid: there is no such tag to take away, or it is no name.

        """

        async def step(before: TrafficState) -> tuple[Traffic, State | None]:
            if revision is None:
                plan.check_tag(before, tag)
            return plan.tagged(before.traffic, tag, revision), None

        return await self._step(function, change, step)

    async def promote(self, function: Function, change: Change, revision: str | None = None) -> TrafficState:
        """Everything to a revision: to the one that is named, else to the one whose release goes on, else to the
        latest. Those that follow the latest follow it in its traffic; after any other no later deploy gets calls by
        itself.

        Raises:
            TrafficInvalid: a release took the latest back, and nobody has named it.

        """

        async def step(before: TrafficState) -> tuple[Traffic, State | None]:
            release = await self._release(function)
            canary = release.canary if release is not None else None
            wanted = revision or canary or await self._promotable(function, before)
            end = State.PROMOTED if wanted == canary else State.SUPERSEDED
            return plan.all_to(before.traffic, None if wanted == before.latest else wanted), end

        return await self._step(function, change, step)

    async def _promotable(self, function: Function, before: TrafficState) -> str:
        versions = (await self.store.back(function.name)).versions
        if any(each.name == before.latest and each.condemned for each in versions):
            raise TrafficInvalid(
                f"A release took {before.latest} back; whoever means it nevertheless names it:"
                f" `bff promote {function.name} {before.latest}`."
            )
        return before.latest

    async def rollback(self, function: Function, to: str | None, change: Change) -> TrafficState:
        """Everything to a revision, or to what served last before the present state; where a release is under way,
        to what it was compared with. What a release took back is never gone back to by itself. A newer deploy gets
        no calls until somebody promotes it.
        """

        async def step(before: TrafficState) -> tuple[Traffic, State | None]:
            release = await self._release(function)
            if to is not None:
                is_canary = release is not None and release.canary == to
                return plan.all_to(before.traffic, to), State.PROMOTED if is_canary else State.ROLLED_BACK
            if release is not None:
                return plan.all_to(before.traffic, release.baseline), State.ROLLED_BACK
            return plan.all_by(before.traffic, await self._served_before(function)), State.ROLLED_BACK

        return await self._step(function, replace(change, goes_back=True), step)

    async def _served_before(self, function: Function) -> Shares:
        back = await self.store.back(function.name)
        shares = back.last_good()
        if shares is None:
            known = (each.name for each in back.versions)
            raise NoSuchRevision(function.name, f"that served before {back.now.main}", known)
        return shares

    async def turn(self, function: Function, change: Change, before: Release, after: Release) -> bool:
        """A release becomes another, and traffic with it; False where it is no more what it was before."""
        known = await self._known(function)
        present = await self.store.release(function.name)
        if present.state is None or from_json(present.state) != before:
            return False
        ready = await self._ready(function, replace(known, traffic=plan.after_turn(after, known).traffic))
        async with self._publisher.in_force.lock(function.name):
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
        step: Callable[[TrafficState], Awaitable[tuple[Traffic, State | None]]],
    ) -> TrafficState:
        """From what is in force to what ``step`` makes of it, and of a release that goes on. Whoever did not say on
        what the change is based wants it whatever was done meanwhile: it begins again on that.
        """
        before = await self._known(function)
        if change.expected is not None:
            return await self._stepped(function, change, step, before)
        for _ in range(MOST_TRIES):
            try:
                based = replace(change, expected=before.version)
                return await self._stepped(function, based, step, before)
            except Conflict:
                before = await self.store.traffic(function.name)
        return await self._stepped(function, change, step, before)

    async def _stepped(
        self,
        function: Function,
        change: Change,
        step: Callable[[TrafficState], Awaitable[tuple[Traffic, State | None]]],
        before: TrafficState,
    ) -> TrafficState:
        traffic, end = await step(before)
        return await self._move(function, replace(change, traffic=traffic), before, end)

    async def _move(
        self, function: Function, change: Change, before: TrafficState, end: State | None
    ) -> TrafficState:
        """Traffic as the change says; a release that goes on is in the state ``end`` after it, unless that is None."""
        assert change.traffic is not None
        ready = await self._ready(function, replace(before, traffic=change.traffic))
        async with self._publisher.in_force.lock(function.name):
            state = None
            while state is None:  # None: the release turned in between, and traffic with it
                state = await self._written(change, end)
            await self._obey(function, state, ready)
            return state

    async def _written(self, change: Change, end: State | None) -> TrafficState | None:
        release = await self.store.release(change.function)
        if end is None or not release.goes_on or change.traffic is None:
            return await self.store.move(change)
        ended = Planned(traffic=change.traffic, release={**(release.state or {}), "state": str(end)})
        return await self.store.turn(change, release, lambda _: ended)

    async def _ready(self, function: Function, wanted: TrafficState) -> Routing:
        """Every revision that gets calls, warm before the first of them comes."""
        routing = await self._publisher.in_force.routing(function, wanted)
        for name, percent in routing.shares().items():
            if percent:
                await function.admit(routing.revisions[name], is_known=True)
        return routing

    async def _obey(self, function: Function, state: TrafficState, ready: Routing) -> None:
        revisions = ready.revisions.values()
        await self._publisher.in_force.settle(function, state, self._clock.now(), None, *revisions)

    async def _known(self, function: Function) -> TrafficState:
        before = await self._publisher.know(function)
        if before is None:
            raise NoSuchRevision(function.name, "latest")
        return before

    async def _release(self, function: Function) -> Release | None:
        """The one that goes on."""
        release = await self.store.release(function.name)
        return from_json(release.state) if release.goes_on and release.state is not None else None
