"""Between a revision and its calls: warms the instance when the first one comes, lets in as many as may be
inside, keeps the others in line, and lets the instance go safely.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bff.errors import GatewayDraining
from bff.measured import WarmUp
from bff.revisions.revision import Revision
from bff.runtime.autoscaler import Memory, Seen, decide
from bff.runtime.crowd import Crowd
from bff.runtime.errands import heard
from bff.runtime.instance import Instance
from bff.runtime.lifecycle import State, moved
from bff.runtime.line import Line
from bff.runtime.maker import Maker
from bff.runtime.settings import Settings
from bff.sdk.invocation import Invocation
from bff.signals import FirstCalled, WarmedUp


class Activator:
    """The one instance of a revision and the calls that wait for it.

    ``instance`` is there exactly while calls may enter: whoever gets in by :meth:`enter_now` or
    :meth:`enter` calls :meth:`leave` at the end.

    Mutable state: ``_state``, ``instance``, ``in_flight``, ``last_warm_up``, ``last_call``, ``warm_since``, ``tenure``,
    ``_line``, ``_memory``, ``_cold_callers``, ``_warming``, ``_is_leaving``, ``_parting``, ``_evicting``, ``_gone``.
    """

    __slots__ = (
        "_cold_callers",
        "_evicting",
        "_gone",
        "_is_leaving",
        "_limit",
        "_line",
        "_maker",
        "_memory",
        "_parting",
        "_state",
        "_warming",
        "in_flight",
        "instance",
        "last_call",
        "last_warm_up",
        "revision",
        "settings",
        "tenure",
        "warm_since",
    )

    def __init__(self, revision: Revision, settings: Settings, maker: Maker[Instance]) -> None:
        self.revision = revision
        self.settings = settings
        self.tenure = revision.digest
        self._state = State.COLD
        self._limit = settings.concurrency
        self._line: Line[Instance] = Line(give_back=self._give_back)
        self._cold_callers = Crowd()
        self.last_call: float | None = None
        self.warm_since: float | None = None
        self._memory = Memory()
        self.instance: Instance | None = None
        self.in_flight = 0
        self.last_warm_up: WarmUp | None = None
        self._maker = maker
        self._warming: asyncio.Task[None] | None = None
        self._is_leaving = False
        self._parting: Instance | None = None
        self._evicting: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()

    @property
    def state(self) -> State:
        """Where it is in its life; warm and idle are told apart by whether anybody is inside."""
        return State.IDLE if self._state is State.WARM and self.in_flight == 0 else self._state

    @property
    def instances(self) -> int:
        """How many take calls: none or one."""
        return int(self.instance is not None)

    @property
    def by_state(self) -> Mapping[str, int]:
        """How many instances are in which state: one at most, none that is cold."""
        return {} if self._state in (State.COLD, State.EVICTED) else {str(self.state): 1}

    @property
    def waiting(self) -> int:
        """Callers who wait for the warm-up or for a place."""
        return self._cold_callers.waiting + self._line.waiting

    @property
    def warm_instances(self) -> Sequence[Instance]:
        """Those that take calls."""
        return () if self.instance is None else (self.instance,)

    @property
    def last_active(self) -> float | None:
        """When a call last ended, or it became warm; None before either."""
        return latest(self.last_call, self.warm_since)

    def succeed(self, old: Activator) -> None:
        """Take the place of another of the same revision, and what is remembered of it."""
        self.last_call = old.last_call

    def reads(self, route: str) -> tuple[bytes, ...] | None:
        """What its handler reads of a request; None when there is no instance to ask."""
        instance = self.instance or self._parting
        return None if instance is None else instance.reads(route)

    def enter_now(self) -> Instance | None:
        """Get in without waiting; None when it is cold, full, or others wait already."""
        if self.instance is None or (self._limit and (self.in_flight >= self._limit or self._line.waiting)):
            return None
        self.in_flight += 1
        return self.instance

    async def enter(self) -> Instance:
        """Get in, after the warm-up and everybody who came before.

        Raises:
            FunctionNotLoaded: the warm-up failed.
            Overloaded: too many wait already.
            GatewayDraining: no call enters any more.

        """
        if self.instance is None:
            await self._cold_callers.heard(self._begun(), self.revision.function)
            if self.instance is None:  # let go as soon as it was there
                raise GatewayDraining
        instance = self.enter_now()
        if instance is None:
            # Who leaves hands over a place that is counted already.
            instance = await self._line.stand(self.revision.function)
        return instance

    def _give_back(self, instance: Instance) -> None:
        """A place that was handed to somebody who left in that turn."""
        self.leave(instance, self.last_call)

    async def warm(self) -> Instance:
        """The warm instance; one warm-up serves everybody who waits, and outlives each of them.

        Raises:
            FunctionNotLoaded: the warm-up failed.
            GatewayDraining: no call enters any more.

        """
        if self.instance is not None:
            return self.instance
        await heard(self._begun())
        if self.instance is None:
            raise GatewayDraining
        return self.instance

    def _begun(self) -> asyncio.Task[None]:
        """The warm-up that runs; it begins where none does.

        Raises:
            GatewayDraining: no call enters any more.

        """
        if self._is_leaving:
            raise GatewayDraining
        if self._warming is None:
            self._state = moved(self._state, State.WARMING)
            self._warming = asyncio.create_task(self._warm_up())
            self._warming.add_done_callback(self._warmed)  # the first to hear, before all who wait
        return self._warming

    async def _warm_up(self) -> None:
        instance, warmed = await self._maker.make(self.revision, self.settings)
        self._state = moved(self._state, State.WARM)
        self.instance = instance
        self.warm_since = self._maker.clock.now()
        instance.on_first_call = self._first_called
        self.last_warm_up = warmed
        self._maker.signals.emit(WarmedUp(warm_up=warmed))
        self._leave_if_asked()

    @property
    def last_phases(self) -> Mapping[str, float]:
        """Seconds by phase of the last warm-up, and of the first call once it was answered."""
        return self.last_warm_up.phases if self.last_warm_up is not None else {}

    def _first_called(self, invocation: Invocation, seconds: float) -> None:
        assert self.last_warm_up is not None
        self.last_warm_up = self.last_warm_up.then_called(seconds)
        if invocation.phases is not None:  # it was the one that waited for the warm-up
            invocation.phases = self.last_warm_up.phases
        self._maker.signals.emit(FirstCalled(warm_up=self.last_warm_up))

    def _warmed(self, warming: asyncio.Task[None]) -> None:
        self._warming = None
        if self._state is State.WARMING:  # it failed, or was cancelled, perhaps before it began
            self._state = moved(self._state, State.COLD)
            self._leave_if_asked()
        if not warming.cancelled():
            warming.exception()  # each waiter was told; with none left, nobody needs to be
        self._cold_callers.wake(warming)

    def leave(self, instance: Instance, now: float | None) -> None:
        """A call has ended, at ``now``: its place goes to the next in line. The last one out of a draining
        revision ends its instance.
        """
        self.last_call = now
        if self._line.waiting and self._line.hand_over(instance):
            return
        self.in_flight -= 1
        if self._state is State.DRAINING and self.in_flight == 0:
            self._begin_eviction()

    def consider(self, now: float) -> bool:
        """Whether the autoscaler wants the instance to stay."""
        policy = self.settings.scale
        inline = replace(policy, min=min(policy.min, 1), max=1)  # more on one loop add no capacity
        load = float(self.in_flight + self.waiting)
        seen = Seen(ready=1, stable=load, panic=load, in_flight=self.in_flight, last_call=self.last_active)
        decision = decide(seen, inline, now, self._memory)
        self._memory = decision.memory
        return decision.instances > 0

    def drain(self) -> None:
        """No call enters any more; the instance goes when the last one has left. What still warms goes then."""
        self._is_leaving = True
        self._leave_if_asked()

    def _leave_if_asked(self) -> None:
        if not self._is_leaving:
            return
        if self._state is State.COLD:
            self._state = moved(self._state, State.EVICTED)
            self._gone.set()
        elif self._state is State.WARM:
            self._state = moved(self._state, State.DRAINING)
            self._parting, self.instance = self.instance, None
            if self._parting is not None:
                self._parting.farewells.say()
            self._line.fail(GatewayDraining())  # they go to whoever takes over
            if self.in_flight == 0:
                self._begin_eviction()

    def _begin_eviction(self) -> None:
        if self._evicting is None:
            self._evicting = asyncio.create_task(self._evict())

    async def _evict(self) -> None:
        instance, self._parting = self._parting, None
        assert instance is not None
        try:
            await self._maker.unmake(instance, self.revision, self.settings)
        finally:
            self._state = moved(self._state, State.EVICTED)
            self._gone.set()

    async def gone(self) -> None:
        """Return when the instance is gone, after :meth:`drain`."""
        await self._gone.wait()

    async def close(self) -> None:
        """Drain, whoever is still inside, and return when the instance is gone."""
        self.drain()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait({self._warming})
        if self._state is State.DRAINING:
            self._begin_eviction()
        await self._gone.wait()

    def __repr__(self) -> str:
        return f"<Activator {self.revision.name}: {self.state}, {self.in_flight} in flight>"


def latest(*moments: float | None) -> float | None:
    """The last of those that there were."""
    return max((each for each in moments if each is not None), default=None)
