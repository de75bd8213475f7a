"""What supervisors, scrapers and people who met an error read: health, metrics, and what a problem means."""

from __future__ import annotations

from collections.abc import Callable

from bff.admin.desk import Exposition, Functions
from bff.admin.operation import Asked, Operation, Reply, shown
from bff.admin.shapes import FunctionShape
from bff.errors import NotFound
from bff.gateway.own import pages

TEXT = "text/plain; charset=utf-8"


class Health:
    """The pages about the gateway itself. Immutable."""

    def __init__(
        self, *, functions: Functions, is_ready: Callable[[], bool], metrics: Exposition | None
    ) -> None:
        self._functions = functions
        self._is_ready = is_ready
        self._metrics = metrics

    def operations(self) -> list[Operation]:
        """All of them."""
        return [*self._of_everybody(), *self._of_operators()]

    def _of_everybody(self) -> list[Operation]:
        return [
            Operation(
                name=name,
                method="GET",
                path=f"/health/{name}",
                says=says,
                run=run,
                scope=None,
                answer=dict[str, str],
            )
            for name, says, run in (
                ("liveness", "Whether the process answers.", self._liveness),
                ("readiness", "Whether it takes requests; 503 once draining has begun.", self._readiness),
            )
        ] + [
            Operation(
                name="problem",
                method="GET",
                path="/problems/{code}",
                says="What an error means.",
                run=self._problem,
                scope=None,
                kind=TEXT,
                refusals=(NotFound,),
            )
        ]

    def _of_operators(self) -> list[Operation]:
        return [
            Operation(
                name="metrics",
                method="GET",
                path="/metrics",
                says="Prometheus text, or OpenMetrics with exemplars where Accept asks for it.",
                run=self._exposition,
                kind="text/plain",
                refusals=(NotFound,),
            ),
            Operation(
                name="listFunctions",
                method="GET",
                path="/v1/functions",
                says="Every function as it stands.",
                run=self._listed,
                answer=list[FunctionShape],
            ),
        ]

    async def _liveness(self, _: Asked) -> Reply:
        return shown({"status": "alive"})

    async def _readiness(self, _: Asked) -> Reply:
        return shown({"status": "ready"}) if self._is_ready() else shown({"status": "draining"}, status=503)

    async def _problem(self, asked: Asked) -> Reply:
        page = pages().get(asked.params["code"])
        if page is None:
            raise NotFound("There is no such kind of problem.")
        return Reply(kind=TEXT, body=page)

    async def _exposition(self, asked: Asked) -> Reply:
        if self._metrics is None:
            raise NotFound("Metrics are off (telemetry.metrics in routes.yaml).")
        body, kind = await self._metrics(asked.accept)
        return Reply(kind=kind, body=body)

    async def _listed(self, _: Asked) -> Reply:
        return shown([function.status() for function in self._functions().values()])
