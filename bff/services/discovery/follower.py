"""Keeps one service's endpoints up to date: asks its resolver again and again, and passes on what changes.

A question that fails changes nothing, and neither does an answer that names nobody: a registry that restarts
empty must not take every page down. What was good last is used until something better is known, from disk
after a start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from bff.clock import Clock, Expiry
from bff.services.resolver import Address, Found, NotResolved, Resolver

FIRST_RETRY = 0.5
"""Seconds after a first failure; it doubles, with full jitter on the upper half."""
LONGEST_RETRY = 15.0
LEAST_PAUSE = 0.05
"""Seconds between two questions whatever a TTL says: a registry that answers at once is no reason to spin."""


class Kept(Protocol):
    """Where the last good list is; see :class:`bff.services.discovery.lastgood.LastGood`."""

    def read(self) -> tuple[Address, ...]:
        """The list, or an empty one."""

    def write(self, addresses: tuple[Address, ...]) -> None:
        """Replace it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A question that failed, for operators; ``kept`` endpoints go on being used."""

    service: str
    why: str
    kept: int


class Follower:
    """One service's. ``obey`` is handed every new list.

    Mutable state: ``addresses`` as they were last passed on, ``failures`` in a row, ``_settled``, set once there
    is a first list or a first failure.
    """

    def __init__(
        self,
        service: str,
        *,
        make: Callable[[], Resolver],
        obey: Callable[[tuple[Address, ...]], None],
        tell: Callable[[Failure], None],
        clock: Clock,
        random: Random,
        kept: Kept | None = None,
    ) -> None:
        self.addresses: tuple[Address, ...] = ()
        self.failures = 0
        self._service = service
        self._make = make
        self._obey = obey
        self._tell = tell
        self._clock = clock
        self._random = random
        self._kept = kept
        self._settled = asyncio.Event()

    async def settled(self) -> None:
        """Return once there is a list, or a first question has failed: nobody should wait for longer."""
        await self._settled.wait()

    async def run(self) -> None:
        """Follow, until cancelled.

        A resolver may swallow that: until Python 3.12 :func:`asyncio.wait_for`, which dnspython waits by, gives the
        answer and forgets the cancellation when both come in the same turn (python/cpython#86296). The task has
        counted it all the same.
        """
        if self._kept is not None:
            self._pass_on(await asyncio.to_thread(self._kept.read))
        resolver: Resolver | None = None
        try:
            while True:
                try:
                    if resolver is None:  # made in a thread: it imports dnspython or reads files
                        resolver = await asyncio.to_thread(self._make)
                    pause = await self._once(resolver)
                except (NotResolved, TimeoutError) as error:
                    pause = self._failed(str(error) or "no answer in time")
                except Exception as error:  # a resolver may be anybody's: it must not end the following
                    pause = self._failed(f"the resolver failed: {type(error).__name__}")
                _raise_if_cancelled()
                await self._clock.sleep(pause)
        finally:
            if resolver is not None:
                await resolver.aclose()

    async def _once(self, resolver: Resolver) -> float:
        """Ask once; the seconds until the next question."""
        with Expiry(self._clock, self._clock.now() + resolver.timeout):
            found: Found = await resolver.resolve()
        addresses = in_order(found.addresses)
        if not addresses:
            raise NotResolved("the answer names no endpoint")
        self.failures = 0
        if addresses != self.addresses:
            self._pass_on(addresses)
            await self._keep(addresses)
        return max(found.ttl, LEAST_PAUSE)

    def _pass_on(self, addresses: tuple[Address, ...]) -> None:
        if addresses:
            self.addresses = addresses
            self._obey(addresses)
            self._settled.set()

    async def _keep(self, addresses: tuple[Address, ...]) -> None:
        if self._kept is None:
            return
        try:
            await asyncio.to_thread(self._kept.write, addresses)
        except OSError as error:  # a full disk is no reason to use fewer endpoints
            self._tell(Failure(service=self._service, why=f"not kept on disk: {error}", kept=len(addresses)))

    def _failed(self, why: str) -> float:
        self.failures += 1
        self._settled.set()
        self._tell(Failure(service=self._service, why=why, kept=len(self.addresses)))
        return retry_in(self.failures, self._random)


def _raise_if_cancelled() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def in_order(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Each endpoint once, always in the same order: an answer whose records were shuffled is no news."""
    by_key = {each.key: each for each in addresses}
    return tuple(by_key[key] for key in sorted(by_key))


def retry_in(failures: int, random: Random) -> float:
    """Seconds until a resolver that failed so often in a row is asked again."""
    ceiling = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 10))
    return random.uniform(ceiling / 2, ceiling)
