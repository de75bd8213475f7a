"""Parts of a page that follow what happens: made again at each tick, once for all who watch the same page.

There is no task and no queue: whoever comes first after a tick makes what the others of that tick get too, so nothing
runs where nobody watches, and what happens costs nothing at all (ADR 88).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bff.clock import Clock

TICK = 0.5
"""Seconds between two looks."""

Parts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """A part's HTML, and the tick since when it is so."""

    html: str
    since: int


class Feed:
    """One page's parts.

    Mutable state: ``watchers``, how many there are; ``_tick``, counted from 1, ``_at``, when it was, and ``_parts``.
    """

    def __init__(self, make: Callable[[], Awaitable[Parts]], clock: Clock) -> None:
        self.watchers = 0
        self._make = make
        self._clock = clock
        self._lock = asyncio.Lock()
        self._tick = 0
        self._at = float("-inf")
        self._parts: dict[str, Part] = {}

    async def after(self, seen: int) -> tuple[int, dict[str, str]]:
        """The number of the tick, and the parts that have changed since the tick ``seen``."""
        async with self._lock:  # facts may wait for the store
            if self._clock.now() - self._at >= TICK * 0.9:  # the timers of several watchers are not one
                await self._look()
        return self._tick, {name: part.html for name, part in self._parts.items() if part.since > seen}

    async def _look(self) -> None:
        made = await self._make()
        self._tick += 1
        self._at = self._clock.now()
        for name, html in made.items():
            known = self._parts.get(name)
            if known is None or known.html != html:
                self._parts[name] = Part(html, self._tick)


class Feeds:
    """The feeds that are watched, by URL. Mutable state: ``_feeds``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._feeds: dict[str, Feed] = {}

    def join(self, url: str, make: Callable[[], Awaitable[Parts]]) -> Feed:
        """The feed of a page, with one watcher more; :meth:`leave` it."""
        feed = self._feeds.get(url)
        if feed is None:
            feed = self._feeds[url] = Feed(make, self._clock)
        feed.watchers += 1
        return feed

    def leave(self, url: str, feed: Feed) -> None:
        """One watcher less; the last one takes the feed along."""
        feed.watchers -= 1
        if not feed.watchers and self._feeds.get(url) is feed:
            del self._feeds[url]

    def __len__(self) -> int:
        return len(self._feeds)
