"""Keeps one entry in its registry: enters it, renews it, enters it anew where it was forgotten, and takes it out.

A registry that is away changes nothing for callers here; it is asked again until it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from bff.clock import Clock, Expiry
from bff.services.bridge.entry import Entry, Registry
from bff.services.discovery.follower import retry_in
from bff.services.resolver import NotResolved
from bff.signals import Deregistered, Registered, RegistrationFailed

ANSWERS_WITHIN = 5.0
"""Seconds a registry may take for one answer."""
FAREWELL = 2.0
"""Seconds for taking the entry out: a gateway that ends does not wait longer for a registry that may be away."""


class Registrar:
    """One entry's. Mutable state: ``is_entered``, ``failures`` in a row, ``_task``; made on the loop."""

    def __init__(
        self, entry: Entry, registry: Registry, *, clock: Clock, random: Random, emit: Callable[[Any], None]
    ) -> None:
        self.entry = entry
        self.is_entered = False
        self.failures = 0
        self._registry = registry
        self._clock = clock
        self._random = random
        self._emit = emit
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(await self._once())

    async def _once(self) -> float:
        """Ask once; the seconds until the next time."""
        try:
            with Expiry(self._clock, self._clock.now() + ANSWERS_WITHIN):
                await (self._registry.renew() if self.is_entered else self._registry.enter())
        except Exception as error:  # whatever it was: who is not renewed any more is not found any more
            was_entered, self.is_entered = self.is_entered, False
            self.failures += 1
            self._failed(_why(error))
            # An entry that was forgotten is made again at once, and only then with growing pauses.
            return 0.0 if was_entered and self.failures == 1 else retry_in(self.failures, self._random)
        if not self.is_entered:
            self._emit(Registered(name=self.entry.name, address=f"{self.entry.host}:{self.entry.port}"))
        self.is_entered, self.failures = True, 0
        return self.entry.ttl / 3

    def _failed(self, why: str) -> None:
        self._emit(RegistrationFailed(name=self.entry.name, why=why))

    async def aclose(self, *, leaves: bool = True) -> None:
        """Stop renewing, and take the entry out if it ``leaves``."""
        if self._task is not None:
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait({self._task}, timeout=1.0)
        if leaves:
            await self._leave()
        await self._registry.aclose()

    async def _leave(self) -> None:
        if self._task is None:
            return
        try:
            with Expiry(self._clock, self._clock.now() + FAREWELL):
                await self._registry.leave()
        except Exception as error:
            if self.is_entered:  # it runs out by itself
                self._failed(f"not taken out: {_why(error)}")
        else:
            if self.is_entered:
                self._emit(Deregistered(name=self.entry.name))
        self.is_entered, self._task = False, None

    def __repr__(self) -> str:
        return f"<Registrar {self.entry.identity}: {'entered' if self.is_entered else 'not entered'}>"


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) if isinstance(error, NotResolved) else f"it could not be asked: {type(error).__name__}"
