"""How much is logged, seen and changed while the gateway runs; until it ends, or routes.yaml says something new."""

from __future__ import annotations

from bff.admin.desk import Functions, Logging
from bff.admin.keys import Scope
from bff.admin.operation import Asked, Operation, Reply, shown
from bff.admin.reading import named
from bff.admin.shapes import LoggingBody, LoggingShape
from bff.errors import NotFound
from bff.telemetry.verbosity import Said


class Loudness:
    """The pages about the log. Immutable."""

    def __init__(self, logging: Logging, functions: Functions) -> None:
        self._logging = logging
        self._functions = functions

    def operations(self) -> list[Operation]:
        """All of them."""
        return [
            Operation(
                name="getLogging",
                method="GET",
                path="/v1/logging",
                says="How much is logged: the least level, that of single functions, the share of good requests.",
                run=self._shown,
                answer=LoggingShape,
            ),
            Operation(
                name="changeLogging",
                method="PATCH",
                path="/v1/logging",
                says="Log more or less from the next line on; what is not named stays, a function's null is forgotten.",
                run=self._changed,
                scope=Scope.WRITE,
                body=LoggingBody,
                answer=LoggingShape,
                refusals=(NotFound,),
            ),
            Operation(
                name="resetLogging",
                method="DELETE",
                path="/v1/logging",
                says="Log as routes.yaml says.",
                run=self._reset,
                scope=Scope.WRITE,
                answer=LoggingShape,
            ),
        ]

    async def _shown(self, _: Asked) -> Reply:
        return shown(self._logging.wanted.said().as_json())

    async def _changed(self, asked: Asked) -> Reply:
        body, before = asked.body, self._logging.wanted.said()
        for name in body.functions:
            named(self._functions, name)
        functions = {**before.functions, **body.functions}
        self._logging.wanted.obey(
            Said(
                level=body.level or before.level,
                sample=before.sample if body.sample is None else body.sample,
                functions={name: level for name, level in functions.items() if level is not None},
            )
        )
        return await self._shown(asked)

    async def _reset(self, asked: Asked) -> Reply:
        self._logging.wanted.obey(self._logging.usual())
        return await self._shown(asked)
