"""The ASGI lifespan of an ``app`` function: started at warm-up, ended at eviction.

An application that does not speak lifespan is served without (ASGI specification, lifespan protocol).
"""

from __future__ import annotations

import asyncio
from typing import Any


class LifespanFailed(Exception):
    """The application said that its startup or shutdown failed."""


class Lifespan:
    """Runs one application's lifespan in a task of its own.

    Mutable state: ``_task``, the two queues' contents, ``state``.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Return when the application is started, or has shown that it does not speak lifespan.

        Raises:
            LifespanFailed: it answered ``lifespan.startup.failed``.

        """
        self._task = asyncio.create_task(self._run())
        answer = await self._ask("lifespan.startup")
        if answer == "lifespan.startup.failed":
            raise LifespanFailed("the application's startup failed")

    async def stop(self) -> None:
        """Return when the application has shut down."""
        if self._task is None or self._task.done():
            return
        try:
            await self._ask("lifespan.shutdown")
        finally:
            self._task.cancel()

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        await self._app(scope, self._to_app.get, self._from_app.put)

    async def _ask(self, message: str) -> str | None:
        """The type of the application's answer; None when it ended without one."""
        assert self._task is not None
        await self._to_app.put({"type": message})
        hearing = asyncio.create_task(self._from_app.get())
        await asyncio.wait({hearing, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            said = hearing.result()
            if said["type"] == "lifespan.startup.failed":
                raise LifespanFailed(said.get("message") or "the application's startup failed")
            return str(said["type"])
        hearing.cancel()
        self._task.exception()  # an application that raises on an unknown scope does not speak lifespan
        return None
