"""What operators ask of pipelines and do with their runs, told as plain values."""

from __future__ import annotations

import secrets
from dataclasses import fields
from typing import Any

from bff.events import following, pipelines
from bff.events.broker import moment
from bff.events.course import Course
from bff.events.operating import delivery_of
from bff.events.records import Going, Planned, Run
from bff.events.room import Events
from bff.frozen import frozen
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.eventfailures import NoSuchName


@frozen
class Followed:
    """How a run stands, under the ``number`` of that; ``told`` is None where it was heard of."""

    number: int
    told: dict[str, Any] | None
    is_over: bool


class Stages:
    """Immutable. All raise StoreUnavailable when the store cannot be used."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._engine = events.engine

    def listed(self) -> list[dict[str, Any]]:
        """Every pipeline with its steps."""
        return [
            {"name": name, "steps": [list(each.functions) for each in pipelines.plan_of(config)]}
            for name, config in self._events.pipelines.items()
        ]

    async def start(self, name: str, data: Any) -> str:
        """Begin a run; its key, once it is on the disk.

        Raises:
            NoSuchName: there is none of this name.
            BacklogFull: too many deliveries are open.

        """
        now = self._events.clock.wall()
        event = CloudEvent(
            id=secrets.token_hex(8),
            source=f"/pipelines/{self._known(name)}",
            type=f"{pipelines.TYPE}.start",
            time=moment(now),
            datacontenttype="application/json",
            data=data,
        )
        planned = (Planned(trigger=pipelines.trigger_of(name), function=""),)
        return (await self._events.plan(event, planned, "")).key

    async def runs(self, name: str, limit: int) -> list[dict[str, Any]]:
        """The newest runs of a pipeline.

        Raises:
            NoSuchName: there is none of this name.

        """
        return [_run(each) for each in await self._engine.runs(self._known(name), limit)]

    async def show(self, key: str) -> dict[str, Any]:
        """A run with the timeline of its parts, and what its last step answered.

        Raises:
            NoSuchName: none of this key is kept.

        """
        run = await self._run(key)
        parts = [delivery_of(each, tries) for each, tries in await self._engine.parts(run)]
        return {**_run(run), "parts": parts, "answer": await self.answer(key)}

    async def course(self, key: str) -> Course:
        """A run for people: its steps with their counts and times, and as many of their parts as can be looked at.

        Raises:
            NoSuchName: none of this key is kept.

        """
        found = await self._engine.course(key)
        if found is None:
            raise _no_run(key)
        return found

    async def answer(self, key: str) -> Any:
        """What the last step of a run answered, None where there is nothing."""
        return await self._engine.answer(key)

    async def followed(self, key: str, heard: str) -> Followed:
        """How a run stands, for who follows it and has heard of the event of this id.

        Raises:
            NoSuchName: none of this key is kept.

        """
        seen = await self._engine.follow_run(key, following.heard(heard))
        if seen is None:
            raise _no_run(key)
        told = None
        if seen.told is not None:
            run, going = seen.told
            told = {**_run(run), "going": [*map(_going, going)]}
        return Followed(number=seen.number, told=told, is_over=seen.is_over)

    async def resume(self, key: str) -> int:
        """Let what is dead or cancelled of a run begin anew, from the step where it stands; how many parts.

        Raises:
            NoSuchName: none of this key is kept.

        """
        count = await self._engine.resume_run(await self._run(key))
        self._events.dispatcher.wake()
        return count

    async def cancel(self, key: str) -> int:
        """End a run; how many parts of it were open.

        Raises:
            NoSuchName: none of this key is kept.

        """
        ended = await self._engine.cancel_run(await self._run(key))
        for delivery in ended:
            self._events.dispatcher.cancel(delivery)
        return len(ended)

    async def _run(self, key: str) -> Run:
        found = await self._engine.run(key)
        if found is None:
            raise _no_run(key)
        return found

    def _known(self, name: str) -> str:
        if name not in self._events.pipelines:
            raise NoSuchName.declared("pipeline", name, self._events.pipelines)
        return name


def _no_run(key: str) -> NoSuchName:
    return NoSuchName.kept("run", key, "; `bff pipelines runs NAME` shows those there are.")


def _run(run: Run) -> dict[str, Any]:
    names = ("key", "pipeline", "state", "step", "done", "total", "created", "updated", "why")
    return {name: getattr(run, name) for name in names}


def _going(part: Going) -> dict[str, Any]:
    said = part.progress
    names = ("key", "trigger", "function", "attempts")
    return {
        **{name: getattr(part, name) for name in names},
        "progress": None if said is None else {each.name: getattr(said, each.name) for each in fields(said)},
    }
