"""Many writes, one transaction: whoever comes while one is being committed goes with the next (group commit).

A commit costs a round trip to the disk, whatever is in it; so the more come at a time, the less each one costs,
and who comes alone waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from bff.errors import twin
from bff.revisions.store.database import Session
from bff.revisions.store.failures import StoreUnavailable

T = TypeVar("T")
Verb = Callable[[Session, float], Any]

MOST_TOGETHER = 256
"""Writes in one transaction: it stays short for whoever waits for the lock."""


class Writing(Protocol):
    """A store, as far as this needs one."""

    async def write(self, verb: Callable[[Session, float], T]) -> T:
        """Run a verb in a transaction of its own."""


class Commits:
    """Mutable state: ``_waiting`` (verbs and who waits for them), ``_task`` while something is written."""

    def __init__(self, store: Writing) -> None:
        self._store = store
        self._waiting: list[tuple[Verb, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, verb: Callable[[Session, float], T]) -> T:
        """What the verb gives, once it is on the disk. Cancelling the waiter does not undo it.

        Raises:
            StoreUnavailable: it was not written, as far as can be told.
            Exception: what the verb raised; nobody else's writes suffer from that.

        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.append((verb, done))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return await done

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
                await self._together(batch)
        finally:
            self._task = None

    async def _together(self, batch: list[tuple[Verb, asyncio.Future[Any]]]) -> None:
        try:
            results = await self._store.write(lambda session, now: [verb(session, now) for verb, _ in batch])
        except StoreUnavailable as away:
            for _, done in batch:
                _fail(done, twin(away))
        except asyncio.CancelledError:
            for _, done in batch:
                done.cancel()
            raise
        except Exception as error:
            await self._apart(batch, error)
        else:
            for (_, done), result in zip(batch, results, strict=True):
                if not done.done():
                    done.set_result(result)

    async def _apart(self, batch: list[tuple[Verb, asyncio.Future[Any]]], error: Exception) -> None:
        """One of them failed, and undid all of them: each by itself tells which it was."""
        if len(batch) == 1:
            _fail(batch[0][1], error)
            return
        for each in batch:
            await self._together([each])

    async def close(self) -> None:
        """Return when everything that was asked for is written."""
        while self._task is not None:
            await asyncio.wait([self._task])

    def __repr__(self) -> str:
        return f"<Commits: {len(self._waiting)} waiting>"


def _fail(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
