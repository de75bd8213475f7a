"""Whoever follows a call to its end: each change as it comes, wherever the call is made.

What is followed is in the store, so it is looked at there, again and again; between two looks nothing of a follower
exists, and one who is slow looks less often. Every change has a number, so that who comes back with the last one it
heard of hears only of what came after.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any

from bff.clock import Clock
from bff.frozen import frozen
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.eventfailures import TooManyFollow

LOOKS_EVERY = 0.25
"""Seconds between two looks at the store."""
MOST_FOLLOWERS = 256
"""Who may follow calls at the same time in one process: a thousand looks a second."""


@frozen
class Seen:
    """What was found, under its ``number``; ``told`` is None where the number is one that was heard of before."""

    number: int
    told: Any
    is_over: bool


Look = Callable[[int], Awaitable[Seen | None]]
"""Given the last number that was heard of; None when there is nothing any more."""


def numbered(*found: object) -> int:
    """The number of what was found: the same wherever and whenever the same is found."""
    return int.from_bytes(blake2b(repr(found).encode(), digest_size=6).digest())


def heard(text: str) -> int:
    """The number in a ``Last-Event-ID``; one that is none was never given, and stands for nothing heard."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1


class Followers:
    """Those of one process. Mutable state: ``count``."""

    def __init__(self, clock: Clock, most: int = MOST_FOLLOWERS) -> None:
        self.count = 0
        self._clock = clock
        self._most = most

    def admit(self, look: Look, after: int) -> Followed:
        """One more, who keeps its place until it is closed.

        Raises:
            TooManyFollow: there is none.

        """
        if self.count >= self._most:
            raise TooManyFollow(self._most)
        self.count += 1
        return Followed(self, look, after, self._clock)


class Followed:
    """Changes in their order, the last of which is over; an async iterator.

    Mutable state: ``_number``, the last one given; ``_has_begun``; ``_is_over``; ``_is_open``, while it has its place.
    """

    def __init__(self, followers: Followers, look: Look, after: int, clock: Clock) -> None:
        self._followers = followers
        self._look = look
        self._clock = clock
        self._number = after
        self._has_begun = self._is_over = False
        self._is_open = True

    def __aiter__(self) -> Followed:
        return self

    async def __anext__(self) -> Seen:
        while not self._is_over:
            if self._has_begun:
                await self._clock.sleep(LOOKS_EVERY)
            self._has_begun = True
            seen = await self._looked()
            if seen is None:
                break
            self._is_over = seen.is_over
            if seen.number != self._number:
                self._number = seen.number
                return seen
        raise StopAsyncIteration

    async def _looked(self) -> Seen | None:
        try:
            return await self._look(self._number)
        except StoreUnavailable:  # as before, as long as the store cannot be asked
            return Seen(number=self._number, told=None, is_over=False)

    async def aclose(self) -> None:
        """Give the place back."""
        if self._is_open:
            self._is_open = False
            self._followers.count -= 1
