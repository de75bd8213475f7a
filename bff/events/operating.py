"""What operators ask of events and do with them, told as plain values; the admin API and the console show those."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic_core import from_json

from bff.events.broker import Decision
from bff.events.records import Attempt, Delivery, Kept, Shown, Sought, State
from bff.events.room import Events
from bff.events.scheduler import event_of
from bff.events.stamping import Stamp
from bff.events.timetable import Timetable, moment_of
from bff.sdk.eventfailures import NoSuchName, RunBeforeOpen

MOST_AT_ONCE = 1000
"""Deliveries or events that one command changes: it is one transaction."""


class Operating:
    """Immutable. All raise StoreUnavailable when the store cannot be used."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._engine = events.engine

    async def send(self, body: bytes) -> dict[str, Any]:
        """Store an event given as a structured document; its key, and whether it is new.

        Raises:
            BadRequest: it is not a CloudEvent; every violation is named.
            BacklogFull: too many deliveries are open.

        """
        from bff.sdk.cloudevent import STRUCTURED, from_http

        event = from_http([(b"content-type", STRUCTURED.encode())], body)
        (accepted,) = await self._events.accept_others([event])
        return {"key": accepted.key, "new": accepted.is_new}

    async def listed(self, **sought: Any) -> list[dict[str, Any]]:
        """Events, the newest first, each with its deliveries."""
        found = await self._engine.list(Sought(**sought))
        return [{**_event(kept), "deliveries": list(map(_delivery, each))} for kept, each in found]

    async def show(self, key: str) -> dict[str, Any]:
        """An event with everything that became of it.

        Raises:
            NoSuchName: none is kept under this key or id.

        """
        found = await self._events.shown(key)
        return {
            **_event(found.event),
            "event": from_json(found.event.document),
            "deliveries": [_tried(each, found) for each in found.deliveries],
        }

    async def explain(self, key: str) -> dict[str, Any]:
        """For every trigger whether it matches or which clause fails, and what became of its delivery.

        Raises:
            NoSuchName: none is kept under this key or id.

        """
        found = await self._events.shown(key)
        paused = await self._engine.paused()
        made = {each.trigger: each for each in found.deliveries}
        decisions = {
            each.trigger.name: each for each in self._events.decisions(Stamp.read(found.event.document))
        }
        names = [*decisions, *(name for name in made if name not in decisions)]
        return {
            **_event(found.event),
            "as_then": self._events.decided_as_now(found),
            "triggers": [
                {
                    "trigger": name,
                    **_decided(name, decisions.get(name)),
                    "paused": name in paused,
                    "delivery": _tried(made[name], found) if name in made else None,
                }
                for name in names
            ],
        }

    async def cancel(self, key: str) -> int:
        """End what is open of an event; how many deliveries that were.

        Raises:
            NoSuchName: none is kept under this key or id.

        """
        return await self._engine.cancel((await self._events.shown(key)).event.key)

    async def redrive(self, key: str = "", *, trigger: str = "") -> int:
        """Begin anew what is dead or cancelled, of an event or of a trigger; how many deliveries that were.

        Raises:
            NoSuchName: none is kept under this key or id.

        """
        before = (await self._events.shown(key)).event.key if key else ""
        count = await self._engine.redrive(Sought(before=before, trigger=trigger, limit=MOST_AT_ONCE))
        self._events.dispatcher.wake()
        return count

    async def purge(self, state: str, trigger: str = "") -> int:
        """Forget events by what became of them; how many, at most a thousand at a time."""
        return await self._engine.purge(Sought(state=state, trigger=trigger, limit=MOST_AT_ONCE))

    async def dead(self, trigger: str, limit: int) -> list[dict[str, Any]]:
        """What is dead, the newest first, of a trigger if one is named, and why."""
        return [asdict(each) for each in await self._engine.dead(trigger, limit)]

    async def counts(self, state: str) -> dict[str, int]:
        """How many deliveries are in a state, of triggers and of whatever else is delivered."""
        return {name: count for (name, _), count in (await self._engine.counts([state])).items()}

    async def triggers(self, *states: str) -> list[dict[str, Any]]:
        """Every trigger: whether it is paused, and how many deliveries it has in each of these states, else in every
        one, for which all that are kept are read.
        """
        wanted = states or tuple(map(str, State))
        paused, counts = await self._engine.paused(), Counter(await self._engine.counts(wanted))
        return [
            {
                "name": each.name,
                "function": each.function,
                "paused": each.name in paused,
                "paused_by": paused[each.name][1] if each.name in paused else None,
                **{state: counts[each.name, state] for state in wanted},
            }
            for each in self._events.triggers.values()
        ]

    async def schedules(self) -> list[dict[str, Any]]:
        """Every schedule: when it ran, and when it will."""
        now = self._events.clock.wall()
        return [
            {
                "name": each.name,
                "function": each.config.function,
                "cron": each.config.cron,
                "time_zone": each.config.time_zone,
                "next": each.after(now),
                "last": await self._last(each),
            }
            for each in self._events.scheduler.tables.values()
        ]

    async def _last(self, table: Timetable) -> float | None:
        last = await self._events.fired(table)
        return None if last is None else moment_of(last)

    async def run(self, name: str) -> dict[str, Any]:
        """Run a schedule now, beside its times; the key of its event.

        Raises:
            NoSuchName: there is none of this name.
            RunBeforeOpen: ``overlap`` is ``skip``, and the run before has not ended.
            BacklogFull: too many deliveries are open.

        """
        tables = self._events.scheduler.tables
        if name not in tables:
            raise NoSuchName.declared("schedule", name, tables)
        table, now = tables[name], self._events.clock.wall()
        event = event_of(table, now, number=secrets.token_hex(8), source=f"{table.source}/by-hand")
        accepted = await self._events.fire(table, event)
        if not (await self._events.shown(accepted.key)).deliveries:
            raise RunBeforeOpen(name)
        return {"key": accepted.key, "new": accepted.is_new}

    async def pause(self, trigger: str, who: str) -> None:
        """Deliver nothing for a trigger until it is resumed; events that match are stored.

        Raises:
            NoSuchName: there is none of this name.

        """
        await self._engine.pause(self._events.known(trigger), who)

    async def resume(self, trigger: str) -> None:
        """Deliver again, what has waited first.

        Raises:
            NoSuchName: there is none of this name.

        """
        await self._engine.resume(self._events.known(trigger))
        self._events.dispatcher.wake()


