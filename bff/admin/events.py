"""Events and triggers: looked at, explained, sent, begun anew, thrown away, paused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bff.admin.eventshapes import (
    CountShape,
    EventShape,
    ExplanationShape,
    PurgeEventsBody,
    RedriveBody,
    ScheduleShape,
    SentShape,
    TriggerShape,
    WholeEventShape,
)
from bff.admin.keys import Scope
from bff.admin.operation import Asked, Operation, Query, Reply, shown
from bff.admin.reading import LIMIT
from bff.errors import BadRequest, NotFound
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.eventfailures import BacklogFull, NoSuchName, RunBeforeOpen

if TYPE_CHECKING:
    from bff.events.operating import Operating

EVENT = "application/cloudevents+json"
LARGEST_EVENT = 2**20
STATES = ("waiting", "running", "delivered", "dead", "cancelled")
_SOUGHT = (
    LIMIT,
    Query(name="before", says="Only what is older than the event with this key."),
    Query(name="type", says="Only events of this type."),
    Query(name="source", says="Only events of this source."),
    Query(name="trigger", says="Only events with a delivery of this trigger."),
    Query(name="state", says="Only with one in this state.", words=STATES),
)


class Events:
    """The pages about events. ``operating`` gives None where routes.yaml has no events. Immutable."""

    def __init__(self, operating: Callable[[], Operating | None]) -> None:
        self._operating = operating

    def operations(self) -> list[Operation]:
        """All of them."""
        return [
            *self._reads(),
            *self._of_one(),
            *self._of_many(),
            *self._of_triggers(),
            *self._of_schedules(),
        ]

    def _reads(self) -> list[Operation]:
        return [
            Operation(
                name="listEvents",
                method="GET",
                path="/v1/events",
                says="Events with their deliveries, newest first.",
                run=self._list,
                query=_SOUGHT,
                answer=list[EventShape],
                refusals=(NotFound,),
            ),
            Operation(
                name="getEvent",
                method="GET",
                path="/v1/events/{key}",
                says="An event by its key, or by its id where only one source has that: with every attempt.",
                run=self._show,
                answer=WholeEventShape,
                refusals=(NotFound, NoSuchName),
            ),
            Operation(
                name="explainEvent",
                method="GET",
                path="/v1/events/{key}/explain",
                says="For every trigger whether it matches or which clause fails, and where the event went.",
                run=self._explain,
                answer=ExplanationShape,
                refusals=(NotFound, NoSuchName),
            ),
            Operation(
                name="listTriggers",
                method="GET",
                path="/v1/triggers",
                says="Every trigger, and how many deliveries it has in each state.",
                run=self._triggers,
                answer=list[TriggerShape],
                refusals=(NotFound,),
            ),
        ]

    def _of_one(self) -> list[Operation]:
        said = {
            "cancel": (
                self._cancel,
                "End what is open of an event; an attempt under way is not heard any more.",
            ),
            "redrive": (self._redrive, "Let dead and cancelled deliveries of an event begin anew."),
        }
        return [
            Operation(
                name=f"{verb}Event",
                method="POST",
                path=f"/v1/events/{{key}}/{verb}",
                says=says,
                run=run,
                scope=Scope.WRITE,
                answer=CountShape,
                refusals=(NotFound, NoSuchName, StoreUnavailable),
            )
            for verb, (run, says) in said.items()
        ]

    def _of_many(self) -> list[Operation]:
        return [
            Operation(
                name="sendEvent",
                method="POST",
                path="/v1/events",
                says="Take in a CloudEvent in structured mode; 202 once it is on the disk.",
                run=self._send,
                scope=Scope.WRITE,
                upload=EVENT,
                largest=LARGEST_EVENT,
                answer=SentShape,
                status=202,
                refusals=(BadRequest, NotFound, BacklogFull, StoreUnavailable),
            ),
            Operation(
                name="redriveEvents",
                method="POST",
                path="/v1/events/redrive",
                says="Let a trigger's dead and cancelled deliveries begin anew, at most a thousand at a time.",
                run=self._redrive_all,
                scope=Scope.WRITE,
                body=RedriveBody,
                answer=CountShape,
                refusals=(NotFound, StoreUnavailable),
            ),
            Operation(
                name="purgeEvents",
                method="POST",
                path="/v1/events/purge",
                says="Forget events of which nothing is open and one delivery is in this state, at most a thousand.",
                run=self._purge,
                scope=Scope.WRITE,
                body=PurgeEventsBody,
                answer=CountShape,
                refusals=(NotFound, StoreUnavailable),
            ),
        ]

    def _of_triggers(self) -> list[Operation]:
        said = {
            "pause": (self._pause, "Deliver nothing for a trigger; events that match are stored."),
            "resume": (self._resume, "Deliver again, what has waited first."),
        }
        return [
            Operation(
                name=f"{verb}Trigger",
                method="POST",
                path=f"/v1/triggers/{{name}}/{verb}",
                says=says,
                run=run,
                scope=Scope.WRITE,
                status=204,
                refusals=(NotFound, NoSuchName, StoreUnavailable),
            )
            for verb, (run, says) in said.items()
        ]

    def _of_schedules(self) -> list[Operation]:
        return [
            Operation(
                name="listSchedules",
                method="GET",
                path="/v1/schedules",
                says="Every schedule, when it ran and when it will.",
                run=self._schedules,
                answer=list[ScheduleShape],
                refusals=(NotFound,),
            ),
            Operation(
                name="runSchedule",
                method="POST",
                path="/v1/schedules/{name}/run",
                says="Run a schedule now, beside its times; 202 once its event is on the disk.",
                run=self._run,
                scope=Scope.WRITE,
                answer=SentShape,
                status=202,
                refusals=(NotFound, NoSuchName, RunBeforeOpen, BacklogFull, StoreUnavailable),
            ),
        ]

    def _desk(self) -> Operating:
        operating = self._operating()
        if operating is None:
            raise NotFound(
                "This gateway has no events: routes.yaml has no triggers, schedules, calls or events."
            )
        return operating

    async def _list(self, asked: Asked) -> Reply:
        found = await self._desk().listed(**asked.query)
        return shown([EventShape(**each) for each in found])

    async def _show(self, asked: Asked) -> Reply:
        return shown(WholeEventShape(**await self._desk().show(asked.params["key"])))

    async def _explain(self, asked: Asked) -> Reply:
        return shown(ExplanationShape(**await self._desk().explain(asked.params["key"])))

    async def _triggers(self, _: Asked) -> Reply:
        return shown([TriggerShape(**each) for each in await self._desk().triggers()])

    async def _send(self, asked: Asked) -> Reply:
        return shown(SentShape(**await self._desk().send(asked.body)), status=202)

    async def _cancel(self, asked: Asked) -> Reply:
        return shown(CountShape(count=await self._desk().cancel(asked.params["key"])))

    async def _redrive(self, asked: Asked) -> Reply:
        return shown(CountShape(count=await self._desk().redrive(asked.params["key"])))

    async def _redrive_all(self, asked: Asked) -> Reply:
        return shown(CountShape(count=await self._desk().redrive(trigger=asked.body.trigger)))

    async def _purge(self, asked: Asked) -> Reply:
        return shown(CountShape(count=await self._desk().purge(asked.body.state, asked.body.trigger)))

    async def _schedules(self, _: Asked) -> Reply:
        return shown([ScheduleShape(**each) for each in await self._desk().schedules()])

    async def _run(self, asked: Asked) -> Reply:
        return shown(SentShape(**await self._desk().run(asked.params["name"])), status=202)

    async def _pause(self, asked: Asked) -> Reply:
        await self._desk().pause(asked.params["name"], asked.who.name)
        return Reply(status=204)

    async def _resume(self, asked: Asked) -> Reply:
        await self._desk().resume(asked.params["name"])
        return Reply(status=204)
