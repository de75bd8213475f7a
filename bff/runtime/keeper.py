"""Looks after warm functions: lets idle ones go, replaces dead ones, and keeps their number within its cap.

Only functions that are warm are looked at, so that cold ones cost nothing. What to do is decided by the
pure autoscaler; this loop obeys.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import Any

from bff.clock import Clock
from bff.runtime import hooks
from bff.runtime.function import Function
from bff.runtime.instance import Instance
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.lives import Live
from bff.signals import Evicted, InstanceDead, Signals, WarmedUp, WarmUpFailed

TICK = 2.0
"""Seconds between looks (Knative's tick-interval)."""
PROBE_EVERY = 10.0
"""Seconds between questions whether an instance is alive (Kubernetes' periodSeconds)."""
PROBE_TIMEOUT = 1.0
"""Seconds for the answer (Kubernetes' timeoutSeconds)."""
COLLECT_EVERY = 10.0
"""Seconds between collections, however many functions are evicted: each stops the loop for milliseconds."""


class Keeper:
    """Mutable state: ``_warm`` (functions by name, in the order in which they became warm), ``_probed``,
    ``_probing``, ``_has_garbage``, ``_collected``.
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
        self._has_garbage = False
        self._collected = clock.now() - COLLECT_EVERY
        self._probing: set[asyncio.Task[Any]] = set()
        signals.listen(WarmedUp, self._warmed_up)
        signals.listen(WarmUpFailed, self._failed)
        signals.listen(Evicted, self._evicted)

    def _warmed_up(self, said: WarmedUp) -> None:
        function = self._functions().get(said.function)
        if function is None:
            return
        function.hear_warm_up(said.revision, sum(said.phases.values()))
        self._warm[said.function] = function
        self._keep_to_cap(newest=said.function)

    def _failed(self, said: WarmUpFailed) -> None:
        function = self._functions().get(said.function)
        if function is not None:
            function.hear_warm_up(said.revision, None)

    def _evicted(self, said: Evicted) -> None:
        self._has_garbage = True
        function = self._functions().get(said.function)
        if function is not None:
            function.tally.evicted(said.bytes_returned)

    def _keep_to_cap(self, newest: str) -> None:
        """Over the cap, whoever was called longest ago goes; nobody who has a call inside."""
        excess = len(self._warm) - self.max_warm
        if excess <= 0:
            return
        resting = [
            (function.lives.last_call, name)
            for name, function in self._warm.items()
            if name != newest and not function.lives.in_flight
        ]
        for _, name in sorted(resting)[:excess]:
            self._warm.pop(name).rest()

    async def run(self) -> None:
        """Look, until cancelled."""
        try:
            while True:
                await self._clock.sleep(TICK)
                self.look()
        finally:
            for task in self._probing:
                task.cancel()

    def look(self) -> None:
        """One look at every warm function."""
        now = self._clock.now()
        for name, function in list(self._warm.items()):
            function.consider(now)
            if not function.lives.are_warm:
                self._warm.pop(name, None)
        if now - self._probed >= PROBE_EVERY:
            self._probed = now
            for function in self._warm.values():
                for live in function.lives.values():
                    self._probe(function, live)

        if self._has_garbage and now - self._collected >= COLLECT_EVERY:
            # Modules are cycles: only the collector lets an evicted function's memory go.
            self._has_garbage, self._collected = False, now
            gc.collect()

    def _probe(self, function: Function, live: Live) -> None:
        alive = _alive_hook(live.instance)
        if alive is None:
            return
        task = asyncio.get_running_loop().create_task(self._ask(function, live, alive))
        self._probing.add(task)
        task.add_done_callback(self._probing.discard)

    async def _ask(self, function: Function, live: Live, alive: Callable[[], Any]) -> None:
        """Replace an instance that says it is not alive, or cannot say."""
        try:
            said = await hooks.run(alive, clock=self._clock, until=self._clock.now() + PROBE_TIMEOUT)
            why = _reason(said)
        except Exception as error:
            why = f"alive raised {type(error).__name__}: {error}"
        if why is None or function.lives.get(live.revision.name) is not live:
            return
        self._signals.emit(InstanceDead(function=function.name, revision=live.revision.name, why=why))
        await function.remake(live)


def _alive_hook(instance: Instance | ProcessInstance | None) -> Callable[[], Any] | None:
    if isinstance(instance, ProcessInstance):
        return instance.alive
    return getattr(instance.handler.owner, "alive", None) if instance is not None else None


def _reason(said: object) -> str | None:
    """Why an answer of ``alive`` means no; None when it means yes. Nothing said is a yes."""
    is_alive, why = said if isinstance(said, tuple) and len(said) == 2 else (said, "")
    if is_alive or is_alive is None:
        return None
    return f"alive said no{f': {why}' if why else ''}"
