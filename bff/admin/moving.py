"""Traffic moves: by a whole block, by a tag, back, or as far as the release wants to go."""

from __future__ import annotations

from bff.admin import catalogue
from bff.admin.desk import Desk, Functions
from bff.admin.keys import Scope
from bff.admin.operation import Asked, Match, Operation, Reply, shown
from bff.admin.reading import function_of
from bff.admin.refusals import RevisionRefused, VersionMoved, VersionRequired
from bff.admin.shapes import (
    PromoteBody,
    ReasonBody,
    ReleaseShape,
    RollbackBody,
    TagBody,
    TrafficBody,
    TrafficShape,
)
from bff.errors import NotFound
from bff.revisions.release import ReleaseNotSo
from bff.revisions.store.failures import Conflict, NoSuchRelease, NoSuchRevision, StoreUnavailable
from bff.revisions.store.records import ReleaseState, TrafficState
from bff.revisions.traffic import TrafficInvalid, parsed

_REFUSALS = (
    *(NotFound, NoSuchRevision, Conflict, VersionMoved, TrafficInvalid, RevisionRefused, StoreUnavailable),
)


class Moving:
    """The pages that move traffic. Immutable.

    A block and a tag replace what their sender has read, so If-Match must say what that was. The others name
    where they want to get whatever has happened meanwhile; who goes back at night need not read first.
    """

    def __init__(self, *, functions: Functions, desk: Desk) -> None:
        self._functions = functions
        self._desk = desk

    def operations(self) -> list[Operation]:
        """All of them."""
        return [*self._of_traffic(), *self._of_releases()]

    def _of_traffic(self) -> list[Operation]:
        one = "/v1/functions/{name}"
        return [
            Operation(
                name="putTraffic",
                method="PUT",
                path=f"{one}/traffic",
                says="Give the calls to these revisions.",
                run=self._move,
                scope=Scope.WRITE,
                body=TrafficBody,
                match=Match.MUST,
                answer=TrafficShape,
                refusals=(*_REFUSALS, VersionRequired),
            ),
            Operation(
                name="putTag",
                method="POST",
                path=f"{one}/tags",
                says="Let a tag lead to a revision, or take it away.",
                run=self._tag,
                scope=Scope.WRITE,
                body=TagBody,
                match=Match.MAY,
                answer=TrafficShape,
                refusals=_REFUSALS,
            ),
            Operation(
                name="rollback",
                method="POST",
                path=f"{one}/rollback",
                says="Give all calls to a revision, warmed before; without one, to what had them before.",
                run=self._rollback,
                scope=Scope.WRITE,
                body=RollbackBody,
                match=Match.MAY,
                answer=TrafficShape,
                refusals=_REFUSALS,
            ),
        ]

    def _of_releases(self) -> list[Operation]:
        ends = "End the release: its revision gets all calls, or the one that is named."
        verbs = (
            ("promote", ends, self._promote, PromoteBody, TrafficShape),
            ("pause", "Let the release stay where it is.", self._pause, ReasonBody, ReleaseShape),
            ("resume", "Let a paused release go on.", self._resume, ReasonBody, ReleaseShape),
        )
        return [
            Operation(
                name=verb,
                method="POST",
                path=f"/v1/functions/{{name}}/{verb}",
                says=says,
                run=run,
                scope=Scope.WRITE,
                body=body,
                answer=answer,
                refusals=(*_REFUSALS, NoSuchRelease, ReleaseNotSo),
            )
            for verb, says, run, body, answer in verbs
        ]

    async def _move(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        traffic = parsed(asked.body.traffic)
        return _moved(
            await self._desk.move(
                name, traffic, expected=asked.expected, who=asked.who.name, why=asked.body.why
            )
        )

    async def _tag(self, asked: Asked) -> Reply:
        name, body = function_of(self._functions, asked), asked.body
        return _moved(
            await self._desk.tag(
                name, body.tag, body.revision, expected=asked.expected, who=asked.who.name, why=body.why
            )
        )

    async def _rollback(self, asked: Asked) -> Reply:
        name, body = function_of(self._functions, asked), asked.body
        return _moved(
            await self._desk.rollback(
                name, body.to, expected=asked.expected, who=asked.who.name, why=body.why
            )
        )

    async def _promote(self, asked: Asked) -> Reply:
        name, body = function_of(self._functions, asked), asked.body
        return _moved(await self._desk.promote(name, body.revision, who=asked.who.name, why=body.why))

    async def _pause(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        return _came(await self._desk.pause(name, who=asked.who.name, why=asked.body.why))

    async def _resume(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        return _came(await self._desk.resume(name, who=asked.who.name, why=asked.body.why))


def _moved(state: TrafficState) -> Reply:
    return shown(catalogue.traffic(state), version=state.version)


def _came(state: ReleaseState) -> Reply:
    return shown(catalogue.release(state))
