"""The process instances of a revision: as many as the autoscaler wants, each with as many calls inside as
it may have; callers beyond that wait in line.

It has the face of :class:`bff.runtime.activator.Activator`, which does the same for the one instance that a
function has in the gateway itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from bff.errors import FunctionNotLoaded, GatewayDraining
from bff.revisions.revision import Revision
from bff.runtime.autoscaler import Memory, Metric, Seen, decide
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.isolation.limits import ProcessLimits
from bff.runtime.lifecycle import State
from bff.runtime.line import Line
from bff.runtime.load import Load
from bff.runtime.warmup import Settings, Workshop
from bff.sdk.invocation import Invocation
from bff.signals import (
    Evicted,
    FirstCalled,
    InstanceDead,
    Signals,
    WarmedUp,
    WarmUp,
    WarmUpFailed,
)


class Pool:
    """Mutable state: ``_inside`` (calls by instance that takes calls), ``_parting`` (calls by instance that
    takes none any more), ``_starting``, ``_stopping``, ``_line``, ``_load``, ``_memory``, ``_is_leaving``,
    ``last_call``, ``last_warm_up``.
    """

    def __init__(
        self,
        revision: Revision,
        settings: Settings,
        *,
        workshop: Workshop,
        signals: Signals,
        real_paths: Callable[[Revision], bool],
        forkserver: Forkserver,
        returned: Callable[[int], object],
    ) -> None:
        self.revision = revision
        self.settings = settings
        self.last_call: float | None = None
        self.last_warm_up: WarmUp | None = None
        self._workshop = workshop
        self._clock = workshop.clock
        self._signals = signals
        self._real_paths = real_paths
        self._forkserver = forkserver
        self._returned = returned
        self._limit = settings.concurrency
        self._line: Line[ProcessInstance] = Line(give_back=self._give_back)
        self._load = Load(self._clock.now(), keep=settings.scale.window)
        self._memory = Memory()
        self._inside: dict[ProcessInstance, int] = {}
        self._parting: dict[ProcessInstance, int] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._stopping: set[asyncio.Task[None]] = set()
        self._is_leaving = False
        self._is_gone = asyncio.Event()

    @property
    def instance(self) -> ProcessInstance | None:
        """One that takes calls; None when there is none."""
        return next(iter(self._inside), None)

    @property
    def instances(self) -> int:
        """How many take calls."""
        return len(self._inside)

    @property
    def in_flight(self) -> int:
        """Calls inside, over all processes."""
        return sum(self._inside.values()) + sum(self._parting.values())

    @property
    def waiting(self) -> int:
        """Callers in line."""
        return self._line.waiting

    @property
    def last_phases(self) -> Mapping[str, float]:
        """Seconds by phase of the last warm-up."""
        return self.last_warm_up.phases if self.last_warm_up is not None else {}

    @property
    def state(self) -> State:
        """Of the pool as a whole: where its best instance is."""
        if self._is_leaving:
            return State.EVICTED if self._is_gone.is_set() else State.DRAINING
        if self._inside:
            return State.WARM if self.in_flight else State.IDLE
        return State.WARMING if self._starting else State.COLD

    def reads(self, _route: str) -> tuple[bytes, ...]:
        """What its handlers read of a request: they are given all of it."""
        return (b"whole:",)

    def enter_now(self) -> ProcessInstance | None:
        """Get into the least busy instance without waiting; None when all are full, or others wait."""
        if not self._inside or self._line.waiting:
            return None
        instance = min(self._inside, key=self._inside.__getitem__)
        if self._limit and self._inside[instance] >= self._limit:
            return None
        self._inside[instance] += 1
        self._load.enter(self._clock.now())
        return instance

    async def enter(self) -> ProcessInstance:
        """Get in, after the warm-up and everybody who came before.

        Raises:
            FunctionNotLoaded: no instance could be made.
            Overloaded: too many wait already.
            GatewayDraining: no call enters any more.

        """
        if self._is_leaving:
            raise GatewayDraining
        instance = self.enter_now()
        if instance is not None:
            return instance
        if not self._inside and not self._starting:
            self._grow(max(1, self.settings.scale.initial))
        instance = await self._line.stand(self.revision.function)
        self._load.enter(self._clock.now())
        return instance

    async def warm(self) -> ProcessInstance:
        """An instance that takes calls.

        Raises:
            FunctionNotLoaded: none could be made.
            GatewayDraining: no call enters any more.

        """
        if self._is_leaving:
            raise GatewayDraining
        if not self._inside and not self._starting:
            self._grow(max(1, self.settings.scale.initial, self.settings.scale.min))
        while not self._inside:
            if not self._starting:
                raise GatewayDraining
            done, _ = await asyncio.wait(set(self._starting), return_when=asyncio.FIRST_COMPLETED)
            if not self._inside and not self._starting:
                for task in done:
                    if not task.cancelled() and (error := task.exception()) is not None:
                        raise error
        return next(iter(self._inside))

    def leave(self, instance: ProcessInstance, now: float | None) -> None:
        """A call has ended; its place goes to the next in line, unless the instance takes none any more."""
        moment = self._clock.now() if now is None else now
        self.last_call = moment
        self._load.leave(moment)
        if instance in self._parting:
            self._parting[instance] -= 1
            if not self._parting[instance]:
                self._stop(instance)
            return
        if instance not in self._inside:
            return  # it ended by itself, and was told of then
        if not instance.is_alive:
            self._inside[instance] -= 1
            self._part(instance)
            self._replace_lost()
        elif not self._line.waiting or not self._line.hand_over(instance):
            self._inside[instance] -= 1

    def _give_back(self, instance: ProcessInstance) -> None:
        """A place that was handed to somebody who left in that turn."""
        self._load.enter(self._clock.now())
        self.leave(instance, None)

    def consider(self, now: float) -> bool:
        """Have as many instances as the autoscaler wants; False when it wants none at all."""
        policy = self.settings.scale
        measure = self._load.concurrency if policy.metric is Metric.CONCURRENCY else self._load.rate
        seen = Seen(
            ready=len(self._inside),
            stable=measure(now, policy.window),
            panic=measure(now, policy.panic_window),
            in_flight=self.in_flight + self.waiting,
            last_call=self.last_call,
        )
        decision = decide(seen, policy, now, self._memory)
        self._memory = decision.memory
        missing = decision.instances - len(self._inside) - len(self._starting)
        if missing > 0:
            self._grow(missing)
        elif decision.instances and missing < 0:
            calmest = sorted(self._inside, key=self._inside.__getitem__)
            for instance in calmest[: min(-missing, len(self._inside) - 1)]:
                self._part(instance)
        return decision.instances > 0

    def _grow(self, count: int) -> None:
        for _ in range(count):
            task = asyncio.create_task(self._start())
            self._starting.add(task)
            task.add_done_callback(self._started)

    async def _start(self) -> None:
        settings = self.settings
        try:
            instance, warmed = await ProcessInstance.start(
                self.revision,
                settings,
                self._workshop,
                forkserver=self._forkserver,
                limits=ProcessLimits(memory=settings.memory, max_calls=settings.max_calls),
                real_paths=self._real_paths(self.revision),
            )
        except Exception as error:
            why = error.report() if isinstance(error, FunctionNotLoaded) else repr(error)
            failed = WarmUpFailed(function=self.revision.function, revision=self.revision.name, why=why)
            self._signals.emit(failed)
            raise
        self.last_call = self.last_call or self._clock.now()
        self.last_warm_up = warmed
        instance.on_first_call = partial(self._first_called, warmed)
        if self._is_leaving:
            self._parting[instance] = 0
            self._stop(instance)
            return
        instance.on_gone = partial(self._lost, instance)
        self._inside[instance] = 0
        self._signals.emit(WarmedUp(warm_up=warmed))
        self._let_in(instance)

    def _let_in(self, instance: ProcessInstance) -> None:
        """Give a fresh instance's places to those who wait."""
        while self._line.waiting and (not self._limit or self._inside[instance] < self._limit):
            if not self._line.hand_over(instance):
                return
            self._inside[instance] += 1

    def _first_called(self, warmed: WarmUp, invocation: Invocation, seconds: float) -> None:
        self.last_warm_up = warmed.then_called(seconds)
        if invocation.phases is not None:
            invocation.phases = self.last_warm_up.phases
        self._signals.emit(FirstCalled(warm_up=self.last_warm_up))

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        error = None if task.cancelled() else task.exception()
        if not self._inside and not self._starting:
            self._line.fail(error or GatewayDraining())
        self._end_if_empty()

    def _lost(self, instance: ProcessInstance, why: str) -> None:
        """A process ended unasked: the calls inside were told; others must not wait for it."""
        self._inside.pop(instance, None)
        self._parting.pop(instance, None)
        name = self.revision.name
        self._signals.emit(InstanceDead(function=self.revision.function, revision=name, why=why))
        self._replace_lost()
        self._end_if_empty()

    def _replace_lost(self) -> None:
        is_short = len(self._inside) + len(self._starting) < self.settings.scale.min
        if not self._is_leaving and (
            is_short or (self._line.waiting and not self._inside and not self._starting)
        ):
            self._grow(1)

    def _part(self, instance: ProcessInstance) -> None:
        """Let no further call in; stop it when the last one has left."""
        self._parting[instance] = self._inside.pop(instance)
        if not self._parting[instance]:
            self._stop(instance)

    def _stop(self, instance: ProcessInstance) -> None:
        task = asyncio.create_task(self._end(instance))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _end(self, instance: ProcessInstance) -> None:
        why: str | None = "stop was broken off"
        try:
            why = await instance.stop(self.settings.stop_timeout)
        finally:
            self._parting.pop(instance, None)
            self._returned(instance.bytes_returned)
            said = Evicted(function=self.revision.function, revision=self.revision.name, stop_error=why)
            self._signals.emit(said)
            self._end_if_empty()

    def _end_if_empty(self) -> None:
        if self._is_leaving and not (self._inside or self._parting or self._starting):
            self._is_gone.set()

    def drain(self) -> None:
        """No call enters any more; each instance goes when its last call has left."""
        if self._is_leaving:
            return
        self._is_leaving = True
        self._line.fail(GatewayDraining())
        for instance in list(self._inside):
            self._part(instance)
        self._end_if_empty()

    async def gone(self) -> None:
        """Return when every instance is gone, after :meth:`drain`."""
        await self._is_gone.wait()

    async def close(self) -> None:
        """Drain, whoever is still inside, and return when every process has ended."""
        self.drain()
        for task in list(self._starting):
            task.cancel()
        for instance in list(self._parting):
            if self._parting[instance]:
                self._stop(instance)
        await self._is_gone.wait()

    def __repr__(self) -> str:
        counts = f"{len(self._inside)} warm, {len(self._starting)} warming, {self.waiting} waiting"
        return f"<Pool {self.revision.name}: {counts}>"
