"""The ASGI lifespan of an ``app`` function: started at warm-up, ended at eviction.

An application that does not speak lifespan is served without (ASGI specification, lifespan protocol).
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from bff.runtime.hooks import told


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
            LifespanFailed: it answered ``lifespan.startup.failed``, or wanted to end the process.

        """
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_heard)
        try:
            await self._ask("startup")
        except BaseException:
            self.abandon()
            raise

    async def stop(self) -> None:
        """Return when the application has shut down.

        Raises:
            LifespanFailed: it answered ``lifespan.shutdown.failed``.

        """
        if self._task is None:
            return
        try:
            if not self._task.done():
                await self._ask("shutdown")
        finally:
            self.abandon()
        await asyncio.wait({self._task})

    def abandon(self) -> None:
        """Cancel what still runs of it, without asking."""
        if self._task is not None:
            self._task.cancel()

    async def serve(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Let the application answer a request, with a shallow copy of the state its lifespan has made."""
        scope["state"] = self.state.copy()
        await self._app(scope, receive, send)

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._to_app.get, self._from_app.put)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # out of a task it would end the loop
            raise LifespanFailed(f"the application's lifespan raised {told(error)}") from error

    async def _ask(self, phase: str) -> None:
        """Return when the application has answered, or has ended without an answer."""
        assert self._task is not None
        self._to_app.put_nowait({"type": f"lifespan.{phase}"})
        hearing = asyncio.create_task(self._from_app.get())
        try:
            await asyncio.wait({hearing, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hearing.cancel()
        if hearing.done():
            said = hearing.result()
            if said["type"] == f"lifespan.{phase}.failed":
                raise LifespanFailed(said.get("message") or f"the application's {phase} failed")
            return
        # One that raises on an unknown scope does not speak lifespan; one that exits meant it.
        error = None if self._task.cancelled() else self._task.exception()
        if isinstance(error, LifespanFailed):
            raise error


def _heard(task: asyncio.Task[None]) -> None:
    """What it raises is told through the protocol, or means that it does not speak it."""
    if not task.cancelled():
        task.exception()
