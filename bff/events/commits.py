"""Many writes, one transaction: whoever comes while one is being committed goes with the next (group commit).

A commit costs a round trip to the disk, whatever is in it; so the more come at a time, the less each one costs,
and who comes alone waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from bff.errors import twin
from bff.revisions.store.bell import Bell, Silent
from bff.revisions.store.database import Session
from bff.revisions.store.failures import StoreUnavailable

T = TypeVar("T")
Item = TypeVar("Item")
Verb = Callable[[Session, float], Any]
Together = Callable[[Session, Sequence[Any], float], Sequence[Any]]
"""Does the same for several items at once, and gives the result of each."""

MOST_TOGETHER = 256
"""Writes in one transaction: it stays short for whoever waits for the lock."""


class Writing(Protocol):
    """A store, as far as this needs one."""

    async def write(self, verb: Callable[[Session, float], T]) -> T:
        """Run a verb in a transaction of its own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is done with an item, who waits for it, and whether others shall hear that there is something to do."""

    together: Together
    item: Any
    done: asyncio.Future[Any]
    rings: bool


class Commits:
    """Mutable state: ``_waiting``, and ``_task`` while something is written."""

    def __init__(self, store: Writing, bell: Bell | None = None) -> None:
        self._store = store
        self._bell = bell or Silent()
        self._waiting: list[Asked] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, verb: Callable[[Session, float], T], *, rings: bool = False) -> T:
        """What the verb gives, once it is on the disk. Cancelling the waiter does not undo it. ``rings`` wakes the
        others who share the store.

        Raises:
            StoreUnavailable: it was not written, as far as can be told.
            Exception: what the verb raised; nobody else's writes suffer from that.

        """
        return await self.run_with(_each, verb, rings=rings)

    async def run_with(
        self,
        together: Callable[[Session, Sequence[Item], float], Sequence[T]],
        item: Item,
        *,
        rings: bool = False,
    ) -> T:
        """The same for something that is done with several items as easily as with one: those that come at the same
        time are handed over at once.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.append(Asked(together, item, done, rings))
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

    async def _together(self, batch: list[Asked]) -> None:
        try:
            results = await self._written(batch)
        except StoreUnavailable as away:
            for each in batch:
                _fail(each.done, twin(away))
        except asyncio.CancelledError:
            for each in batch:
                each.done.cancel()
            raise
        except Exception as error:
            await self._apart(batch, error)
        else:
            for each, result in zip(batch, results, strict=True):
                if not each.done.done():
                    each.done.set_result(result)

    async def _written(self, batch: list[Asked]) -> list[Any]:
        rings = any(each.rings for each in batch)

        def verb(session: Session, now: float) -> list[Any]:
            results = _results(session, batch, now)
            if rings:
                self._bell.note(session)
            return results

        results = await self._store.write(verb)
        if rings:
            self._bell.ring()
        return results

    async def _apart(self, batch: list[Asked], error: Exception) -> None:
        """One of them failed, and undid all of them: each by itself tells which it was."""
        if len(batch) == 1:
            _fail(batch[0].done, error)
            return
        for each in batch:
            await self._together([each])

    async def close(self) -> None:
        """Return when everything that was asked for is written."""
        while self._task is not None:
            await asyncio.wait([self._task])

    def __repr__(self) -> str:
        return f"<Commits: {len(self._waiting)} waiting>"


def _each(session: Session, verbs: Sequence[Callable[[Session, float], T]], now: float) -> list[T]:
    return [verb(session, now) for verb in verbs]


def _results(session: Session, batch: Sequence[Asked], now: float) -> list[Any]:
    """The result of each, in their order; items of the same kind are handed over at once."""
    places: dict[Together, list[int]] = {}
    for at, asked in enumerate(batch):
        places.setdefault(asked.together, []).append(at)
    results: list[Any] = [None] * len(batch)
    for together, found in places.items():
        given = together(session, [batch[at].item for at in found], now)
        for at, result in zip(found, given, strict=True):
            results[at] = result
    return results


def _fail(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
