"""Callers who wait for a place, in order: bounded, woken one by one, never polled.

A place is handed from the one who leaves to the first who still waits; whoever stops waiting in that very
moment hands it on, so that no place is ever lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from bff.errors import Overloaded

LONGEST = 10_000
"""Most callers in one line (Knative's activator: breakerQueueDepth)."""


P = TypeVar("P")


class Line(Generic[P]):
    """A place is whatever the house hands out: an instance, say.

    Mutable state: ``_waiting``, and ``waiting`` which counts the living ones.
    """

    __slots__ = ("_give_back", "_longest", "_waiting", "waiting")

    def __init__(self, *, give_back: Callable[[P], None], longest: int = LONGEST) -> None:
        self.waiting = 0
        self._longest = longest
        self._give_back = give_back
        self._waiting: deque[asyncio.Future[P]] = deque()

    async def stand(self, function: str) -> P:
        """A place, once it is our turn.

        Raises:
            Overloaded: the line is full.
            BaseException: what :meth:`fail` was given.
        """
        if self.waiting >= self._longest:
            raise Overloaded(function, self._longest)
        place: asyncio.Future[P] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self.waiting += 1
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._give_back(place.result())  # handed to us in the turn in which we left
            raise
        finally:
            self.waiting -= 1

    def hand_over(self, thing: P) -> bool:
        """Give a place to the first who still waits; False when nobody does."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(thing)
                return True
        return False

    def fail(self, error: BaseException) -> None:
        """There will be no place for anybody who waits now."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(error)
                place.exception()  # who left in this turn does not look

    def __len__(self) -> int:
        return self.waiting
