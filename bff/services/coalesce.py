"""Flights: one exchange that everybody who wants the same waits for.

A flight belongs to the client, never to the caller who began it: a caller who is cancelled only stops waiting,
and the flight is cancelled when nobody waits any more. What a flight is for, and whether its outcome may be
shared, is its owner's to know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """One exchange on its way. Mutable state: ``_waiting``, ``_task`` and what becomes of it."""

    __slots__ = ("_task", "_waiting", "joined")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._waiting = 0
        self.joined = 0
        self._task: asyncio.Task[T] = asyncio.create_task(work)
        self._task.add_done_callback(_look_at_failure)

    @property
    def has_landed(self) -> bool:
        """Whether it has an outcome, whichever."""
        return self._task.done()

    @property
    def is_abandoned(self) -> bool:
        """Whether it was cancelled, as nobody waited."""
        return self._task.cancelled() or self._task.cancelling() > 0

    @property
    def outcome(self) -> T | None:
        """What came of it, if it went well."""
        return self._task.result() if self.has_succeeded else None

    @property
    def has_succeeded(self) -> bool:
        """Whether it has landed, and well."""
        return self._task.done() and not self._task.cancelled() and self._task.exception() is None

    async def wait(self) -> T:
        """Its outcome. Who is cancelled here leaves it alone, and the last one to leave cancels it.

        Raises:
            Exception: what the exchange raised.

        """
        self._waiting += 1
        self.joined += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.done():
                self._task.cancel()

    async def gone(self) -> None:
        """Return once it has landed or is cancelled, without a word of how."""
        await asyncio.wait({self._task})


class Flights(Generic[T]):
    """The flights of one client by what they are for. Mutable state: ``_by_key``."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[Hashable, Flight[T]] = {}

    def find(self, key: Hashable) -> Flight[T] | None:
        """The flight under way for this key."""
        flight = self._by_key.get(key)
        return None if flight is None or flight.is_abandoned else flight

    def begin(self, key: Hashable, work: Coroutine[Any, Any, T]) -> Flight[T]:
        """A new flight for this key, until it lands."""
        flight: Flight[T] = Flight(self._flown(key, work))
        self._by_key[key] = flight
        return flight

    async def _flown(self, key: Hashable, work: Coroutine[Any, Any, T]) -> T:
        mine = asyncio.current_task()
        try:
            return await work
        finally:
            flight = self._by_key.get(key)
            if flight is not None and flight._task is mine:  # noqa: SLF001 (the same file)
                del self._by_key[key]

    async def close(self) -> None:
        """Cancel what is under way, and wait for its end."""
        flights = list(self._by_key.values())
        for flight in flights:
            flight._task.cancel()  # noqa: SLF001
        for flight in flights:
            await flight.gone()

    def __len__(self) -> int:
        return len(self._by_key)


def _look_at_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # each waiter was told; with none left, nobody needs to be
