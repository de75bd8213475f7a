"""Revisions get their names, and traffic moves: the verbs above the store and the functions.

A change is made ready in the function first, then written in the store, then obeyed by the function: what fails
on the way leaves everything as it was. Following what other gateways did is :mod:`bff.runtime.follower`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from bff.clock import Clock
from bff.config import ReleaseConfig
from bff.errors import FunctionNotLoaded
from bff.revisions import plan
from bff.revisions.plan import Deploy, Rules
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import Candidate, Published, TrafficState
from bff.revisions.store.retention import Retention
from bff.revisions.store.store import Store
from bff.runtime.function import Function
from bff.runtime.shelf import Shelf
from bff.signals import LoadFailed, RevisionReady, Signals, Unexpected

GATEWAY = "gateway"
"""Who did what nobody asked for."""


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
        release: Callable[[str], ReleaseConfig] = lambda function: ReleaseConfig(),
    ) -> None:
        """``retention`` and ``release`` are what routes.yaml says now, the latter of a function."""
        self.store = store
        self.states: dict[str, TrafficState] = {}
        self._shelf = shelf
        self._clock = clock
        self._signals = signals
        self._dev = dev
        self._retention = retention
        self._release = release
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
        if state is None:
            assert taken is not None
            state = await self._publish_first(function, taken)
        elif taken is not None:
            await self._publish_changed(function, taken, state, began)
            state = self.states[function.name]
        if function.live is None:
            is_current = taken is not None and files_digest(taken) == state.folder
            failure = None if is_current else function.failure
            await self._restore(function, state, taken, began)
            function.failure = failure  # an older one serves, and what is wrong with the new text is still so

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
            await self._deploy(function, taken, Deploy(who=GATEWAY), began, is_folder=True)
            return True
        return False

    async def _restore(
        self, function: Function, state: TrafficState, taken: Snapshot | None, began: float
    ) -> None:
        while True:
            routing = await self.routing(function, state, taken)
            if len(routing.reachable()) == 1:
                await function.admit(routing.revisions[routing.main], is_known=True)
            newer = self.states.get(function.name, state)
            if newer.changed == state.changed:
                break
            state = (
                newer  # another gateway moved traffic while this one warmed: who follows it saw nobody live
            )
        self.take(function, routing, began)

    async def restore_cold(self, function: Function) -> None:
        """Route a function by what the store says without loading anything, so that the store may go away
        before its first call. One whose newest revision is the folder's has no need of that.
        """
        async with self.lock(function.name):
            state = self.states.get(function.name)
            if function.live is None and state is not None:
                function.route(await self.routing(function, state, None))

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
        wish = Deploy(who=GATEWAY, note="its settings in routes.yaml changed")
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
            await self.know(function)
            return await self._deploy(function, taken, wish, began, is_folder=False)

    async def know(self, function: Function) -> TrafficState | None:
        """Who gets its calls. A function nobody ever published is published as it lies in the folder first: what
        comes after is newer. None where the folder has nothing to publish either.
        """
        if function.name not in self.states:
            state = await self.store.traffic(function.name)
            if state.latest:
                self.learn(state)
                return state
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
        rules = Rules(is_save=self._dev, release=self._release(function.name), now=self._clock.wall())
        published, state = await self.store.deploy(
            candidate, lambda before, made, release: plan.after_deploy(before, made, release, wish, rules)
        )
        if published.name != name:  # another gateway published the same at the same time
            revision = Revision(published.name, function.name, taken, published.created)
        self.learn(state)
        routing = await self.routing(function, state, taken, revision)
        self.take(function, routing, began)
        await self._collect(function, published)
        return published, state

    # Tools

    async def candidate(
        self, taken: Snapshot, *, wish: Deploy | None = None, name: str = "", is_folder: bool = True
    ) -> Candidate:
        """What the store is given of a snapshot."""
        wish = wish or Deploy(who=GATEWAY)
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
            routing = await self.routing(function, state)
            for name, percent in routing.shares().items():
                if percent:
                    await function.admit(routing.revisions[name], is_known=True)
            self.take(function, routing, began)

    async def routing(
        self, function: Function, state: TrafficState, taken: Snapshot | None = None, *known: Revision
    ) -> Routing:
        revisions: Mapping[str, Revision] = {each.name: each for each in known}
        found = {
            name: revisions.get(name) or await self._shelf.revision(function, name, state, taken)
            for name in sorted(state.traffic.names() | {state.latest})
        }
        return Routing(traffic=state.traffic, revisions=found, latest=state.latest)

    def take(self, function: Function, routing: Routing, began: float) -> None:
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
