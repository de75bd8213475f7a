"""Takes deliveries that are due, has them made, and writes down how they ended.

It wakes by an event of this gateway's own, by the bell of those who share the store, by the clock when the next one is
due, and looks once a second where somebody may have rung while nobody listened.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from bff.events.broker import Trigger
from bff.events.delivering import Delivering, Written
from bff.events.engine import Engine
from bff.events.queues import EVERYTHING
from bff.events.records import Claimed, State, Wanted
from bff.revisions.store.failures import StoreUnavailable
from bff.runtime.site import Site
from bff.signals import EventDied, EventSettled, Unexpected

LEASE = 15.0
"""Seconds a delivery stays with a gateway that says nothing: that long after a machine has died at most, another
one takes over what it had."""
RENEWS_EVERY = LEASE / 3
LOOKS_EVERY = 1.0
"""Seconds between two looks at a store that other gateways write to as well."""
SET_BACK = 1.0
"""Seconds a clock has to lose at once before it was set, rather than corrected."""
AGAIN_AFTER = 1.0
"""Seconds until a store that could not be reached is asked again."""


class Dispatcher:
    """Mutable state: ``_running`` (the tasks, by delivery), ``_busy`` (how many of each trigger), ``_is_hinted``
    and ``_wakes`` (something may be due), ``_quiet`` and ``_next_in`` (nothing runs or could be taken, until then),
    ``capacity``, ``reach`` (of its queues), ``is_stopping``.
    """

    def __init__(
        self,
        site: Site,
        engine: Engine,
        delivering: Delivering,
        *,
        triggers: Callable[[], Mapping[str, Trigger]],
        capacity: int,
    ) -> None:
        self._site = site
        self.capacity = capacity
        self.reach = EVERYTHING
        self.is_stopping = False
        self._engine = engine
        self._holder = site.holder
        self._delivering = delivering
        self._triggers = triggers
        self._clock = site.clock
        self._signals = site.signals
        self._running: dict[str, asyncio.Task[None]] = {}
        self._busy: Counter[str] = Counter()
        self._is_hinted = True
        self._wakes = asyncio.Event()
        self._quiet = asyncio.Event()
        self._next_in: float | None = None

    def wake(self) -> None:
        """Something may be due now."""
        self._is_hinted = True
        self._quiet.clear()
        self._wakes.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        renewing = asyncio.create_task(self._renew())
        try:
            async with self._site.bell.listening(self.wake):
                await self._take_over()
                await self._set_back()
                await self._go_on()
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def _go_on(self) -> None:
        while True:
            self._wakes.clear()
            self._quiet.clear()
            self._next_in = await self._look()
            if not self._running and self._next_in != 0.0 and not self._wakes.is_set():
                self._quiet.set()
            await self._wait(self._next_in)

    async def quiet(self) -> float | None:
        """Return once nothing runs and nothing could be taken: seconds until something can, None for never."""
        await self._quiet.wait()
        return self._next_in

    async def _look(self) -> float | None:
        """Take what there is room for; seconds until it is worth looking again, None for when something wakes us."""
        free = self.capacity - len(self._running)
        if free <= 0 or self.is_stopping or self._site.is_draining():
            return None
        hinted, self._is_hinted = self._is_hinted, False
        try:
            taken = await self._engine.take(self._wanted(free), looks_first=not hinted)
        except StoreUnavailable:
            return AGAIN_AFTER
        except Exception as error:
            self._signals.emit(Unexpected(where="events", error=error))
            return AGAIN_AFTER
        for claimed in taken.claimed:
            self._begin(claimed)
        if taken.claimed:
            self._is_hinted = True
            return 0.0
        if not self._site.is_shared:
            return taken.next_in
        return LOOKS_EVERY if taken.next_in is None else min(taken.next_in, LOOKS_EVERY)

    async def _wait(self, seconds: float | None) -> None:
        if seconds == 0.0:
            return
        timer = None
        if seconds is not None:
            timer = self._clock.call_at(self._clock.now() + seconds, self._wakes.set)
        try:
            await self._wakes.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _wanted(self, free: int) -> Wanted:
        triggers = self._triggers()
        limited = {name: each.concurrency for name, each in triggers.items() if each.concurrency}
        return Wanted(
            holder=self._holder,
            free=free,
            lease=LEASE,
            rooms={name: max(0, most - self._busy[name]) for name, most in limited.items()},
            rates={name: each.rate for name, each in triggers.items() if each.rate},
            reach=self.reach,
            running=tuple(self._running),
        )

    @property
    def running(self) -> int:
        """Deliveries that are under way."""
        return len(self._running)

    def _begin(self, claimed: Claimed) -> None:
        self._busy[claimed.trigger] += 1
        task = asyncio.create_task(self._deliver(claimed))
        self._running[claimed.key] = task
        task.add_done_callback(lambda ended: self._end(claimed, ended))

    def _end(self, claimed: Claimed, task: asyncio.Task[None]) -> None:
        self._busy[claimed.trigger] -= 1
        if self._running.get(claimed.key) is task:
            del self._running[claimed.key]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._signals.emit(Unexpected(where="events", error=error))
        self.wake()

    async def _deliver(self, claimed: Claimed) -> None:
        written = await self._delivering.make(claimed)
        if not await self._write(written):
            return
        settled = written.settled
        self._signals.emit(
            EventSettled(
                trigger=claimed.trigger,
                function=claimed.function,
                revision=settled.revision or "",
                outcome=str(settled.state),
            )
        )
        if settled.state is State.DEAD:
            self._signals.emit(
                EventDied(
                    event=claimed.event,
                    trigger=claimed.trigger,
                    function=claimed.function,
                    attempts=claimed.tries,
                    why=settled.outcome.detail,
                )
            )

    async def _write(self, written: Written) -> bool:
        """Whether it was ours to write; a store that is away is asked again for as long as the lease may last."""
        until = self._clock.now() + LEASE
        while True:
            try:
                return await self._engine.settle(written.settled, written.done)
            except StoreUnavailable:
                if self._clock.now() >= until:
                    return False  # whoever takes it next tries again: at least once
                await self._clock.sleep(AGAIN_AFTER)

    async def _renew(self) -> None:
        offset = self._clock.wall() - self._clock.now()
        while True:
            await self._clock.sleep(RENEWS_EVERY)
            before, offset = offset, self._clock.wall() - self._clock.now()
            if offset < before - SET_BACK:
                await self._set_back()
            if self._site.is_shared:
                await self._take_over()
            with self._going_on_after():
                await self._keep(dict(self._running))

    async def _keep(self, running: Mapping[str, asyncio.Task[None]]) -> None:
        if running:
            kept = await self._engine.renew(self._holder, list(running), LEASE)
            for key in running.keys() - kept:
                running[key].cancel()  # cancelled by somebody, or another gateway's by now

    async def _take_over(self) -> None:
        """What processes of this machine had that are no more may be taken at once."""
        with self._going_on_after():  # else their leases end by themselves
            if await self._engine.take_over(self._holder):
                self.wake()

    async def _set_back(self) -> None:
        """The clock may show an earlier time than it did: nothing waits for it to come round again."""
        with self._going_on_after():  # else at the next start
            if await self._engine.set_back(LEASE):
                self.wake()

    @contextmanager
    def _going_on_after(self) -> Iterator[None]:
        """Whatever fails is done another time: who does not renew any more loses everything that runs."""
        try:
            yield
        except StoreUnavailable:
            pass  # it is told of by who follows it
        except Exception as error:
            self._signals.emit(Unexpected(where="events", error=error))

    def cancel(self, delivery: str) -> None:
        """Stop working on a delivery, if this gateway does: nobody hears how it ends."""
        task = self._running.get(delivery)
        if task is not None:
            task.cancel()

    async def stop(self, within: float) -> None:
        """Take nothing more, let what runs end for so long, and give the rest back."""
        self.is_stopping = True
        if self._running:
            waiting = asyncio.gather(*self._running.values(), return_exceptions=True)
            timer = self._clock.call_at(self._clock.now() + within, waiting.cancel)
            with suppress(asyncio.CancelledError):
                await waiting
            timer.cancel()
        with suppress(StoreUnavailable):
            await self._engine.hand_back(self._holder)

    def __repr__(self) -> str:
        return f"<Dispatcher: {len(self._running)} of {self.capacity} running>"
