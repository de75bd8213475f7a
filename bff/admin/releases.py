"""How a release goes: as it is, or as it comes, for whoever watches it to its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from pydantic_core import to_json

from bff.admin import catalogue
from bff.admin.desk import Functions
from bff.admin.operation import EVENTS, Asked, Operation, Reply, shown
from bff.admin.reading import function_of
from bff.admin.refusals import Busy
from bff.admin.shapes import ReleaseShape
from bff.admin.watching import BEAT, Watchers, event
from bff.clock import Clock
from bff.errors import NotFound
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import ReleaseState
from bff.revisions.store.store import Store

LOOKS_EVERY = 0.25
"""Seconds between two looks at the store while somebody watches."""
MOST_WATCHERS = 32


class Releases:
    """The page about a release. Mutable state: who watches."""

    def __init__(
        self, *, functions: Functions, store: Store, clock: Clock, is_ready: Callable[[], bool]
    ) -> None:
        self._functions = functions
        self._store = store
        self._clock = clock
        self._watchers = Watchers(MOST_WATCHERS, "releases", clock=clock, is_ready=is_ready)

    def operations(self) -> list[Operation]:
        """The one there is."""
        return [
            Operation(
                name="getRelease",
                method="GET",
                path="/v1/functions/{name}/release",
                says=(
                    "How far the release has come. With Accept: text/event-stream the answer goes on: an event "
                    "`release` now and with each change, and an event `end` when there is nothing to wait for."
                ),
                run=self._release,
                answer=ReleaseShape,
                event=ReleaseShape,
                refusals=(NotFound, Busy),
            )
        ]

    async def _release(self, asked: Asked) -> Reply:
        name = function_of(self._functions, asked)
        state = await self._store.release(name)
        if EVENTS not in asked.accept:
            return shown(catalogue.release(state), version=state.version)
        self._watchers.admit()
        return Reply(kind=EVENTS, body=self._watched(asked, state))

    async def _watched(self, asked: Asked, state: ReleaseState) -> AsyncGenerator[bytes, None]:
        """The states as they come, until the end, the caller's leaving or ours."""
        async with self._watchers.watch(asked) as watch:
            yield _event(b"release", state)
            watch.speaks()
            while catalogue.is_running(state) and watch.goes_on():
                await self._clock.sleep(LOOKS_EVERY)
                fresh = await self._looked(state)
                if fresh.version != state.version:
                    state = fresh
                    watch.speaks()
                    yield _event(b"release", state)
                elif watch.beats():
                    yield BEAT
            yield _event(b"end", state)

    async def _looked(self, state: ReleaseState) -> ReleaseState:
        """The state now; the last one as long as the store cannot be asked."""
        try:
            return await self._store.release(state.function)
        except StoreUnavailable:
            return state


def _event(kind: bytes, state: ReleaseState) -> bytes:
    return event(kind, state.version, to_json(catalogue.release(state)))
