"""Pipelines and their runs: looked at, begun, resumed, cancelled."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic_core import to_json

from bff.admin.eventshapes import (
    BeginBody,
    BegunShape,
    CountShape,
    FollowedRunShape,
    PipelineShape,
    RunShape,
    WholeRunShape,
)
from bff.admin.keys import Scope
from bff.admin.operation import EVENTS, Asked, Operation, Reply, shown
from bff.admin.reading import LIMIT, MOST
from bff.admin.refusals import Busy
from bff.admin.watching import BEAT, Watchers, event
from bff.clock import Clock
from bff.errors import NotFound
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.eventfailures import BacklogFull, NoSuchName

if TYPE_CHECKING:
    from bff.events.stages import Followed, Stages

LARGEST = 2**20
MOST_WATCHERS = 32
LOOKS_EVERY = 0.25
"""Seconds between two looks at the store while somebody watches."""
HERE = b": from here on\n\n"


class Pipelines:
    """The pages about pipelines. ``stages`` gives None where routes.yaml has no events. Mutable state: who watches."""

    def __init__(
        self, stages: Callable[[], Stages | None], *, clock: Clock, is_ready: Callable[[], bool]
    ) -> None:
        self._stages = stages
        self._clock = clock
        self._watchers = Watchers(MOST_WATCHERS, "runs", clock=clock, is_ready=is_ready)

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
                says=(
                    "A run with the timeline of its parts, and what its last step answered. With Accept: "
                    "text/event-stream the answer goes on: an event `progress` now and with each change, and an "
                    "event `end`; 204 to who comes back with the Last-Event-ID of that."
                ),
                run=self._show,
                answer=WholeRunShape,
                event=FollowedRunShape,
                refusals=(NotFound, NoSuchName, Busy),
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
        if EVENTS in asked.accept:
            return await self._followed(asked)
        return shown(WholeRunShape(**await self._desk().show(asked.params["key"])))

    async def _followed(self, asked: Asked) -> Reply:
        seen = await self._desk().followed(asked.params["key"], asked.heard)
        if seen.told is None and seen.is_over:
            return Reply(status=204)
        self._watchers.admit()
        return Reply(kind=EVENTS, body=self._watched(asked, seen))

    async def _watched(self, asked: Asked, seen: Followed) -> AsyncGenerator[bytes, None]:
        """Its changes as they come, until the end, the caller's leaving or ours."""
        async with self._watchers.watch(asked) as watch:
            yield HERE
            while True:
                if seen.told is not None:
                    watch.speaks()
                    yield _event(seen)
                elif watch.beats():
                    yield BEAT
                if seen.is_over or not watch.goes_on():
                    return
                await self._clock.sleep(LOOKS_EVERY)
                seen = await self._looked(asked.params["key"], seen)

    async def _looked(self, key: str, seen: Followed) -> Followed:
        """How it stands now; as before, as long as the store cannot be asked."""
        try:
            return await self._desk().followed(key, str(seen.number))
        except StoreUnavailable:
            return replace(seen, told=None)
        except (NotFound, NoSuchName):  # it was forgotten meanwhile
            return replace(seen, told=None, is_over=True)

    async def _resume(self, asked: Asked) -> Reply:
        return shown(CountShape(count=await self._desk().resume(asked.params["key"])))

    async def _cancel(self, asked: Asked) -> Reply:
        return shown(CountShape(count=await self._desk().cancel(asked.params["key"])))


def _event(seen: Followed) -> bytes:
    told = seen.told
    assert told is not None
    return event(b"end" if seen.is_over else b"progress", seen.number, to_json(FollowedRunShape(**told)))
