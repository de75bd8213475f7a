"""How a release goes: as it is, or as it comes, for whoever watches it to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from pydantic_core import to_json

from bff.admin import catalogue
from bff.admin.desk import Functions
from bff.admin.operation import EVENTS, Asked, Operation, Reply, shown
from bff.admin.reading import function_of
from bff.admin.refusals import Busy
from bff.admin.shapes import ReleaseShape
from bff.clock import Clock
from bff.errors import NotFound
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import ReleaseState
from bff.revisions.store.store import Store

LOOKS_EVERY = 0.25
"""Seconds between two looks at the store while somebody watches."""
BEATS_EVERY = 15.0
"""Seconds of silence after which a comment says that we are still there (WHATWG HTML §9.2.7 proposes 15)."""
MOST_WATCHERS = 32


class Releases:
    """Mutable state: ``_watchers``, how many watch now."""

    def __init__(
        self, *, functions: Functions, store: Store, clock: Clock, is_ready: Callable[[], bool]
    ) -> None:
        self._functions = functions
        self._store = store
        self._clock = clock
        self._is_ready = is_ready
        self._watchers = 0

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
        if self._watchers >= MOST_WATCHERS:
            raise Busy(f"{MOST_WATCHERS} others watch releases already.")
        return Reply(kind=EVENTS, body=self._watched(asked, state))

    async def _watched(self, asked: Asked, state: ReleaseState) -> AsyncGenerator[bytes, None]:
        """The states as they come, until the end, the caller's leaving or ours."""
        self._watchers += 1
        left = asyncio.create_task(asked.gone())
        try:
            yield _event("release", state)
            said = self._clock.now()
            while catalogue.is_running(state) and not left.done() and self._is_ready():
                await self._clock.sleep(LOOKS_EVERY)
                fresh = await self._looked(state)
                if fresh.version != state.version:
                    state, said = fresh, self._clock.now()
                    yield _event("release", state)
                elif self._clock.now() - said >= BEATS_EVERY:
                    said = self._clock.now()
                    yield b": still here\n\n"
            yield _event("end", state)
        finally:
            self._watchers -= 1
            left.cancel()
            with suppress(asyncio.CancelledError):
                await left

    async def _looked(self, state: ReleaseState) -> ReleaseState:
        """The state now; the last one as long as the store cannot be asked."""
        try:
            return await self._store.release(state.function)
        except StoreUnavailable:
            return state


def _event(kind: str, state: ReleaseState) -> bytes:
    """One event (WHATWG HTML §9.2): the JSON has no line breaks."""
    return b"event: %b\nid: %d\ndata: %b\n\n" % (
        kind.encode(),
        state.version,
        to_json(catalogue.release(state)),
    )
