"""Revisions get their names, and traffic moves: the verbs above the store and the functions.

A change is made ready in the function first, then written in the store, then obeyed by the function: what fails
on the way leaves everything as it was. Following what other gateways did is :mod:`bff.runtime.follower`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bff.clock import Clock
from bff.errors import FunctionNotLoaded
from bff.revisions import plan
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.failures import NoSuchRevision, StoreUnavailable
from bff.revisions.store.records import Candidate, Change, Published, TrafficState
from bff.revisions.store.retention import Retention
from bff.revisions.store.store import Store
from bff.revisions.traffic import Traffic
from bff.runtime.function import Function
from bff.runtime.shelf import Shelf
from bff.signals import LoadFailed, RevisionReady, Signals, Unexpected

GATEWAY = "gateway"
"""Who did what nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """What is wished of a publication. With ``no_traffic`` the present shares stay where they are."""

    who: str = GATEWAY
    note: str = ""
    tag: str = ""
    no_traffic: bool = False


class Publisher:
    """Mutable state: ``states``, the last traffic known of every function; ``_locks``, one for each function."""

    def __init__(
        self,
        store: Store,
        *,
        shelf: Shelf,
        clock: Clock,
        signals: Signals,
        dev: bool,
        retention: Callable[[], Retention] = Retention,
        holds_back: Callable[[str], bool] = lambda function: False,
    ) -> None:
        """``holds_back`` says of which functions a new revision gets no traffic by itself: a release moves it."""
        self.store = store
        self.states: dict[str, TrafficState] = {}
        self._shelf = shelf
        self._clock = clock
        self._signals = signals
        self._dev = dev
        self._retention = retention
        self._holds_back = holds_back
        self._locks: dict[str, asyncio.Lock] = {}

    def lock(self, function: str) -> asyncio.Lock:
        """Held while the function's revisions or traffic change."""
        return self._locks.setdefault(function, asyncio.Lock())

    def learn(self, state: TrafficState) -> bool:
        """Remember a function's traffic; False when later news is known already."""
        known = self.states.get(state.function)
        if known is not None and known.changed >= state.changed:
            return False
        self.states[state.function] = state
        return True

    # What functions ask for

    async def open(self, function: Function) -> None:
        """Route a function for the first time in this process: as the store says, after publishing what is new
        in the folder.

        Raises:
            FunctionNotLoaded: there is no revision that could serve.
            StoreUnavailable: it was never published, and cannot be now; or its revision cannot be fetched.

        """
        async with self.lock(function.name):
            if function.live is None:
                await self._open(function)

    async def _open(self, function: Function) -> None:
        began = self._clock.now()
        taken = await self._looked_at(function)
        state = self.states.get(function.name)
        if state is None and taken is not None:
            state = await self._publish_first(function, taken)
        elif state is not None and taken is not None:
            await self._publish_changed(function, taken, state, began)
            state = self.states[function.name]
        if function.live is None and state is not None:
            await self._restore(function, state, taken, began)

    async def _looked_at(self, function: Function) -> Snapshot | None:
        """The folder's text; None where it is none but an older revision can serve."""
        try:
            return await function.look()
        except FunctionNotLoaded as failure:
            function.tell(failure)
            if function.name in self.states:
                return None
            raise

    async def _publish_first(self, function: Function, taken: Snapshot) -> TrafficState:
        await self.store.publish([await self.candidate(taken)])
        state = await self.store.traffic(function.name)
        self.learn(state)
        return state

    async def _publish_changed(
        self, function: Function, taken: Snapshot, state: TrafficState, began: float
    ) -> bool:
        """Publish what is new in the folder, or in the settings, as if by a deploy; True when it was."""
        with self._told(function):
            if files_digest(taken) == state.folder:
                return await self._succeed(function, state, taken, began)
            await self._deploy(function, taken, Deploy(), began, is_folder=True)
            return True
        return False

    async def _restore(
        self, function: Function, state: TrafficState, taken: Snapshot | None, began: float
    ) -> None:
        routing = await self._routing(function, state, taken)
        if len(routing.reachable()) == 1:
            await function.admit(routing.revisions[routing.main], is_known=True)
        self._obey(function, routing, began)

    async def restore_cold(self, function: Function) -> None:
        """Route a function by what the store says without loading anything, so that the store may go away
        before its first call. One whose newest revision is the folder's has no need of that.
        """
        async with self.lock(function.name):
            state = self.states.get(function.name)
            if function.live is None and state is not None:
                function.route(await self._routing(function, state, None))

    async def refresh(self, function: Function) -> bool:
        """Publish what is new on the disk; True when there was something. A failure is told as a signal."""
        async with self.lock(function.name):
            try:
                with self._told(function):
                    return await self._refresh(function)
            except Exception as error:  # a bug of ours must not end the watching
                self._signals.emit(Unexpected(where=f"refresh of {function.name}", error=error))
            return False

    async def _refresh(self, function: Function) -> bool:
        began, state = self._clock.now(), self.states.get(function.name)
        if state is None or function.live is None:
            await self._open(function)
            return True
        taken = await function.look()
        if files_digest(taken) == state.folder:
            function.is_unchanged()
        return await self._publish_changed(function, taken, state, began)

    async def succeed(self, function: Function) -> bool:
        """Publish the latest revision's files under the present settings, where those are others; True when
        they were. A failure is told as a signal.
        """
        async with self.lock(function.name):
            state, began = self.states.get(function.name), self._clock.now()
            if state is None or function.live is None:
                return False
            with self._told(function):
                return await self._succeed(function, state, None, began)
            return False

    @contextmanager
    def _told(self, function: Function) -> Iterator[None]:
        """What stands in the way of new code is a signal, and what had traffic keeps it."""
        try:
            yield
        except FunctionNotLoaded as failure:
            function.tell(failure)
        except StoreUnavailable as failure:
            serving = function.live.revision.name if function.live else None
            self._signals.emit(LoadFailed(function=function.name, report=str(failure), serving=serving))

    async def _succeed(
        self, function: Function, state: TrafficState, taken: Snapshot | None, began: float
    ) -> bool:
        if taken is not None and taken.digest == state.digest:
            return False
        latest = await self._shelf.revision(function, state.latest, state, taken)
        fresh = latest.snapshot.under(function.settings.frozen())
        if fresh.digest == latest.digest:
            return False
        wish = Deploy(note="its settings in routes.yaml changed")
        await self._deploy(function, fresh, wish, began, is_folder=False)
        return True

    # What people ask for

    async def deploy(self, function: Function, packed: bytes, wish: Deploy) -> tuple[Published, TrafficState]:
        """Publish an archive, after it was loaded and checked without a byte of traffic. One whose digest is
        known is that revision, and becomes the latest again.

        Raises:
            ArchiveInvalid: the bytes are no archive of this function.
            FunctionNotLoaded: it cannot serve; everything is as it was.
            TrafficInvalid: the tag is no name.
            StoreUnavailable: it cannot be kept; everything is as it was.

        """
        taken = await self._shelf.unpacked(packed, function)
        async with self.lock(function.name):
            began = self._clock.now()
            await self._know(function)
            return await self._deploy(function, taken, wish, began, is_folder=False)

    async def _know(self, function: Function) -> TrafficState | None:
        """A function nobody called yet is published as it lies in the folder first: what comes after is newer."""
        if function.name not in self.states:
            try:
                return await self._publish_first(function, await function.look())
            except FunctionNotLoaded:
                return None
        return self.states[function.name]

    async def _deploy(
        self, function: Function, taken: Snapshot, wish: Deploy, began: float, *, is_folder: bool
    ) -> tuple[Published, TrafficState]:
        name, _ = await self.store.reserve(function.name, taken.digest)
        revision = self._shelf.at_hand(function, name) or Revision(
            name, function.name, taken, self._clock.wall()
        )
        await function.admit(revision)
        candidate = await self.candidate(taken, wish=wish, name=name, is_folder=is_folder)
        published, state = await self.store.deploy(
            candidate, lambda before, made: self._planned(before, made, wish)
        )
        if published.name != name:  # another gateway published the same at the same time
            revision = Revision(published.name, function.name, taken, published.created)
        self.learn(state)
        routing = await self._routing(function, state, taken, revision)
        self._obey(function, routing, began)
        await self._collect(function, published)
        return published, state

    def _planned(self, before: TrafficState, published: Published, wish: Deploy) -> Traffic:
        """Runs inside the store's transaction, on its thread: pure."""
        traffic = before.traffic
        if self._dev and not wish.no_traffic:
            traffic = plan.after_save(traffic)
        elif before.latest and (wish.no_traffic or self._holds_back(published.function)):
            traffic = plan.pinned(traffic, before.latest)
        return plan.tagged(traffic, wish.tag, published.name) if wish.tag else traffic

    async def move(self, function: Function, change: Change) -> TrafficState:
        """Move traffic, once every revision that gets calls is warm. A change without traffic is a line in the
        history.

        Raises:
            Conflict: it is based on another version than the present one.
            NoSuchRevision: a target names a revision that is not kept.
            FunctionNotLoaded: a revision that would get calls cannot serve.
            StoreUnavailable: it cannot be kept; in each case everything is as it was.

        """
        async with self.lock(function.name):
            return await self._move(function, change)

    async def _move(self, function: Function, change: Change) -> TrafficState:
        began = self._clock.now()
        before = await self._know(function)
        if change.traffic is None or before is None:
            state = await self.store.move(change)
            self.learn(state)
            return state
        routing = await self._routing(function, _moved(before, change.traffic))
        for name, percent in routing.shares().items():
            if percent:
                await function.admit(routing.revisions[name], is_known=True)
        state = await self.store.move(change)
        self.learn(state)
        self._obey(function, await self._routing(function, state, None, *routing.revisions.values()), began)
        return state

    async def tag(self, function: Function, tag: str, revision: str | None, change: Change) -> TrafficState:
        """A tag leads to this revision from now on; None takes it away. Raises as :meth:`move`."""
        return await self._step(function, change, lambda before: plan.tagged(before.traffic, tag, revision))

    async def promote(self, function: Function, change: Change) -> TrafficState:
        """Everything to the latest revision, and to those that follow it. Raises as :meth:`move`."""
        return await self._step(function, change, lambda before: plan.all_to(before.traffic, None))

    async def rollback(self, function: Function, to: str | None, change: Change) -> TrafficState:
        """Everything to a revision, or to the newest before the present one that ever had traffic. A newer
        deploy gets none until somebody promotes it. Raises as :meth:`move`.
        """
        target = to or await self._previous(function)
        return await self._step(function, change, lambda before: plan.all_to(before.traffic, target))

    async def _step(
        self, function: Function, change: Change, step: Callable[[TrafficState], Traffic]
    ) -> TrafficState:
        async with self.lock(function.name):
            before = await self._know(function)
            if before is None:
                raise NoSuchRevision(function.name, "latest")
            expected = before.version if change.expected is None else change.expected
            whole = Change(
                function=function.name,
                what=change.what,
                who=change.who,
                why=change.why,
                numbers=change.numbers,
                traffic=step(before),
                expected=expected,
            )
            return await self._move(function, whole)

    async def _previous(self, function: Function) -> str:
        state = await self._know(function)
        versions = await self.store.versions(function.name)
        main = function.routing.main if function.routing else state.latest if state else ""
        present = next((each.number for each in versions if each.name == main), 0)
        older = [each for each in versions if each.number < present]
        used = [each for each in older if each.last_active] or older
        if not used:
            raise NoSuchRevision(function.name, f"before {main}", (each.name for each in versions))
        return used[-1].name

    # Tools

    async def candidate(
        self, taken: Snapshot, *, wish: Deploy | None = None, name: str = "", is_folder: bool = True
    ) -> Candidate:
        """What the store is given of a snapshot."""
        wish = wish or Deploy()
        return Candidate(
            function=taken.function,
            digest=taken.digest,
            archive=await self._shelf.packed(taken),
            settings=taken.settings.decode(),
            name=name,
            author=wish.who,
            folder=files_digest(taken) if is_folder else "",
            note=wish.note,
        )

    async def obey(self, function: Function, state: TrafficState) -> None:
        """Take what another gateway decided, once every revision that gets calls is warm.

        Raises:
            FunctionNotLoaded: one of them cannot serve here.
            StoreUnavailable: one of them cannot be fetched.

        """
        async with self.lock(function.name):
            if function.live is None or state.changed < self.states[function.name].changed:
                return
            began = self._clock.now()
            routing = await self._routing(function, state)
            for name, percent in routing.shares().items():
                if percent:
                    await function.admit(routing.revisions[name], is_known=True)
            self._obey(function, routing, began)

    async def _routing(
        self, function: Function, state: TrafficState, taken: Snapshot | None = None, *known: Revision
    ) -> Routing:
        revisions: Mapping[str, Revision] = {each.name: each for each in known}
        found = {
            name: revisions.get(name) or await self._shelf.revision(function, name, state, taken)
            for name in sorted(state.traffic.names() | {state.latest})
        }
        return Routing(traffic=state.traffic, revisions=found, latest=state.latest)

    def _obey(self, function: Function, routing: Routing, began: float) -> None:
        before = function.routing
        function.route(routing)
        latest = routing.revisions[routing.latest]
        if before is None or before.latest != latest.name:
            self._signals.emit(
                RevisionReady(
                    function=function.name,
                    revision=latest.name,
                    digest=latest.digest,
                    seconds=self._clock.now() - began,
                )
            )

    async def _collect(self, function: Function, published: Published) -> None:
        """Garbage comes with new revisions only, so this is when to look for it."""
        policy = self._retention()
        if published.is_new and published.number > policy.least:
            await self.store.collect(function.name, policy, set(function.lives))


def files_digest(taken: Snapshot) -> str:
    """What a snapshot's files are known by, whatever the settings."""
    return taken.under(b"").digest


def _moved(state: TrafficState, traffic: Traffic) -> TrafficState:
    return TrafficState(
        function=state.function,
        version=state.version,
        traffic=traffic,
        latest=state.latest,
        digest=state.digest,
        created=state.created,
        folder=state.folder,
        changed=state.changed,
    )
