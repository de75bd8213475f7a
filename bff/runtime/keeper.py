"""Looks after warm functions: lets idle ones go, replaces dead ones, and keeps their number within its cap.

Only functions that are warm are looked at, so that cold ones cost nothing. What to do is decided by the
pure autoscaler; this loop obeys.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from bff.clock import Clock
from bff.runtime import hooks
from bff.runtime.backoff import Backoff
from bff.runtime.entrance import Inside
from bff.runtime.function import Function
from bff.runtime.hooks import HookOverran
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.lives import Live
from bff.signals import Evicted, InstanceDead, Signals, WarmedUp, WarmUpFailed

TICK = 2.0
"""Seconds between looks (Knative's tick-interval)."""
PROBE_EVERY = 10.0
"""Seconds between questions whether an instance is alive (Kubernetes' periodSeconds)."""
PROBE_TIMEOUT = 1.0
"""Seconds for the answer (Kubernetes' timeoutSeconds)."""
LONGEST_WITHOUT = 300.0
"""Most seconds between questions to a revision whose instances are never alive (Kubernetes' longest back-off)."""
COLLECT_EVERY = 10.0
"""Seconds between collections while few functions are evicted: each stops the loop for milliseconds."""
MOST_GARBAGE = 100
"""Evicted instances that wait for a collection at most, or as many as there are warm functions: each holds what it had
imported for itself, and the more are warm the longer a collection takes.
"""


class Keeper:
    """Mutable state: ``_warm`` (functions by name, in the order in which they became warm), ``_pinned`` (those
    with a minimum, of ``_known``), ``_unwarmed`` and ``_dead`` (back-offs, by function and by revision), ``_probed``,
    ``_tasks``, ``_garbage`` (instances evicted since the last collection), ``_collected``.
    """

    def __init__(
        self,
        *,
        functions: Callable[[], Mapping[str, Function]],
        clock: Clock,
        signals: Signals,
        max_warm: int,
    ) -> None:
        self.max_warm = max_warm
        self._functions = functions
        self._clock = clock
        self._signals = signals
        self._warm: dict[str, Function] = {}
        self._probed = clock.now()
        self._garbage = 0
        self._collected = clock.now() - COLLECT_EVERY
        self._tasks: set[asyncio.Task[None]] = set()
        self._known: Mapping[str, Function] | None = None
        self._pinned: list[Function] = []
        self._unwarmed: dict[str, Backoff] = {}
        self._dead: dict[str, Backoff] = {}
        signals.listen(WarmedUp, self._warmed_up)
        signals.listen(WarmUpFailed, self._failed)
        signals.listen(Evicted, self._evicted)

    def _warmed_up(self, said: WarmedUp) -> None:
        function = self._functions().get(said.function)
        if function is None:
            return
        function.entrance.hear_warm_up(said.revision, said.warm_up)
        self._warm[said.function] = function
        self._keep_to_cap(newest=said.function)

    def _failed(self, said: WarmUpFailed) -> None:
        function = self._functions().get(said.function)
        if function is not None:
            function.entrance.hear_warm_up(said.revision, None)

    def _evicted(self, said: Evicted) -> None:
        self._garbage += 1
        if self._garbage >= max(MOST_GARBAGE, len(self._warm)):
            self._collect(self._clock.now())
        function = self._functions().get(said.function)
        if function is not None:
            function.entrance.tally.evicted(said.bytes_returned)

    def _keep_to_cap(self, newest: str = "") -> None:
        """Over the cap, whoever was called longest ago goes; nobody who has a call inside or is to stay warm."""
        excess = len(self._warm) - self.max_warm
        if excess <= 0:
            return
        resting = [
            (function.lives.last_active, name)
            for name, function in self._warm.items()
            if name != newest and not function.lives.in_flight and not function.settings.scale.min
        ]
        for _, name in sorted(resting)[:excess]:
            self._warm.pop(name).rest()

    def keep_minimum(self) -> None:
        """Warm what is to be warm and is not: before anybody calls, and again, later and later where that fails."""
        functions, now = self._functions(), self._clock.now()
        if functions is not self._known:  # only then may others have a minimum
            self._known, self._unwarmed = functions, {}
            self._pinned = [function for function in functions.values() if function.settings.scale.min]
        for function in self._pinned:
            backoff = self._unwarmed.get(function.name)
            if function.is_cold and not (backoff is not None and backoff.forbids(now)):
                self._later(self._warm_again(function))

    async def _warm_again(self, function: Function) -> None:
        if await function.keep_warm():
            self._unwarmed.pop(function.name, None)
        else:
            before = self._unwarmed.get(function.name, Backoff())
            self._unwarmed[function.name] = before.after_failure(self._clock.now())

    async def run(self) -> None:
        """Look, until cancelled."""
        try:
            while True:
                await self._clock.sleep(TICK)
                self.look()
        finally:
            for task in self._tasks:
                task.cancel()

    def look(self) -> None:
        """One look at every warm function."""
        now = self._clock.now()
        for name, function in list(self._warm.items()):
            function.consider(now)
            if not function.lives.are_warm:
                self._warm.pop(name, None)
        self._keep_to_cap()
        self.keep_minimum()
        if now - self._probed >= PROBE_EVERY:
            self._probed = now
            self._probe_all(now)
        if self._garbage and now - self._collected >= COLLECT_EVERY:
            self._collect(now)

    def _collect(self, now: float) -> None:
        """Modules are cycles: only the collector lets an evicted function's memory go."""
        self._garbage, self._collected = 0, now
        gc.collect()

    def _probe_all(self, now: float) -> None:
        lives = [(function, live) for function in self._warm.values() for live in function.lives.values()]
        self._dead = {live.revision.name: self._dead.get(live.revision.name, Backoff()) for _, live in lives}
        for function, live in lives:
            for instance in live.warm_instances:
                alive = _alive_hook(instance)
                if alive is not None and not self._dead[live.revision.name].forbids(now):
                    self._later(self._ask(function, live, instance, alive))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, function: Function, live: Live, instance: Inside, alive: Callable[[], Any]) -> None:
        """Replace an instance that says it is not alive, or cannot say; a revision of which one after the other
        says so is asked less and less often.
        """
        name = live.revision.name
        try:
            said = await hooks.run(alive, clock=self._clock, until=self._clock.now() + PROBE_TIMEOUT)
            no = hooks.refusal("alive", said)
            why = None if no is None else f"alive said no{no}"
        except HookOverran:
            why = f"alive did not answer within {PROBE_TIMEOUT:g} s"
        except Exception as error:
            why = f"alive raised {type(error).__name__}: {error}"
        if why is None:
            self._dead.pop(name, None)
        elif function.lives.get(name) is live and instance in live.warm_instances:
            self._dead[name] = _after_death(self._dead.get(name, Backoff()), self._clock.now())
            self._signals.emit(InstanceDead(function=function.name, revision=name, why=why))
            await function.dismiss(live, instance)


def _after_death(before: Backoff, now: float) -> Backoff:
    """Kubernetes' CrashLoopBackOff: ten seconds, doubling up to five minutes."""
    failures = before.failures + 1
    return Backoff(failures, now + min(PROBE_EVERY * 2.0 ** (failures - 1), LONGEST_WITHOUT))


def _alive_hook(instance: Inside) -> Callable[[], Any] | None:
    if isinstance(instance, ProcessInstance):
        return instance.alive
    return getattr(instance.handler.owner, "alive", None)
