"""One at a time for each name: locks that are there while somebody holds or wants them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Mutable state: ``_locks`` and ``_wanted``, how many hold or wait for each; both by name."""

    __slots__ = ("_locks", "_wanted")

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Nobody else is inside under this name."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._wanted[name] = self._wanted.get(name, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._wanted[name] -= 1
            if not self._wanted[name]:
                del self._wanted[name], self._locks[name]

    @property
    def are_taken(self) -> bool:
        """Whether anybody is inside, or wants to be."""
        return bool(self._wanted)

    def __repr__(self) -> str:
        return f"<Turns {', '.join(self._wanted) or 'free'}>"
