"""Pipelines, their runs, and one run from its first step to where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bff.admin.desk import House
from bff.admin.operation import Asked
from bff.console.course import course_of
from bff.console.page import Facts, Page
from bff.errors import NotFound
from bff.sdk.eventfailures import NoSuchName

if TYPE_CHECKING:
    from bff.events.stages import Stages

MOST_PIPELINES = 20
NEWEST = 5
"""Runs of a pipeline that the list of all has."""
MOST_RUNS = 50
MOST_TEXT = 20_000
"""Characters of an answer that are shown."""


class Pipelines:
    """Immutable."""

    def __init__(self, house: House) -> None:
        self._stages: Callable[[], Stages | None] = house.stages
        self._clock = house.clock

    def pages(self) -> list[Page]:
        """All of them."""
        return [
            Page(
                name="pipelines",
                path="/console/pipelines",
                title="Pipelines",
                facts=self._list,
                nav="Pipelines",
                key="p",
                parts=("rows",),
            ),
            Page(
                name="pipeline",
                path="/console/pipelines/{name}",
                title="Pipeline",
                facts=self._runs,
                under="pipelines",
                parts=("rows",),
            ),
            Page(
                name="run",
                path="/console/runs/{key}",
                title="Run",
                facts=self._run,
                under="pipelines",
                parts=("standing", "timeline"),
            ),
        ]

    async def _list(self, _: Asked) -> Facts:
        stages = self._stages()
        listed = [] if stages is None else stages.listed()
        shown = [
            {**each, "runs": [] if stages is None else await stages.runs(each["name"], NEWEST)}
            for each in listed[:MOST_PIPELINES]
        ]
        return {"all": len(listed), "pipelines": shown}

    async def _runs(self, asked: Asked) -> Facts:
        stages, name = self._desk(), asked.params["name"]
        found = next((each for each in stages.listed() if each["name"] == name), None)
        if found is None:
            raise NoSuchName.declared("pipeline", name, [each["name"] for each in stages.listed()])
        return {"pipeline": found, "runs": await stages.runs(name, MOST_RUNS), "most": MOST_RUNS}

    async def _run(self, asked: Asked) -> Facts:
        stages, key = self._desk(), asked.params["key"]
        found = await stages.course(key)
        answer: Any = await stages.answer(key) if found.run.state == "succeeded" else None
        return {
            "run": found.run,
            "course": course_of(found, self._clock.wall()),
            "is_over": found.run.state != "running",
            "answer": answer,
            "most": MOST_TEXT,
        }

    def _desk(self) -> Stages:
        stages = self._stages()
        if stages is None:
            raise NotFound("This gateway has no pipelines: routes.yaml has none.")
        return stages
