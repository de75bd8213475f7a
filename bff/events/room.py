"""The events room put together: what comes in, what is delivered, what operators ask."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from pydantic_core import to_json

from bff.config import Config
from bff.config.pipeline import PipelineConfig
from bff.errors import GatewayDraining
from bff.events import broker, pipelines
from bff.events.broker import Decision, Trigger
from bff.events.callbacks import Callbacks
from bff.events.calling import Calling
from bff.events.claims import Claims
from bff.events.courier import Courier
from bff.events.delivering import Delivering
from bff.events.dispatcher import Dispatcher
from bff.events.engine import StoreEngine
from bff.events.following import Followers
from bff.events.ownsources import OwnSources
from bff.events.progressing import Progressing
from bff.events.queues import reach_of
from bff.events.records import Accepted, Planned, Shown
from bff.events.scheduler import Scheduler
from bff.events.stamping import Stamp
from bff.events.timetable import Timetable
from bff.events.tracing import traced
from bff.revisions.store.failures import StoreUnavailable
from bff.runtime.site import Site
from bff.sdk.cloudevent import CloudEvent, all_from_http
from bff.sdk.eventfailures import NoSuchName
from bff.sdk.invocation import Invocation
from bff.sdk.reply import JSON, Answer
from bff.signals import EventsAccepted, Unexpected

EXPIRES_EVERY = 60.0
"""Seconds between two looks for events that may be forgotten."""
MOST_EXPIRED = 500
"""Events forgotten in one transaction."""


class Events:
    """Mutable state: ``_config`` and ``triggers``, replaced whole when routes.yaml changes."""

    def __init__(
        self,
        site: Site,
        config: Config,
    ) -> None:
        self._site = site
        self.engine = StoreEngine(site.store, site.bell)
        self.triggers: Mapping[str, Trigger] = {}
        self.pipelines: Mapping[str, PipelineConfig] = {}
        self.clock = clock = site.clock
        self._stamp = Stamp(clock)
        courier = Courier(site.invoker, clock=clock, signals=site.signals, origin=site.origin)
        self.calling = Calling(courier, config)
        self._callbacks = Callbacks(self.engine.result, clock=clock)
        self.progressing = Progressing(self.engine, clock)
        self.followers = Followers(clock)
        self._delivering = Delivering(
            site,
            courier=courier,
            calling=self.calling,
            calls_back=self._callbacks,
            stamp=self._stamp,
            triggers=lambda: self._deliveries,
        )
        self.dispatcher = Dispatcher(
            site,
            self.engine,
            self._delivering,
            triggers=lambda: self._deliveries,
            capacity=config.events_said.concurrency,
        )
        self.scheduler = Scheduler(self, clock=clock, signals=site.signals)
        self._deliveries: Mapping[str, Trigger] = {}
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Obey a routes.yaml from now on; deliveries that are stored keep their functions."""
        triggers = broker.triggers_of(config.triggers)
        self._config = config.events_said
        self._own = OwnSources.of(config)
        self.calling.configure(config)
        self._callbacks.config = config.calls_said.callbacks
        self.triggers = {each.name: each for each in triggers}
        tables = (
            {name: Timetable.of(name, each) for name, each in config.schedules.items()}
            if config.schedules
            else {}
        )
        self.scheduler.configure(tables)
        of_schedules = {each.trigger: _trigger_of(each) for each in tables.values()}
        self._deliveries = {**self.triggers, **of_schedules, **_steps_of(config)}
        self.pipelines = config.pipelines
        self._delivering.claims = self.engine.claims = _claims_of(config)
        self._delivering.plans = {
            name: pipelines.written(pipelines.plan_of(each)) for name, each in config.pipelines.items()
        }
        self._stamp.triggers = (*triggers, *_beginnings_of(config))
        self._stamp.digest = broker.digest_of(config.triggers)
        self.dispatcher.capacity = self._config.concurrency
        self.dispatcher.reach = reach_of(self._site.queues, config.functions)
        self.dispatcher.wake()

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self.dispatcher.run()

    async def schedule(self) -> None:
        """Run what is due by the clock until cancelled."""
        await self.scheduler.run()

    async def tidy(self) -> None:
        """Forget what is older than ``events.retention``, again and again, until cancelled."""
        while True:
            await self.clock.sleep(EXPIRES_EVERY)
            try:
                await self.expire()
                await self.sweep()
            except Exception as error:  # the next time may be better
                self._site.signals.emit(Unexpected(where="events", error=error))

    async def sweep(self) -> None:
        """Remove the files of runs that are forgotten."""
        claims = self._delivering.claims
        if claims is None:
            return
        names = await asyncio.to_thread(claims.runs, self.clock.wall())
        with suppress(StoreUnavailable):
            if gone := names - set(await self.engine.kept_runs(names)):
                await asyncio.to_thread(claims.remove, gone)

    async def expire(self) -> int:
        """Forget what may be forgotten now; how many events that were."""
        gone = 0
        try:
            for seconds, calls in ((self._config.retention, False), (self.calling.config.retention, True)):
                before = self.clock.wall() - seconds
                while more := await self.engine.expire(before, MOST_EXPIRED, calls=calls):
                    gone += more
        except StoreUnavailable:
            return gone  # another time
        return gone

    async def accept(self, events: Sequence[CloudEvent]) -> list[Accepted]:
        """Store events with a delivery for each trigger that matches; all or none.

        Raises:
            BacklogFull, StoreUnavailable: nothing was stored, as far as can be told.
            GatewayDraining: the gateway is stopping.

        """
        if self.dispatcher.is_stopping:
            raise GatewayDraining
        incoming = list(map(self._stamp.incoming, events))
        accepted = await self.engine.enqueue(incoming, backlog=self._config.backlog)
        self._count(accepted)
        self.dispatcher.wake()
        return accepted

    async def accept_others(self, events: Sequence[CloudEvent]) -> list[Accepted]:
        """The same for events that come from outside.

        Raises:
            BadRequest: the source of one is the gateway's own; nothing was stored.
            BacklogFull, StoreUnavailable, GatewayDraining: as :meth:`accept`.

        """
        self._own.refuse(events)
        return await self.accept(events)

    def _count(self, accepted: Sequence[Accepted]) -> None:
        count = sum(each.is_new for each in accepted)
        if count:
            self._site.signals.emit(EventsAccepted(count=count))

    async def fire(self, table: Timetable, event: CloudEvent) -> Accepted:
        """Store the event of a schedule's moment with its delivery, unless that is stored already; without it
        where the run before has not ended and ``overlap`` is ``skip``.

        Raises:
            BacklogFull, StoreUnavailable, GatewayDraining: as :meth:`accept`.

        """
        planned = (Planned(trigger=table.trigger, function=table.config.function),)
        unless_open = table.trigger if table.config.overlap == "skip" else ""
        return await self.plan(event, planned, "", unless_open=unless_open)

    async def fired(self, table: Timetable) -> str | None:
        """The id of the newest event of a schedule that is kept."""
        return await self.engine.newest(table.source)

    async def plan(
        self, event: CloudEvent, planned: tuple[Planned, ...], digest: str, *, unless_open: str = ""
    ) -> Accepted:
        """Store an event with these deliveries, whatever triggers say; ``digest`` is kept with it.

        Raises:
            BacklogFull, StoreUnavailable, GatewayDraining: as :meth:`accept`.

        """
        if self.dispatcher.is_stopping:
            raise GatewayDraining
        incoming = self._stamp.planned(event, planned, digest)
        (accepted,) = await self.engine.enqueue(
            [incoming], backlog=self._config.backlog, unless_open=unless_open
        )
        self._count([accepted])
        self.dispatcher.wake()
        return accepted

    async def receive(self, invocation: Invocation) -> Answer:
        """What the public listener answers to events: 202 once they are on the disk.

        Raises:
            BadRequest: they are not CloudEvents, every violation is named; or they bear a source of the gateway's own.
            BodyTooLarge, UnsupportedMediaType, BacklogFull, StoreUnavailable: nothing was stored.

        """
        incoming = invocation.incoming
        assert incoming is not None
        headers, body = incoming.scope["headers"], await incoming.body()
        events = all_from_http(headers, body, most=self._config.batch)
        accepted = await self.accept_others(self._traced(events, invocation))
        told = {"events": [{"key": each.key, "new": each.is_new} for each in accepted]}
        return Answer(202, [JSON], to_json(told))

    async def publish(self, invocation: Invocation, event: CloudEvent) -> None:
        """An event of a function's own: with the end of its attempt where it is delivering one, at once elsewhere.

        Raises:
            BacklogFull, StoreUnavailable: it was not stored.

        """
        (event,) = self._traced([event], invocation)
        if invocation.outbox is not None:
            invocation.outbox.append(event)
        else:
            await self.accept([event])

    def _traced(self, events: Sequence[CloudEvent], invocation: Invocation) -> Sequence[CloudEvent]:
        """Told where they come from, where anybody will see their traces."""
        return traced(events, invocation) if self._site.origin().exports else events

    async def shown(self, key: str) -> Shown:
        """An event with everything that became of it.

        Raises:
            NoSuchName: none is kept under this key or id.

        """
        found = await self.engine.status(key)
        if found is None:
            raise NoSuchName.kept("event", key, ", or several are; `bff events list` shows their keys.")
        return found

    def decisions(self, event: CloudEvent) -> list[Decision]:
        """What each trigger of now says about an event."""
        return broker.decide(event, self._stamp.triggers)

    def decided_as_now(self, shown: Shown) -> bool:
        """Whether the triggers of now are those that decided on the event when it came."""
        return shown.event.triggers == self._stamp.digest

    def known(self, trigger: str) -> str:
        """The name, when there is such a trigger.

        Raises:
            NoSuchName: there is none; with the name that was probably meant.

        """
        if trigger not in self.triggers:
            raise NoSuchName.declared("trigger", trigger, self.triggers)
        return trigger

    async def stop(self, within: float) -> None:
        """Take nothing more, let what runs end for so many seconds, and give the rest back."""
        await self.dispatcher.stop(within)
        await self.progressing.close()
        await self.engine.close()


def _claims_of(config: Config) -> Claims | None:
    said = config.events_said.claims
    return None if said is None else Claims(config.path.parent / said.folder, said.max_size)


def _beginnings_of(config: Config) -> list[Trigger]:
    """What begins a run of each pipeline that events begin."""
    return [
        broker.trigger_of(pipelines.trigger_of(name), "", each.filters)
        for name, each in config.pipelines.items()
        if each.filters is not None
    ]


def _steps_of(config: Config) -> dict[str, Trigger]:
    """What the dispatcher needs to know of the steps of pipelines."""
    made = {}
    for name, pipeline in config.pipelines.items():
        for at, step in enumerate(pipeline.steps):
            trigger = pipelines.trigger_of(name, at)
            made[trigger] = broker.trigger_of(
                trigger, step.function, (), delivery=step.delivery, concurrency=step.concurrency
            )
    return made


def _trigger_of(table: Timetable) -> Trigger:
    """What the dispatcher needs to know of a schedule's deliveries."""
    return broker.trigger_of(table.trigger, table.config.function, (), delivery=table.config.delivery)
