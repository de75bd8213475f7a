"""Takes deliveries that are due, has them made, and writes down how they ended.

What is tried again, when, and what is dead is the broker's to say; this loop obeys. It wakes by an event of this
gateway's own, by the bell of those who share the store, by the clock when the next one is due, and looks once a second
where somebody may have rung while nobody listened.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

from bff.config import DeliveryConfig
from bff.events import broker, pipelines
from bff.events.broker import Retry, Trigger
from bff.events.calling import PREFIX, Calling, result_of
from bff.events.courier import Attempted, Courier
from bff.events.engine import Engine
from bff.events.pipelines import Done
from bff.events.queues import EVERYTHING
from bff.events.records import Claimed, Incoming, Settled, State, Wanted
from bff.events.stamping import Stamp
from bff.events.stepping import NO_PLAN, begun, too_large
from bff.revisions.store.failures import StoreUnavailable
from bff.runtime.site import Site
from bff.sdk.cloudevent import CloudEvent
from bff.signals import EventDied, Unexpected

LEASE = 15.0
"""Seconds a delivery stays with a gateway that says nothing: that long after a machine has died at most, another
one takes over what it had."""
RENEWS_EVERY = LEASE / 3
LOOKS_EVERY = 1.0
"""Seconds between two looks at a store that other gateways write to as well."""
AGAIN_AFTER = 1.0
"""Seconds until a store that could not be reached is asked again."""
MOST_RESULT = 2**20
"""Bytes that a step of a pipeline hands on at most: what is larger goes as a reference (claim check)."""
_POLICY = DeliveryConfig()
_KEEPS = (PREFIX, pipelines.PREFIX)


class Dispatcher:
    """Mutable state: ``_running`` (the tasks, by delivery), ``_busy`` (how many of each trigger), ``_is_hinted``
    and ``_wakes`` (something may be due), ``_quiet`` and ``_next_in`` (nothing runs or could be taken, until then),
    ``capacity``, ``reach`` (of its queues), ``plans`` (of pipelines, for runs that begin), ``is_stopping``.
    """

    def __init__(
        self,
        site: Site,
        engine: Engine,
        *,
        courier: Courier,
        calling: Calling,
        stamp: Stamp,
        triggers: Callable[[], Mapping[str, Trigger]],
        capacity: int,
    ) -> None:
        self._site = site
        self.capacity = capacity
        self.reach = EVERYTHING
        self.plans: Mapping[str, str] = {}
        self.is_stopping = False
        self._engine = engine
        self._holder = site.holder
        self._courier = courier
        self._calling = calling
        self._stamp = stamp
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
        event = self._stamp.read(claimed.document)
        if claimed.trigger.startswith(PREFIX):
            attempted = await self._calling.attempt(claimed, event)
            await self._settle(claimed, event, self._calling.policy, attempted)
            return
        if claimed.trigger.startswith(pipelines.PREFIX):
            await self._step(claimed, event)
            return
        trigger = self._triggers().get(claimed.trigger)
        policy = _POLICY if trigger is None or claimed.is_letter else trigger.delivery
        attempted = await self._courier.attempt(claimed, event, policy.timeout)
        await self._settle(claimed, event, policy, attempted)

    async def _step(self, claimed: Claimed, event: CloudEvent) -> None:
        """A part of a pipeline's step; or the beginning of a run, which no function has a part in."""
        done = pipelines.done_of(claimed.trigger, event, claimed.event, self.plans)
        trigger = self._triggers().get(claimed.trigger)
        policy = _POLICY if trigger is None else trigger.delivery
        if done.step < 0:
            attempted = begun(event) if done.plan else NO_PLAN
        else:
            attempted = await self._courier.attempt(claimed, event, policy.timeout, most=MOST_RESULT)
            attempted = too_large(attempted)
        await self._settle(claimed, event, policy, attempted, done)

    async def _settle(
        self,
        claimed: Claimed,
        event: CloudEvent,
        policy: DeliveryConfig,
        attempted: Attempted,
        done: Done | None = None,
    ) -> None:
        """Write down what follows; a store that is away is asked again for as long as the lease may last."""
        until = self._clock.now() + LEASE
        settled = self._settled(claimed, event, policy, attempted)
        while True:
            try:
                is_ours = await self._engine.settle(settled, done)
            except StoreUnavailable:
                if self._clock.now() >= until:
                    return  # whoever takes it next tries again: at least once
                await self._clock.sleep(AGAIN_AFTER)
            else:
                break
        if is_ours and settled.state is State.DEAD:
            said = attempted.outcome
            self._signals.emit(
                EventDied(
                    event=claimed.event,
                    trigger=claimed.trigger,
                    function=claimed.function,
                    attempts=claimed.tries,
                    why=said.detail,
                )
            )

    def _settled(
        self, claimed: Claimed, event: CloudEvent, policy: DeliveryConfig, attempted: Attempted
    ) -> Settled:
        now = self._clock.wall()
        after = broker.after(attempted.outcome, claimed.tries, policy, now)
        state, delay = State.DELIVERED, 0.0
        published = tuple(map(self._stamp.incoming, attempted.published))
        if isinstance(after, Retry):
            state, delay = State.WAITING, after.at - now  # by the store's clock, which gateways share
        elif after is broker.DEAD:
            state = State.DEAD
            published = self._letters(claimed, event, policy, attempted)
        return Settled(
            claimed=claimed,
            holder=self._holder,
            outcome=attempted.outcome,
            state=state,
            delay=delay,
            revision=attempted.revision,
            published=published,
            result=result_of(attempted) if claimed.trigger.startswith(_KEEPS) else None,
        )

    def _letters(
        self, claimed: Claimed, event: CloudEvent, policy: DeliveryConfig, attempted: Attempted
    ) -> tuple[Incoming, ...]:
        if not policy.dead_letter_sink or claimed.is_letter:
            return ()
        letter = broker.dead_letter(event, attempted.outcome, f"/functions/{claimed.function}")
        return (self._stamp.letter(letter, claimed, policy.dead_letter_sink),)

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(RENEWS_EVERY)
            if self._site.is_shared:
                await self._take_over()
            if self._running:
                before = dict(self._running)
                with suppress(StoreUnavailable):
                    kept = await self._engine.renew(self._holder, list(before), LEASE)
                    for key in before.keys() - kept:
                        before[key].cancel()  # cancelled by somebody, or another gateway's by now

    async def _take_over(self) -> None:
        """What processes of this machine had that are no more may be taken at once."""
        with suppress(StoreUnavailable):  # then their leases end by themselves
            if await self._engine.take_over(self._holder):
                self.wake()

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
