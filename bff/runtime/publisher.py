"""Revisions get their names: of what is in the folder, what is deployed, and what changed settings make of them.

A change is made ready in the function first, then written in the store, then obeyed (:mod:`bff.runtime.inforce`):
what fails before it is written leaves everything as it was. Following what other gateways did is
:mod:`bff.runtime.follower`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from bff.clock import Clock
from bff.config import ReleaseConfig
from bff.errors import FunctionNotLoaded
from bff.revisions import plan
from bff.revisions.plan import Deploy, Rules
from bff.revisions.release import from_json
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import Candidate, Deployed, Published, TrafficState
from bff.revisions.store.retention import Retention
from bff.revisions.store.store import Store
from bff.runtime.firstlook import FirstLook
from bff.runtime.function import Function
from bff.runtime.inforce import InForce
from bff.runtime.shelf import Shelf
from bff.runtime.turns import Turns
from bff.signals import FolderPassedOver, LoadFailed, Signals, Unexpected

GATEWAY = "gateway"
"""Who did what nobody asked for."""


class Publisher:
    """Publications of a function wait for each other, and for the load of what is new; for a change of traffic they
    take the lock of ``in_force`` besides, in this order.

    Mutable state: ``in_force``; the ``first_look``; ``_passed_over``, functions whose folder was told of;
    ``_publishing``, the locks.
    """

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
        self.in_force = InForce(store, shelf=shelf, clock=clock, signals=signals)
        self._shelf = shelf
        self._clock = clock
        self._signals = signals
        self.is_dev = dev
        self._retention = retention
        self._release = release
        self.first_look = FirstLook()
        self._passed_over: set[str] = set()
        self._publishing = Turns()

    # What functions ask for

    def shares(self, function: Function) -> Mapping[str, int]:
        """Percent by revision as far as it is known here; nothing where it is not."""
        if function.routing is not None:
            return {name: share for name, share in function.routing.shares().items() if share}
        state = self.in_force.states.get(function.name)
        return {} if state is None else state.shares()

    async def kept(self, function: Function, name: str) -> Revision:
        """A revision that is kept, whatever its traffic.

        Raises:
            NoSuchRevision: it is not kept, or no longer.
            StoreUnavailable: it would have to be fetched, and cannot be.

        """
        return await self._shelf.revision(function, name, self.in_force.states[function.name])

    async def open(self, function: Function) -> None:
        """Route a function for the first time in this process: as the store says, after publishing what is new
        in the folder.

        Raises:
            FunctionNotLoaded: there is no revision that could serve.
            StoreUnavailable: it was never published, and cannot be now; or its revision cannot be fetched.

        """
        async with self._publishing.of(function.name):
            if function.live is None:
                await self._open(function, is_start=True)

    def keep_at_hand(self, function: Function, taken: Snapshot) -> None:
        """A function's text, as it is published at the start, for its first call, unless that has come meanwhile. Not
        in dev: there it may come faster than the news of a save.
        """
        if not self.is_dev and function.live is None and not function.entrance.is_opening:
            self.first_look.keep(taken)

    async def _open(self, function: Function, *, is_start: bool) -> None:
        began = self._clock.now()
        kept = self.first_look.text(function.name)
        if is_start and kept is not None:
            taken: Snapshot | None = kept.under(function.settings.frozen())
        else:
            taken = await self._looked_at(function)
        state = self.in_force.states.get(function.name)
        if state is None:
            assert taken is not None
            await self._publish_first(taken)
        elif taken is not None:
            await self._publish_changed(function, taken, state, began, is_start=is_start)
        if function.live is None:
            state = self.in_force.states[function.name]
            failure = function.failure
            if failure is not None and taken is not None and files_digest(taken) == state.folder:
                failure = None
            await self.in_force.restore(function, state, taken, began)
            function.failure = failure  # an older one serves, and what is wrong with the new text is still so

    async def _looked_at(self, function: Function) -> Snapshot | None:
        """The folder's text; None where it is none but an older revision can serve."""
        try:
            return await function.look()
        except FunctionNotLoaded as failure:
            function.tell(failure)
            if function.name in self.in_force.states:
                return None
            raise

    async def _publish_first(self, taken: Snapshot) -> None:
        await self.store.publish([await self.candidate(taken)])
        self.in_force.learn(await self.store.traffic(taken.function))

    async def _publish_changed(
        self, function: Function, taken: Snapshot, state: TrafficState, began: float, *, is_start: bool
    ) -> bool:
        """Publish what is new in the folder, or in the settings, as if by a deploy; True when it was. At the
        start what the store knows already is not new: see ADR 43. After it a first call finds nothing new either.
        """
        with self._told(function), self._remembered(function, taken, state, is_start=is_start):
            return await self._brought(function, taken, state, began, is_start=is_start)
        return False

    async def _brought(
        self, function: Function, taken: Snapshot, state: TrafficState, began: float, *, is_start: bool
    ) -> bool:
        is_old = files_digest(taken) == state.folder or (
            is_start and function.name in self.first_look.settled
        )
        if is_old or (is_start and await self.passes_over(function, taken)):
            return await self._succeed(function, state, taken, began, is_start=is_start)
        await self._deploy(function, taken, Deploy(who=GATEWAY), began, is_folder=True)
        return True

    @contextmanager
    def _remembered(
        self, function: Function, taken: Snapshot | None, state: TrafficState, *, is_start: bool
    ) -> Iterator[None]:
        """What the store does not take of the start is published later, as it was."""
        try:
            yield
        except StoreUnavailable:
            if is_start:
                self.first_look.put_off(function.name, taken, state.latest)
            raise

    async def resume(self, function: Function) -> None:
        """Publish what the store did not take of a function at the start, if there is such a thing. Where a newer
        revision was published meanwhile, what was found at the start is not new any more.

        Raises:
            StoreUnavailable: it does not take it now either.

        """
        async with self._publishing.of(function.name):
            left = self.first_look.unwritten.get(function.name)
            if left is None:
                return
            state, began = await self.store.traffic(function.name), self._clock.now()
            if state.latest == left.latest:
                try:
                    await self._resumed(function, left.taken, state, began)
                except FunctionNotLoaded as failure:
                    function.tell(failure)
            del self.first_look.unwritten[function.name]

    async def _resumed(
        self, function: Function, taken: Snapshot | None, state: TrafficState, began: float
    ) -> None:
        if taken is None:
            await self._succeed(function, state, None, began, is_start=True)
        else:
            taken = taken.under(function.settings.frozen())
            await self._brought(function, taken, state, began, is_start=True)

    async def passes_over(self, function: Function, taken: Snapshot) -> bool:
        """Whether the store knows these files of a folder that was found at the start; it is told then. A gateway
        that comes back with an older folder must not take newer revisions' traffic.
        """
        known = await self.store.holding(function.name, taken.digest, files_digest(taken))
        if known is None:
            return False
        state = self.in_force.states[function.name]
        if known.name not in state.shares() and function.name not in self._passed_over:
            self._passed_over.add(function.name)
            self._signals.emit(
                FolderPassedOver(
                    function=function.name,
                    revision=known.name,
                    serving=state.main,
                    is_taken_back=known.condemned > 0,
                )
            )
        return True

    async def refresh(self, function: Function) -> bool:
        """Publish what is new on the disk; True when there was something. A failure is told as a signal."""
        async with self._publishing.of(function.name):
            try:
                with self._told(function):
                    return await self._refresh(function)
            except Exception as error:  # a bug of ours must not end the watching
                self._signals.emit(Unexpected(where=f"refresh of {function.name}", error=error))
            return False

    async def _refresh(self, function: Function) -> bool:
        began, state = self._clock.now(), self.in_force.states.get(function.name)
        if state is None or function.live is None:
            await self._open(function, is_start=False)
            return True
        taken = await function.look()
        if files_digest(taken) == state.folder:
            function.is_unchanged()
        return await self._publish_changed(function, taken, state, began, is_start=False)

    async def succeed(self, function: Function, *, is_start: bool = False) -> bool:
        """Publish what serves under the present settings, where those are others than those last published; True
        when they were. At the start those that the store knows are nothing new. A failure is told as a signal.
        """
        async with self._publishing.of(function.name):
            state, began = self.in_force.states.get(function.name), self._clock.now()
            if state is None or function.live is None:
                return False
            with self._told(function), self._remembered(function, None, state, is_start=is_start):
                return await self._succeed(function, state, None, began, is_start=is_start)
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
        self, function: Function, state: TrafficState, taken: Snapshot | None, began: float, *, is_start: bool
    ) -> bool:
        if taken is not None and taken.digest == state.digest:
            return False
        latest = await self._shelf.revision(function, state.latest, state, taken)
        frozen = function.settings.frozen()
        if latest.snapshot.under(frozen).digest == latest.digest:
            return False
        name = await self._served(state)
        fresh = (await self._shelf.revision(function, name, state, taken)).snapshot.under(frozen)
        if is_start and await self.store.holding(function.name, fresh.digest, "") is not None:
            return False
        wish = Deploy(who=GATEWAY, note="its settings in routes.yaml changed")
        await self._deploy(function, fresh, wish, began, is_folder=False)
        return True

    async def _served(self, state: TrafficState) -> str:
        """Whose files changed settings are for: those that serve, or are about to. The latest may have been taken
        back, or never released.
        """
        release = await self.store.release(state.function)
        if release.goes_on and release.state is not None:
            return from_json(release.state).canary
        return state.main

    # What people ask for

    async def deploy(self, function: Function, packed: bytes, wish: Deploy) -> Deployed:
        """Publish an archive, after it was loaded and checked without a byte of traffic. One whose digest is
        known is that revision, and becomes the latest again.

        Raises:
            ArchiveInvalid: the bytes are no archive of this function.
            FunctionNotLoaded: it cannot serve; everything is as it was.
            TrafficInvalid: the tag is no name.
            StoreUnavailable: it cannot be kept; everything is as it was.

        """
        taken = await self._shelf.unpacked(packed, function)
        await self.know(function)
        async with self._publishing.of(function.name):
            return await self._deploy(function, taken, wish, self._clock.now(), is_folder=False)

    async def know(self, function: Function) -> TrafficState | None:
        """Who gets its calls. A function nobody ever published is published as it lies in the folder first: what
        comes after is newer. None where the folder has nothing to publish either.
        """
        if function.name in self.in_force.states:
            return self.in_force.states[function.name]
        async with self._publishing.of(function.name):
            state = await self.store.traffic(function.name)
            if not state.latest:
                try:
                    await self.store.publish([await self.candidate(await function.look())])
                except FunctionNotLoaded:
                    return None
                state = await self.store.traffic(function.name)
            self.in_force.learn(state)
            return state

    async def _deploy(
        self, function: Function, taken: Snapshot, wish: Deploy, began: float, *, is_folder: bool
    ) -> Deployed:
        """Load and check it, while traffic may move; then write it down and obey."""
        name, _ = await self.store.reserve(function.name, taken.digest)
        revision = self._shelf.at_hand(function, name) or Revision(
            name, function.name, taken, self._clock.wall()
        )
        await function.admit(revision)
        candidate = await self.candidate(taken, wish=wish, name=name, is_folder=is_folder, is_approved=True)
        async with self.in_force.lock(function.name):
            rules = Rules(is_save=self.is_dev, release=self._release(function.name), now=self._clock.wall())
            made = await self.store.deploy(
                candidate, lambda before, new, release: plan.after_deploy(before, new, release, wish, rules)
            )
            if made.published.name != name:  # another gateway published the same at the same time
                revision = Revision(made.published.name, function.name, taken, made.published.created)
            await self.in_force.settle(function, made.traffic, began, taken, revision)
        await self._collect(function, made.published)
        return made

    # Tools

    async def candidate(
        self,
        taken: Snapshot,
        *,
        wish: Deploy | None = None,
        name: str = "",
        is_folder: bool = True,
        is_approved: bool = False,
    ) -> Candidate:
        """What the store is given of a snapshot."""
        wish, files = wish or Deploy(who=GATEWAY), files_digest(taken)
        return Candidate(
            function=taken.function,
            digest=taken.digest,
            archive=await self._shelf.packed(taken),
            settings=taken.settings.decode(),
            name=name,
            author=wish.who,
            folder=files if is_folder else "",
            note=wish.note,
            files=files,
            is_approved=is_approved,
        )

    async def _collect(self, function: Function, published: Published) -> None:
        """Garbage comes with new revisions only, so this is when to look for it; where it stays, the next new one
        takes it along.
        """
        policy = self._retention()
        if published.is_new and published.number > policy.least:
            with suppress(StoreUnavailable):
                await self.store.collect(function.name, policy, set(function.lives))


def files_digest(taken: Snapshot) -> str:
    """What a snapshot's files are known by, whatever the settings."""
    return taken.under(b"").digest
