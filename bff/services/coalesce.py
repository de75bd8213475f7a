"""Flights: one exchange that everybody who wants the same waits for.

A flight belongs to the client, never to the caller who began it: a caller who is cancelled only stops waiting,
and the flight is cancelled when nobody waits any more. What a flight is for, and whether its outcome may be
shared, is its owner's to know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from bff.errors import twin
from bff.sdk.part import RunningPart

T = TypeVar("T")

_TURNS_TO_END = 100
"""Turns of the loop that cancelled exchanges get to close what they hold."""


class Flight(Generic[T]):
    """One exchange on its way, begun at once. Mutable state: ``_waiters``, ``_part`` and what becomes of it;
    ``is_abandoned`` once it was cancelled.
    """

    __slots__ = ("_landed", "_loop", "_part", "_told", "_waiters", "is_abandoned")

    def __init__(
        self,
        work: Coroutine[Any, Any, T],
        landed: Callable[[Flight[T]], object],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._landed = landed
        self._loop = loop
        self._waiters: list[asyncio.Future[None]] = []
        self._told = False
        self.is_abandoned = False
        self._part: RunningPart[T] = RunningPart(work, self._ended, loop)

    def start(self) -> None:
        """Take the first step now, up to where it waits."""
        self._part.start(asyncio.current_task())

    def _ended(self, part: RunningPart[T]) -> None:
        self.is_abandoned = self.is_abandoned or part.cancelled()
        self._landed(self)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def has_landed(self) -> bool:
        """Whether it has an outcome, whichever."""
        return self._part.done()

    @property
    def has_failed(self) -> bool:
        """Whether it has landed, and badly."""
        return self._part.done() and self._part.exception() is not None

    async def wait(self) -> T:
        """Its outcome. Who is cancelled here leaves it alone, and the last one to leave cancels it.

        Raises:
            Exception: what the exchange raised; the second one to hear of it gets a twin.

        """
        if not self._part.done():
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)
                if not self._waiters and not self._part.done():
                    self.cancel()
        failure = self._part.exception()
        if failure is None:
            return self._part.result()
        if self._told:
            raise twin(failure)
        self._told = True
        raise failure

    def cancel(self) -> None:
        """Give it up."""
        self.is_abandoned = True
        self._part.cancel()

    def __repr__(self) -> str:
        return f"<Flight {'landed' if self.has_landed else 'under way'}: {len(self._waiters)} waiting>"


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
        """A new flight for this key, until it lands; its first step is taken at once."""

        def landed(flight: Flight[T]) -> None:
            if self._by_key.get(key) is flight:
                del self._by_key[key]

        flight: Flight[T] = Flight(work, landed, asyncio.get_running_loop())
        self._by_key[key] = flight
        flight.start()
        return flight

    async def close(self) -> None:
        """Cancel what is under way, and let it end."""
        for flight in list(self._by_key.values()):
            flight.cancel()
        for _ in range(_TURNS_TO_END):
            if self._by_key:
                await asyncio.sleep(0)

    def __len__(self) -> int:
        return len(self._by_key)
