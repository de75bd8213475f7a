"""The desk that a gateway has: every verb handed on to its mover, with the function that it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bff.errors import NotFound
from bff.revisions.plan import Deploy
from bff.revisions.store.records import Change, Deployed, ReleaseState, TrafficState
from bff.revisions.traffic import Traffic
from bff.runtime.function import Function
from bff.runtime.mover import Mover


class Verbs:
    """Immutable."""

    def __init__(self, mover: Mover, functions: Callable[[], Mapping[str, Function]]) -> None:
        self._mover = mover
        self._functions = functions

    async def deploy(
        self,
        function: str,
        archive: bytes,
        *,
        note: str,
        tag: str,
        no_traffic: bool,
        again: bool,
        who: str,
    ) -> Deployed:
        wish = Deploy(who=who, note=note, tag=tag, no_traffic=no_traffic, again=again)
        return await self._mover.deploy(self._of(function), archive, wish)

    async def move(
        self, function: str, traffic: Traffic, *, expected: int | None, who: str, why: str
    ) -> TrafficState:
        change = Change(
            function=function, what="traffic", who=who, why=why, traffic=traffic, expected=expected
        )
        return await self._mover.move(self._of(function), change)

    async def tag(
        self, function: str, tag: str, revision: str | None, *, expected: int | None, who: str, why: str
    ) -> TrafficState:
        change = Change(function=function, what=f"tag {tag}", who=who, why=why, expected=expected)
        return await self._mover.tag(self._of(function), tag, revision, change)

    async def rollback(
        self, function: str, to: str | None, *, expected: int | None, who: str, why: str
    ) -> TrafficState:
        change = Change(function=function, what="rollback", who=who, why=why, expected=expected)
        return await self._mover.rollback(self._of(function), to, change)

    async def promote(self, function: str, revision: str | None, *, who: str, why: str) -> TrafficState:
        change = Change(function=function, what="promote", who=who, why=why)
        return await self._mover.promote(self._of(function), change, revision)

    async def pause(self, function: str, *, who: str, why: str) -> ReleaseState:
        change = Change(function=function, what="pause", who=who, why=why)
        return await self._mover.pause(self._of(function), change)

    async def resume(self, function: str, *, who: str, why: str) -> ReleaseState:
        change = Change(function=function, what="resume", who=who, why=why)
        return await self._mover.resume(self._of(function), change)

    def _of(self, name: str) -> Function:
        function = self._functions().get(name)
        if function is None:
            raise NotFound(f"There is no function {name[:80]} any more.")
        return function
