"""Flights: one exchange that everybody who wants the same waits for.

Who asks first runs it, in the call of his own, so that a call that nobody joins costs next to nothing. But the
flight belongs to the client: if that caller is cancelled while others wait, it is carried on without him, and
it is given up only when nobody waits any more. What a flight is for, and whether its outcome may be shared, is
its owner's to know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from bff.errors import twin
from bff.sdk.part import RunningPart

T = TypeVar("T")

_TURNS_TO_END = 100
"""Turns of the loop that a cancelled exchange gets to close what it holds."""


class Flight(Generic[T]):
    """One exchange on its way, for who wants what its ``key`` says. Mutable state: ``_waiters``; ``_part`` once it is carried on; in the end
    ``outcome`` or ``failure``; ``rest``, what the wire left of it for whoever carries it on.
    """

    __slots__ = ("_part", "_waiters", "failure", "has_landed", "is_abandoned", "key", "outcome", "rest")

    outcome: T

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self._waiters: list[asyncio.Future[None]] = []
        self._part: RunningPart[None] | None = None
        self.failure: BaseException | None = None
        self.has_landed = self.is_abandoned = False
        self.rest: Coroutine[Any, Any, Any] | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for it besides who runs it."""
        return any(not waiter.done() for waiter in self._waiters)

    async def wait(self) -> T:
        """Its outcome, for one who joined. The last one to leave a flight that nobody runs ends it.

        Raises:
            Exception: what the exchange raised, for each a twin of his own.

        """
        if not self.has_landed:
            waiter = self.join()
            try:
                await waiter
            finally:
                if not self.has_landed:
                    self._left(waiter)
        if self.failure is not None:
            raise twin(self.failure)
        return self.outcome

    def join(self) -> asyncio.Future[None]:
        """Tells when it has landed, or crashed: for who does not :meth:`wait` yet."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def part_from(self, waiter: asyncio.Future[None]) -> None:
        """Who has joined waits in another way from now on, or at once no more."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def _left(self, waiter: asyncio.Future[None]) -> None:
        self._waiters.remove(waiter)
        if self._part is not None and not self._waiters:
            self.is_abandoned = True
            self._part.cancel()

    def land(self, outcome: T) -> None:
        """Tell everybody the outcome."""
        self.outcome = outcome
        self._tell()

    def crash(self, failure: BaseException) -> None:
        """Tell everybody that there is none, and why. It is kept without its traceback, which leads back here."""
        self.failure = twin(failure)
        self.is_abandoned = self.is_abandoned or isinstance(failure, asyncio.CancelledError)
        self._tell()

    def _tell(self) -> None:
        self.has_landed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def carry_on(self, work: Coroutine[Any, Any, T], landed: Callable[[Any], object]) -> None:
        """Go on without the one who began: the others still wait. The first step is taken at once, so that
        whatever ``work`` takes over is let go of in every case.
        """
        self._part = RunningPart(self._carried(work), landed, asyncio.get_running_loop())
        self._part.start(asyncio.current_task())

    async def _carried(self, work: Coroutine[Any, Any, T]) -> None:
        try:
            self.land(await work)
        except BaseException as failure:
            self.crash(failure)
            if not isinstance(failure, Exception):
                raise

    async def close(self) -> None:
        """Give it up, and let it end. One that its caller runs ends with that caller."""
        if self._part is not None:
            self._part.cancel()
            for _ in range(_TURNS_TO_END):
                if not self._part.done():
                    await asyncio.sleep(0)

    def __repr__(self) -> str:
        return f"<Flight {'landed' if self.has_landed else 'under way'}: {len(self._waiters)} waiting>"


class Flights(Generic[T]):
    """The flights of one client by what they are for. Mutable state: ``_by_key``, and ``_sealed``: those that go on
    for who has joined, and are joined by nobody else.
    """

    __slots__ = ("_by_key", "_sealed")

    def __init__(self) -> None:
        self._by_key: dict[Hashable, Flight[T]] = {}
        self._sealed: set[Flight[T]] = set()

    def find(self, key: Hashable) -> Flight[T] | None:
        """The flight under way for this key."""
        flight = self._by_key.get(key)
        return None if flight is None or flight.is_abandoned else flight

    def begin(self, key: Hashable) -> Flight[T]:
        """A new flight for this key; whoever begins one runs it, and says how it ended: it :meth:`landed`, or
        :meth:`failed`.
        """
        flight: Flight[T] = Flight(key)
        self._by_key[key] = flight
        return flight

    def begin_sealed(self, key: Hashable) -> Flight[T]:
        """A new flight that nobody finds here; it is for who knows of it."""
        flight: Flight[T] = Flight(key)
        self._sealed.add(flight)
        return flight

    def landed(self, flight: Flight[T], outcome: T) -> None:
        """Who runs it has its outcome, which is told to all who have joined."""
        self._end(flight)
        flight.land(outcome)

    def failed(
        self,
        flight: Flight[T],
        failure: BaseException,
        carry_on: Callable[[], Coroutine[Any, Any, T]],
    ) -> None:
        """Who runs it has failed. If he was cancelled while others wait, ``carry_on`` makes what is to be run
        instead.
        """
        if isinstance(failure, asyncio.CancelledError) and flight.is_wanted:
            flight.carry_on(carry_on(), lambda _: self._end(flight))
        else:
            self._end(flight)
            flight.crash(failure)

    def seal(self) -> None:
        """Nobody joins those under way any more: something was changed, and they may show what was before."""
        self._sealed.update(self._by_key.values())
        self._by_key.clear()

    def _end(self, flight: Flight[T]) -> None:
        """It is no longer there to be joined."""
        if self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]
        else:
            self._sealed.discard(flight)

    async def close(self) -> None:
        """Give up what is carried on."""
        for flight in (*self._by_key.values(), *self._sealed):
            await flight.close()

    def __len__(self) -> int:
        return len(self._by_key) + len(self._sealed)
