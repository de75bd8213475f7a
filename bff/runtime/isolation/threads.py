"""Threads of a process instance: they know whether a handler that nobody waits for has really ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from bff.runtime.threads import Threads

T = TypeVar("T")


class PatientThreads(Threads):
    """Whoever is cancelled while waiting for a job that runs leaves when it has ended, not before."""

    async def run(
        self, call: Callable[[], T], *, unheard: Callable[[T], object] | None = None, of: object = None
    ) -> T:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        owner: dict[str, str] = {}

        def job() -> T:
            # Who comes first: setdefault is one step for all threads.
            if owner.setdefault("is", "thread") != "thread":
                raise asyncio.CancelledError
            try:
                return call()
            finally:
                loop.call_soon_threadsafe(ended.set)

        try:
            return await super().run(job, unheard=unheard, of=of)
        except asyncio.CancelledError:
            if owner.setdefault("is", "caller") == "thread":
                await ended.wait()
            raise


class TellingThreads(Threads):
    """Calls ``told`` when a job is done and before its result is used."""

    def __init__(self, name: str, size: int, *, told: Callable[[], object]) -> None:
        super().__init__(name, size)
        self._told = told

    async def run(
        self, call: Callable[[], T], *, unheard: Callable[[T], object] | None = None, of: object = None
    ) -> T:
        result = await super().run(call, unheard=unheard, of=of)
        self._told()
        return result
