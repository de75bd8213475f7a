"""What supervisors, scrapers and people who met an error read: health, metrics, and what a problem means."""

from __future__ import annotations

from collections.abc import Callable

from bff.admin.desk import Exposition, Functions
from bff.admin.operation import Asked, Operation, Reply, shown
from bff.admin.shapes import FunctionShape
from bff.errors import NotFound
from bff.gateway.own import pages

TEXT = "text/plain; charset=utf-8"


def operations(
    *, functions: Functions, is_ready: Callable[[], bool], metrics: Exposition | None
) -> list[Operation]:
    """All of them; health and problems are open to everybody."""

    async def liveness(_: Asked) -> Reply:
        return shown({"status": "alive"})

    async def readiness(_: Asked) -> Reply:
        return shown({"status": "ready"}) if is_ready() else shown({"status": "draining"}, status=503)

    async def exposition(_: Asked) -> Reply:
        if metrics is None:
            raise NotFound("Metrics are off (telemetry.metrics in routes.yaml).")
        body, kind = metrics()
        return Reply(kind=kind, body=body)

    async def listed(_: Asked) -> Reply:
        return shown([function.status() for function in functions().values()])

    async def problem(asked: Asked) -> Reply:
        page = pages().get(asked.params["code"])
        if page is None:
            raise NotFound("There is no such kind of problem.")
        return Reply(kind=TEXT, body=page)

    status = dict[str, str]
    return [
        Operation(
            name="liveness",
            method="GET",
            path="/health/liveness",
            says="Whether the process answers.",
            run=liveness,
            scope=None,
            answer=status,
        ),
        Operation(
            name="readiness",
            method="GET",
            path="/health/readiness",
            says="Whether it takes requests; 503 once draining has begun.",
            run=readiness,
            scope=None,
            answer=status,
        ),
        Operation(
            name="problem",
            method="GET",
            path="/problems/{code}",
            says="What an error means.",
            run=problem,
            scope=None,
            kind=TEXT,
            refusals=(NotFound,),
        ),
        Operation(
            name="metrics",
            method="GET",
            path="/metrics",
            says="Prometheus text.",
            run=exposition,
            kind="text/plain",
            refusals=(NotFound,),
        ),
        Operation(
            name="listFunctions",
            method="GET",
            path="/v1/functions",
            says="Every function as it stands.",
            run=listed,
            answer=list[FunctionShape],
        ),
    ]
