"""Which traffic is in force in this gateway: learned from the store, made ready, and taken in one step.

What cannot be obeyed as a whole is obeyed as far as possible, and says what stands in the way. Who decides it, and
writes it down, are :mod:`bff.runtime.publisher` and :mod:`bff.runtime.mover`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType

from bff.clock import Clock
from bff.errors import BffError, GatewayDraining
from bff.revisions import plan
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing, age
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.records import TrafficState
from bff.revisions.store.store import Store
from bff.runtime.function import Function
from bff.runtime.shelf import Shelf
from bff.runtime.turns import Turns
from bff.signals import LoadFailed, RevisionReady, Signals

NO_FAILURES: Mapping[str, BffError] = MappingProxyType({})


class InForce:
    """Traffic of a function moves under ``_moving``, which is held for a moment: no new code is loaded there.

    Mutable state: ``states``, the last traffic known of every function; ``behind``, functions that do not obey it as a
    whole; ``approved``, revisions whose ``check()`` agreed since the store was last told; the locks.
    """

    def __init__(self, store: Store, *, shelf: Shelf, clock: Clock, signals: Signals) -> None:
        self.states: dict[str, TrafficState] = {}
        self.behind: set[str] = set()
        self.approved: set[str] = set()
        self._store = store
        self._shelf = shelf
        self._clock = clock
        self._signals = signals
        self._moving = Turns()

    def lock(self, function: str) -> AbstractAsyncContextManager[None]:
        """Held while the function's traffic changes: for a moment, never while new code is loaded."""
        return self._moving.of(function)

    def learn(self, state: TrafficState) -> bool:
        """Remember a function's traffic; False when later news is known already."""
        known = self.states.get(state.function)
        if known is not None and known.changed >= state.changed:
            return False
        self.states[state.function] = state
        return True

    async def restore(
        self, function: Function, state: TrafficState, taken: Snapshot | None, began: float
    ) -> None:
        """Route it by what is in force. Another gateway may move traffic while this one warms: who follows it
        sees nobody live here yet.
        """
        while True:
            routing, failures = await self._possible(function, state, taken, warms_all=False)
            if routing is None:
                raise next(iter(failures.values()))
            async with self.lock(function.name):
                newer = self.states.get(function.name, state)
                if function.live is not None:
                    return
                if newer.changed == state.changed:
                    self._take(function, routing, began, failures)
                    return
                state = newer

    async def restore_cold(self, function: Function) -> None:
        """Route a function by what the store says without loading anything, so that the store may go away
        before its first call. One whose newest revision is the folder's has no need of that.
        """
        async with self.lock(function.name):
            state = self.states.get(function.name)
            if function.live is None and state is not None:
                function.route(await self.routing(function, state, None))

    async def obey(self, function: Function, state: TrafficState) -> Mapping[str, BffError]:
        """Take what another gateway decided, once every revision that gets calls is warm. Those that cannot serve
        here, and why: their calls go to the others meanwhile, or to whom they went before if there are none.
        """
        began = self._clock.now()
        routing, failures = await self._possible(function, state, None, warms_all=True)
        async with self.lock(function.name):
            is_so = function.live is not None and state.changed >= self.states[function.name].changed
            if is_so:
                self._take(function, routing, began, failures)
        return failures if is_so else {}

    async def _possible(
        self, function: Function, state: TrafficState, taken: Snapshot | None, *, warms_all: bool
    ) -> tuple[Routing | None, Mapping[str, BffError]]:
        """The traffic that is in force, or what of it is possible here, warm; and which revisions stand in the
        way. A sole revision is always warmed, others only if ``warms_all``: a first call waits for nobody else's.
        """
        found: dict[str, Revision] = {}
        failures: dict[str, BffError] = {}
        shares = state.shares()
        for name in sorted(state.traffic.names() | {state.latest}):
            try:
                found[name] = await self._shelf.revision(function, name, state, taken)
                if name in shares and (warms_all or len(state.routed()) == 1):
                    await self._warmed(function, found[name], state)
            except GatewayDraining:
                raise
            except BffError as failure:
                failures[name] = failure
        if not failures:
            return Routing(
                traffic=state.traffic, revisions=found, latest=state.latest, canary=state.canary
            ), failures
        traffic = plan.without(plan.pinned(state.traffic, state.latest), failures)
        if traffic is None:
            return None, failures
        latest = state.latest if state.latest in found else max(traffic.names(), key=age)
        return Routing(traffic=traffic, revisions=found, latest=latest, canary=state.canary), failures

    async def _warmed(self, function: Function, revision: Revision, state: TrafficState) -> None:
        is_known = state.is_approved or revision.name != state.latest
        await function.admit(revision, is_known=is_known)
        if not is_known:
            self.approved.add(revision.name)

    async def routing(
        self, function: Function, state: TrafficState, taken: Snapshot | None = None, *known: Revision
    ) -> Routing:
        revisions: Mapping[str, Revision] = {each.name: each for each in known}
        found = {
            name: revisions.get(name) or await self._shelf.revision(function, name, state, taken)
            for name in sorted(state.traffic.names() | {state.latest})
        }
        return Routing(traffic=state.traffic, revisions=found, latest=state.latest, canary=state.canary)

    async def settle(
        self,
        function: Function,
        state: TrafficState,
        began: float,
        taken: Snapshot | None = None,
        *known: Revision,
    ) -> None:
        """Obey what is written down. What stands in the way of that now is told, and undoes nothing: it is tried
        again by whoever follows the store.
        """
        self.learn(state)
        try:
            self._take(function, await self.routing(function, state, taken, *known), began)
        except BffError as failure:
            self.behind.add(function.name)
            report = f"{failure} What was decided is written down, and is obeyed once it can be."
            serving = function.live.revision.name if function.live else None
            self._signals.emit(LoadFailed(function=function.name, report=report, serving=serving))

    def _take(
        self,
        function: Function,
        routing: Routing | None,
        began: float,
        failures: Mapping[str, BffError] = NO_FAILURES,
    ) -> None:
        (self.behind.add if failures else self.behind.discard)(function.name)
        if routing is None:
            return
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

    async def note_approved(self) -> None:
        """Write down which revisions' ``check()`` agreed; what cannot be written waits for the next time.

        Raises:
            StoreUnavailable: the store cannot be written.

        """
        for name in sorted(self.approved):
            await self._store.approve(name)
            self.approved.discard(name)

    def __repr__(self) -> str:
        return f"<InForce for {len(self.states)} functions>"
