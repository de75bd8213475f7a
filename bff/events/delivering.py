"""One delivery, from its taking to what has to be written of it: who makes the attempt, and what follows on it.

What is tried again, when, and what is dead is the broker's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from bff.config import DeliveryConfig
from bff.events import broker, callbacks, pipelines
from bff.events.broker import Outcome, Retry, Trigger
from bff.events.callbacks import Callbacks
from bff.events.calling import PREFIX, Calling, result_of
from bff.events.claims import MOST_INLINE, Claims
from bff.events.courier import Attempted, Courier
from bff.events.pipelines import Done
from bff.events.records import OPEN, Claimed, Incoming, Planned, Settled, State
from bff.events.stamping import Stamp
from bff.events.stepping import NO_PLAN, begun, not_kept, not_there, too_large
from bff.frozen import frozen
from bff.runtime.site import Site
from bff.sdk.cloudevent import CloudEvent

MOST_LOST = 5
"""Attempts that ended with their gateways before a delivery is taken for what ends them."""
POISON = Attempted(
    outcome=Outcome(
        status=500,
        code="gateway-ended",
        detail=f"{MOST_LOST} attempts ended with the processes that made them, before they could answer: probably the"
        " function ends its process. Give it `isolation: process`, and redrive the event.",
    ),
    revision="",
)
UNREADABLE = Attempted(
    outcome=Outcome(status=400, code="event-unreadable", detail="The event cannot be read as it was stored."),
    revision="",
)
_POLICY = DeliveryConfig()
_KEEPS = (PREFIX, pipelines.PREFIX)


@frozen
class Work:
    """A delivery that was taken. ``event`` is None where it cannot be read; ``done`` is the part of a pipeline's run
    that it is.
    """

    claimed: Claimed
    event: CloudEvent | None
    policy: DeliveryConfig
    done: Done | None = None


@frozen
class Written:
    """What has to be written, and for a part of a run what that means for it."""

    settled: Settled
    done: Done | None


class Delivering:
    """Mutable state: ``plans`` (of pipelines, for runs that begin) and ``claims``, replaced when routes.yaml changes."""

    def __init__(
        self,
        site: Site,
        *,
        courier: Courier,
        calling: Calling,
        calls_back: Callbacks,
        stamp: Stamp,
        triggers: Callable[[], Mapping[str, Trigger]],
    ) -> None:
        self.plans: Mapping[str, str] = {}
        self.claims: Claims | None = None
        self._site = site
        self._courier = courier
        self._calling = calling
        self._callbacks = calls_back
        self._stamp = stamp
        self._triggers = triggers

    async def make(self, claimed: Claimed) -> Written:
        """Make the attempt, and say what follows. Cancelling it cancels the handler."""
        work = self._work_of(claimed)
        if claimed.lost >= MOST_LOST:
            return self._written(work, POISON, is_final=True)
        if work.event is None:
            return self._written(work, UNREADABLE, is_final=True)
        return self._written(work, await self._attempt(work, work.event))

    def _work_of(self, claimed: Claimed) -> Work:
        try:
            event = self._stamp.read(claimed.document)
        except Exception:  # damaged, or written by a later version
            return Work(claimed=claimed, event=None, policy=_POLICY)
        if claimed.trigger.startswith(PREFIX):
            return Work(claimed=claimed, event=event, policy=self._calling.policy)
        if claimed.trigger.startswith(callbacks.PREFIX):
            config = self._callbacks.config
            return Work(claimed=claimed, event=event, policy=config.delivery if config else _POLICY)
        trigger = self._triggers().get(claimed.trigger)
        policy = _POLICY if trigger is None or claimed.is_letter else trigger.delivery
        done = None
        if claimed.trigger.startswith(pipelines.PREFIX):
            done = pipelines.done_of(claimed.trigger, event, claimed.event, self.plans)
            done = replace(done, plan=pipelines.pinned(done.plan, self._drawn)) if done.plan else done
        return Work(claimed=claimed, event=event, policy=policy, done=done)

    def _drawn(self, function: str) -> str:
        known = self._site.invoker.functions.get(function)
        return "" if known is None else known.drawn()

    async def _attempt(self, work: Work, event: CloudEvent) -> Attempted:
        claimed = work.claimed
        if claimed.trigger.startswith(PREFIX):
            return await self._calling.attempt(claimed, event)
        if claimed.trigger.startswith(callbacks.PREFIX):
            return await self._callbacks.attempt(claimed, event.data)
        if work.done is None:
            return await self._courier.attempt(claimed, event, work.policy.timeout)
        if work.done.step < 0:  # the beginning of a run, which no function has a part in
            return begun(event) if work.done.plan else NO_PLAN
        return await self._part(work, event)

    async def _part(self, work: Work, event: CloudEvent) -> Attempted:
        """A part of a run: what is large comes out of a file and goes into one."""
        revision = event.extensions.get(pipelines.REVISION, "")
        try:
            event = await self._opened(event)
        except OSError as error:
            return not_there(f"The data of this step cannot be read here: {error.strerror or error}.")
        most = MOST_INLINE if self.claims is None else max(self.claims.most, MOST_INLINE)
        attempted = too_large(
            await self._courier.attempt(
                work.claimed, event, work.policy.timeout, most=most, revision=str(revision)
            )
        )
        return await self._claimed(work.claimed, attempted)

    async def _opened(self, event: CloudEvent) -> CloudEvent:
        """The event with the data that it refers to."""
        key = event.extensions.get(pipelines.DATAREF)
        if key is None:
            return event
        if self.claims is None:
            raise OSError("routes.yaml has no events.claims any more")
        rest = {name: value for name, value in event.extensions.items() if name != pipelines.DATAREF}
        return replace(event, data=await asyncio.to_thread(self.claims.get, str(key)), extensions=rest)

    async def _claimed(self, claimed: Claimed, attempted: Attempted) -> Attempted:
        """The answer, with its body elsewhere where it is large."""
        whole, claims = attempted.whole, self.claims
        if whole is None or claims is None or len(whole.body) <= MOST_INLINE or not attempted.outcome.is_good:
            return attempted
        try:
            await asyncio.to_thread(claims.put, claimed.key, whole.body)
        except OSError as error:
            return not_kept(f"The answer of this step cannot be kept: {error.strerror or error}.")
        headers = [*whole.headers, (pipelines.CLAIM, claimed.key.encode())]
        return replace(attempted, whole=replace(whole, headers=headers, body=b""))

    def _written(self, work: Work, attempted: Attempted, *, is_final: bool = False) -> Written:
        claimed, now = work.claimed, self._site.clock.wall()
        tries = work.policy.retry + 1 if is_final else claimed.tries
        after = broker.after(attempted.outcome, tries, work.policy, now)
        state, delay = State.DELIVERED, 0.0
        published = tuple(map(self._stamp.incoming, attempted.published))
        if isinstance(after, Retry):
            state, delay = State.WAITING, after.at - now  # by the store's clock, which gateways share
        elif after is broker.DEAD:
            state, published = State.DEAD, self._letters(work, attempted)
        settled = self._with_callback(
            work,
            Settled(
                claimed=claimed,
                holder=self._site.holder,
                outcome=attempted.outcome,
                state=state,
                delay=delay,
                revision=attempted.revision,
                published=published,
                result=result_of(attempted) if claimed.trigger.startswith(_KEEPS) else None,
            ),
        )
        return Written(settled=settled, done=work.done)

    def _with_callback(self, work: Work, settled: Settled) -> Settled:
        """With the event that tells whoever asked for it, where this is how a call ends."""
        if settled.state in OPEN or work.event is None or not work.claimed.trigger.startswith(PREFIX):
            return settled
        url = work.event.data.get("callback")
        if not url:
            return settled
        state = "succeeded" if settled.state is State.DELIVERED else "failed"
        function = work.claimed.function
        told = Planned(trigger=f"{callbacks.PREFIX}{function}", function=function)
        event = callbacks.event_of(settled, url, state)
        return replace(settled, published=(*settled.published, self._stamp.planned(event, (told,), "")))

    def _letters(self, work: Work, attempted: Attempted) -> tuple[Incoming, ...]:
        claimed, sink = work.claimed, work.policy.dead_letter_sink
        if not sink or claimed.is_letter or work.event is None:
            return ()
        letter = broker.dead_letter(work.event, attempted.outcome, f"/functions/{claimed.function}")
        return (self._stamp.letter(letter, claimed, sink),)
