"""The process instances of a revision: as many as the autoscaler wants, from their making to their end. Who gets
into which of them, and who waits, is for their :class:`~bff.runtime.places.Places` to say.

It has the face of :class:`bff.runtime.activator.Activator`, which does the same for the one instance that a
function has in the gateway itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from bff.clock import Timer
from bff.errors import GatewayDraining
from bff.measured import WarmUp
from bff.revisions.revision import Revision
from bff.runtime.activator import latest
from bff.runtime.autoscaler import Memory, Metric, Seen, decide
from bff.runtime.backoff import Backoff
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.lifecycle import State
from bff.runtime.load import Load
from bff.runtime.maker import Maker
from bff.runtime.places import Places
from bff.runtime.settings import Settings
from bff.sdk.invocation import Invocation
from bff.signals import FirstCalled, InstanceDead, WarmedUp


class Pool:
    """Mutable state: ``places``, ``_starting``, ``_stopping``, ``_load``, ``_memory``, ``_backoff``, ``_later``,
    ``_is_leaving``, ``last_call``, ``warm_since``, ``last_warm_up``, ``tenure``, ``_is_new`` (until it succeeds
    another, it is a revision's first).
    """

    def __init__(self, revision: Revision, settings: Settings, maker: Maker[ProcessInstance]) -> None:
        self.revision = revision
        self.settings = settings
        self.tenure = revision.digest
        self.last_call: float | None = None
        self.warm_since: float | None = None
        self._is_new = True
        self.last_warm_up: WarmUp | None = None
        self._maker = maker
        self._clock = maker.clock
        self.places: Places[ProcessInstance] = Places(
            settings.concurrency, emptied=self._stop, missed=self._replace_lost
        )
        self._load = Load(self._clock.now(), keep=settings.scale.window)
        self._memory = Memory()
        self._backoff = Backoff()
        self._later: Timer | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._stopping: dict[ProcessInstance, asyncio.Task[None]] = {}
        self._is_leaving = False
        self._is_gone = asyncio.Event()

    @property
    def instance(self) -> ProcessInstance | None:
        """One that takes calls; None when there is none."""
        return next(iter(self.places.open), None)

    @property
    def instances(self) -> int:
        """How many take calls."""
        return len(self.places.open)

    @property
    def by_state(self) -> Mapping[str, int]:
        """How many instances are in which state; none that is cold."""
        busy = self.places.busy
        counts = {
            State.WARMING: len(self._starting),
            State.WARM: busy,
            State.IDLE: len(self.places.open) - busy,
            State.DRAINING: len(self.places.parting),
        }
        return {str(state): count for state, count in counts.items() if count}

    @property
    def warm_instances(self) -> Sequence[ProcessInstance]:
        """Those that take calls."""
        return tuple(self.places.open)

    @property
    def last_active(self) -> float | None:
        """When a call last ended, or one became warm where none was; None before either."""
        return latest(self.last_call, self.warm_since)

    def succeed(self, old: Pool) -> None:
        """Take the place of another of the same revision, and what is remembered of it."""
        self.last_call, self._is_new = old.last_call, False

    @property
    def in_flight(self) -> int:
        """Calls inside, over all processes."""
        return self.places.calls

    @property
    def waiting(self) -> int:
        """Callers in line."""
        return self.places.line.waiting

    @property
    def last_phases(self) -> Mapping[str, float]:
        """Seconds by phase of the last warm-up."""
        return self.last_warm_up.phases if self.last_warm_up is not None else {}

    @property
    def state(self) -> State:
        """Of the pool as a whole: where its best instance is."""
        if self._is_leaving:
            return State.EVICTED if self._is_gone.is_set() else State.DRAINING
        if self.places.open:
            return State.WARM if self.in_flight else State.IDLE
        return State.WARMING if self._starting else State.COLD

    def reads(self, _route: str) -> tuple[bytes, ...]:
        """What its handlers read of a request: they are given all of it."""
        return (b"whole:",)

    def enter_now(self) -> ProcessInstance | None:
        """Get into the least busy instance without waiting; None when all are full, or others wait."""
        instance = None if self.places.line.waiting else self.places.take()
        if instance is not None:
            self._load.enter(self._clock.now())
        return instance

    async def enter(self) -> ProcessInstance:
        """Get in, after the warm-up and everybody who came before. Who waits counts as load, as with Knative's
        activator: it is for them that more instances are made.

        Raises:
            FunctionNotLoaded: no instance could be made.
            Overloaded: too many wait already.
            GatewayDraining: no call enters any more.

        """
        instance = self.enter_now()
        if instance is None:
            self._load.enter(self._clock.now())
            try:
                instance = await self._waited_for()
            except BaseException:
                self._load.leave(self._clock.now())
                raise
        return instance

    async def _waited_for(self) -> ProcessInstance:
        instance: ProcessInstance | None = None
        while instance is None:
            if self._is_leaving:
                raise GatewayDraining
            if not self.places.open and not self._starting:
                self._grow(self.settings.scale.first(is_new=self._is_new))
            instance = await self.places.line.stand(self.revision.function)
            if not instance.is_alive:
                self.places.give_back(instance)  # it ended in the turn in which we were let in
                instance = self.places.take()
        return instance

    async def warm(self) -> None:
        """Return once an instance could be made, however soon it may end.

        Raises:
            FunctionNotLoaded: none could be made.
            GatewayDraining: no call enters any more.

        """
        if self._is_leaving:
            raise GatewayDraining
        if not self.places.open and not self._starting:
            self._grow(self.settings.scale.first(is_new=self._is_new))
        while not self.places.open:
            done, _ = await asyncio.wait(set(self._starting), return_when=asyncio.FIRST_COMPLETED)
            failures = [GatewayDraining() if task.cancelled() else task.exception() for task in done]
            if None in failures:
                return
            if not self.places.open and not self._starting:
                raise next(filter(None, failures))

    def leave(self, instance: ProcessInstance, now: float | None) -> None:
        """A call has ended; its place goes to the next in line, unless the instance takes none any more."""
        moment = self._clock.now() if now is None else now
        self.last_call = moment
        self._load.leave(moment)
        if self._backoff.failures and instance.is_alive:
            self._backoff = Backoff()
        self.places.give_back(instance)

    def _stuck(self) -> None:
        """An instance takes no more calls although some are inside: who waits shall not wait for those."""
        self.places.part_with_the_dead()
        self._replace_lost()

    def consider(self, now: float) -> bool:
        """Have as many instances as the autoscaler wants; False when it wants none at all."""
        policy = self.settings.scale
        self._load.keep = policy.window
        measure = self._load.concurrency if policy.metric is Metric.CONCURRENCY else self._load.rate
        seen = Seen(
            ready=len(self.places.open),
            stable=measure(now, policy.window),
            panic=measure(now, policy.panic_window),
            in_flight=self.in_flight + self.waiting,
            last_call=self.last_active,
        )
        decision = decide(seen, policy, now, self._memory)
        self._memory = decision.memory
        missing = decision.instances - len(self.places.open) - len(self._starting)
        if missing > 0:
            self._grow(missing)
        elif decision.instances and missing < 0:
            for instance in self.places.calmest()[: min(-missing, len(self.places.open) - 1)]:
                self.places.part(instance)
        return decision.instances > 0

    def _grow(self, count: int) -> None:
        """As many more, while there is room for processes at all; the first one always, else who needs it would
        wait for what others keep.
        """
        least = 0 if self.places.open or self._starting else 1
        for _ in range(max(least, min(count, self._maker.room()))):
            task = asyncio.create_task(self._start())
            self._starting.add(task)
            task.add_done_callback(self._started)

    async def _start(self) -> None:
        instance, warmed = await self._maker.make(self.revision, self.settings)
        task = asyncio.current_task()
        assert task is not None
        self._starting.discard(task)
        if not self.places.open:
            self.warm_since = self._clock.now()
        self.last_warm_up = warmed
        instance.on_first_call = partial(self._first_called, warmed)
        if self._is_leaving:
            self.places.part(instance)
            self._maker.signals.emit(WarmedUp(warm_up=warmed))
            return
        instance.on_gone = partial(self._lost, instance)
        instance.on_settled = partial(self.places.settle, instance)
        instance.on_stuck = self._stuck
        self.places.open_up(instance)
        self._maker.signals.emit(WarmedUp(warm_up=warmed))
        self.places.let_in(instance)

    def _first_called(self, warmed: WarmUp, invocation: Invocation, seconds: float) -> None:
        self.last_warm_up = warmed.then_called(seconds)
        if invocation.phases is not None:
            invocation.phases = self.last_warm_up.phases
        self._maker.signals.emit(FirstCalled(warm_up=self.last_warm_up))

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        error = GatewayDraining() if task.cancelled() else task.exception()
        if error is not None and not self.places.open and not self._starting:
            self.places.line.fail(error)
        self._end_if_empty()

    def _lost(self, instance: ProcessInstance, why: str) -> None:
        """A process ended unasked: the calls inside were told; others must not wait for it."""
        self.places.forget(instance)
        name = self.revision.name
        self._maker.signals.emit(InstanceDead(function=self.revision.function, revision=name, why=why))
        self._backoff = self._backoff.after_failure(self._clock.now())
        self._replace_lost()
        self._end_if_empty()

    def dismiss(self, instance: ProcessInstance) -> None:
        """One that is not alive takes no further call; another comes for whom there is need of one."""
        if instance in self.places.open:
            self.places.part(instance)
            self._backoff = self._backoff.after_failure(self._clock.now())
            self._replace_lost()

    def _replace_lost(self) -> None:
        """Let in who waits, where there is room; have one more at once if none is there or comes. For
        ``scale.min`` later and later, should they end one after another without having served a call.
        """
        if self._is_leaving:
            return
        self.places.let_in_everywhere()
        if self.places.line.waiting and not self.places.open and not self._starting:
            self._grow(1)
        if len(self.places.open) + len(self._starting) < self.settings.scale.min:
            if not self._backoff.forbids(self._clock.now()):
                self._grow(1)
            elif self._later is None:
                self._later = self._clock.call_at(self._backoff.until, self._try_again)

    def _try_again(self) -> None:
        self._later = None
        self._replace_lost()

    def _stop(self, instance: ProcessInstance) -> None:
        if instance not in self._stopping:
            self._stopping[instance] = asyncio.create_task(self._end(instance))

    async def _end(self, instance: ProcessInstance) -> None:
        try:
            await self._maker.unmake(instance, self.revision, self.settings)
        finally:
            self.places.forget(instance)
            self._stopping.pop(instance, None)
            self._end_if_empty()

    def _end_if_empty(self) -> None:
        if self._is_leaving and not (self.places.open or self.places.parting or self._starting):
            self._is_gone.set()

    def drain(self) -> None:
        """No call enters any more; each instance goes when its last call has left."""
        if self._is_leaving:
            return
        self._is_leaving = True
        if self._later is not None:
            self._later.cancel()
        self.places.line.fail(GatewayDraining())
        for instance in list(self.places.open):
            self.places.part(instance)
        self._end_if_empty()

    async def gone(self) -> None:
        """Return when every instance is gone, after :meth:`drain`."""
        await self._is_gone.wait()

    async def close(self) -> None:
        """Drain, whoever is still inside, and return when every process has ended."""
        self.drain()
        for task in list(self._starting):
            task.cancel()
        for instance in list(self.places.parting):
            self._stop(instance)
        await self._is_gone.wait()

    def __repr__(self) -> str:
        counts = f"{len(self.places.open)} warm, {len(self._starting)} warming, {self.waiting} waiting"
        return f"<Pool {self.revision.name}: {counts}>"
