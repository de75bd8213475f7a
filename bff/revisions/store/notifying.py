"""The bell of a store on PostgreSQL: LISTEN on a connection of its own, NOTIFY with the transaction that others wait for.

The server sends a notification when that commits, so nobody looks too early
(https://www.postgresql.org/docs/current/sql-notify.html). A connection that is lost is made again; until then nothing is
heard, and whoever waits looks at the store by itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from bff.clock import Clock
from bff.revisions.store.bell import Heard
from bff.revisions.store.database import Session
from bff.revisions.store.postgres import connected

CHANNEL = "bff"
AGAIN_AFTER = 1.0
"""Seconds until a connection that was lost is made again."""


class Notifying:
    """Immutable. The address may hold a password: it is never shown."""

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._own = secrets.token_hex(8)

    def note(self, session: Session) -> None:
        """Notify everybody when this transaction commits."""
        session.rows("SELECT pg_notify(?, ?)", CHANNEL, self._own)

    def ring(self) -> None:
        """Nothing: the server has done it."""

    @asynccontextmanager
    async def listening(self, heard: Heard) -> AsyncIterator[None]:
        """Listen on a connection of our own."""
        task = asyncio.create_task(self._listen(heard))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self, heard: Heard) -> None:
        while True:
            with suppress(Exception):  # of the driver: the store itself tells when its server is away
                await self._until_lost(heard)
            await self._clock.sleep(AGAIN_AFTER)

    async def _until_lost(self, heard: Heard) -> None:
        connection = await self._opened()
        loop, lost = asyncio.get_running_loop(), asyncio.Event()

        def read() -> None:
            try:
                if self._has_others(connection.pgconn):
                    heard()
            except Exception:
                loop.remove_reader(socket)  # it would be readable for ever
                lost.set()

        socket = connection.fileno()
        loop.add_reader(socket, read)
        heard()  # what was rung before we listened
        try:
            await lost.wait()
        finally:
            loop.remove_reader(socket)
            connection.close()

    async def _opened(self) -> Any:
        opening = asyncio.ensure_future(asyncio.to_thread(self._open))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:  # the thread goes on, and has nobody to give its connection to
            opening.add_done_callback(_close)
            raise

    def _open(self) -> Any:
        connection = connected(self._url)
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def _has_others(self, wire: Any) -> bool:
        """Whether somebody else has rung, of all that has come by now."""
        wire.consume_input()
        found = False
        while (said := wire.notifies()) is not None:
            found = found or said.extra != self._own.encode()
        return found

    def __repr__(self) -> str:
        return "<Notifying>"


def _close(opening: asyncio.Future[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
