"""Pipelines and their runs: looked at, begun, resumed, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bff.admin.eventshapes import BeginBody, BegunShape, CountShape, PipelineShape, RunShape, WholeRunShape
from bff.admin.keys import Scope
from bff.admin.operation import Asked, Operation, Reply, shown
from bff.admin.reading import LIMIT, MOST
from bff.errors import NotFound
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.eventfailures import BacklogFull, NoSuchName

if TYPE_CHECKING:
    from bff.events.stages import Stages

LARGEST = 2**20


class Pipelines:
    """The pages about pipelines. ``stages`` gives None where routes.yaml has no events. Immutable."""

    def __init__(self, stages: Callable[[], Stages | None]) -> None:
        self._stages = stages

    def operations(self) -> list[Operation]:
        """All of them."""
        return [*self._of_pipelines(), *self._of_runs()]

    def _of_pipelines(self) -> list[Operation]:
        return [
            Operation(
                name="listPipelines",
                method="GET",
                path="/v1/pipelines",
                says="Every pipeline with its steps.",
                run=self._list,
                answer=list[PipelineShape],
                refusals=(NotFound,),
            ),
            Operation(
                name="listRuns",
                method="GET",
                path="/v1/pipelines/{name}/runs",
                says="The runs of a pipeline, newest first.",
                run=self._runs,
                query=(LIMIT,),
                answer=list[RunShape],
                refusals=(NotFound, NoSuchName),
            ),
            Operation(
                name="beginRun",
                method="POST",
                path="/v1/pipelines/{name}/runs",
                says="Begin a run; 202 once it is on the disk.",
                run=self._begin,
                scope=Scope.WRITE,
                body=BeginBody,
                largest=LARGEST,
                answer=BegunShape,
                status=202,
                refusals=(NotFound, NoSuchName, BacklogFull, StoreUnavailable),
            ),
        ]

    def _of_runs(self) -> list[Operation]:
        said = {
            "resume": (self._resume, "Let what is dead or cancelled of a run begin anew, and nothing else."),
            "cancel": (self._cancel, "End what is open of a run."),
        }
        return [
            Operation(
                name="getRun",
                method="GET",
                path="/v1/runs/{key}",
                says="A run with the timeline of its parts, and what its last step answered.",
                run=self._show,
                answer=WholeRunShape,
                refusals=(NotFound, NoSuchName),
            ),
            *(
                Operation(
                    name=f"{verb}Run",
                    method="POST",
                    path=f"/v1/runs/{{key}}/{verb}",
                    says=says,
                    run=run,
                    scope=Scope.WRITE,
                    answer=CountShape,
                    refusals=(NotFound, NoSuchName, StoreUnavailable),
                )
                for verb, (run, says) in said.items()
            ),
        ]

    def _desk(self) -> Stages:
        stages = self._stages()
        if stages is None:
            raise NotFound("This gateway has no pipelines: routes.yaml has none.")
        return stages

    async def _list(self, _: Asked) -> Reply:
        return shown([PipelineShape(**each) for each in self._desk().listed()])

    async def _runs(self, asked: Asked) -> Reply:
        found = await self._desk().runs(asked.params["name"], asked.query.get("limit", MOST))
        return shown([RunShape(**each) for each in found])

    async def _begin(self, asked: Asked) -> Reply:
        return shown(
            BegunShape(key=await self._desk().start(asked.params["name"], asked.body.data)), status=202
        )

    async def _show(self, asked: Asked) -> Reply:
        return shown(WholeRunShape(**await self._desk().show(asked.params["key"])))

    async def _resume(self, asked: Asked) -> Reply:
        return shown(CountShape(count=await self._desk().resume(asked.params["key"])))

    async def _cancel(self, asked: Asked) -> Reply:
        return shown(CountShape(count=await self._desk().cancel(asked.params["key"])))
