"""What is fetched anew behind stale answers: by tasks of nobody's but the store's, one for each key."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any


class Refreshing:
    """Mutable state: ``_tasks`` by key, until they have ended."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}

    def __contains__(self, key: Hashable) -> bool:
        """Whether somebody is at it already."""
        return key in self._tasks

    def begin(self, key: Hashable, work: Coroutine[Any, Any, None]) -> None:
        """Have it done, for a key that nobody is at."""
        self._tasks[key] = task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def aclose(self) -> None:
        """End what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def __repr__(self) -> str:
        return f"<Refreshing: {len(self._tasks)} under way>"
