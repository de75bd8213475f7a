"""Callers who all wait for one and the same thing, the first warm-up of a revision say."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from bff.errors import Overloaded
from bff.runtime.errands import given
from bff.runtime.line import LONGEST

T = TypeVar("T")


class Crowd:
    """Bounded, counted, and woken together when a task has ended.

    Each has a future of its own, and no ``asyncio.wait`` or ``asyncio.shield``: those make more objects and take a turn
    of the loop more, for each of a thousand who wait for a cold function.

    Mutable state: ``_places``, in the order in which they came.
    """

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[asyncio.Future[None], None] = {}

    @property
    def waiting(self) -> int:
        """How many there are."""
        return len(self._places)

    async def heard(self, task: asyncio.Task[T], function: str) -> T:
        """What the task gives; whoever leaves does not cancel it. Its end is told by :meth:`wake`.

        Raises:
            Overloaded: too many wait already.
            GatewayDraining: it was cancelled.
            BaseException: what it raised.

        """
        while not task.done():  # another's end may wake us
            if len(self._places) >= LONGEST:
                raise Overloaded(function, LONGEST)
            place = asyncio.get_running_loop().create_future()
            self._places[place] = None
            try:
                await place
            finally:
                del self._places[place]
        return given(task)

    def wake(self, _task: asyncio.Task[Any]) -> None:
        """A task has ended."""
        for place in self._places:
            if not place.done():
                place.set_result(None)

    def __repr__(self) -> str:
        return f"<Crowd of {self.waiting}>"