def _event(kept: Kept) -> dict[str, Any]:
    names = ("key", "id", "source", "type", "accepted")
    return {name: getattr(kept, name) for name in names} | {"subject": kept.subject or None}


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "key": delivery.key,
        "trigger": delivery.trigger,
        "function": delivery.function,
        "dead_letter": delivery.is_letter,
        "state": str(delivery.state),
        "attempts": delivery.attempts,
        "updated": delivery.updated,
        "not_before": delivery.due if delivery.state is State.WAITING else None,
    }


def delivery_of(delivery: Delivery, tries: Sequence[Attempt]) -> dict[str, Any]:
    """A delivery with its attempts."""
    return {**_delivery(delivery), "tries": list(map(_attempt, tries))}


def _tried(delivery: Delivery, shown: Shown) -> dict[str, Any]:
    return delivery_of(delivery, shown.attempts.get(delivery.key, ()))


def _attempt(attempt: Attempt) -> Mapping[str, Any]:
    names = ("number", "began", "ended", "status", "code", "detail", "revision", "gateway")
    return {name: getattr(attempt, name) for name in names}


def _decided(name: str, decision: Decision | None) -> dict[str, Any]:
    if decision is None and "/" in name:  # a call, a schedule, a step: planned, whatever triggers say
        return {"matched": True, "why_not": None}
    if decision is None:
        return {"matched": False, "why_not": "routes.yaml has this trigger no longer"}
    return {"matched": decision.matched, "why_not": decision.why_not or None}
