"""Live parts: once a tick for all who watch, only what has changed, nothing where nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bff.console.live import TICK, Feed, Feeds
from bff.testing import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Maker:
    """Gives what was prepared, and counts."""

    def __init__(self, *parts: dict[str, str]) -> None:
        self.made = 0
        self._parts: Iterator[dict[str, str]] = iter(parts)
        self._last: dict[str, str] = {}

    async def __call__(self) -> dict[str, str]:
        self.made += 1
        await asyncio.sleep(0)  # as facts of the store
        self._last = next(self._parts, self._last)
        return self._last


async def test_all_who_watch_get_one_look_a_tick() -> None:
    clock, make = ManualClock(), Maker({"rows": "a"}, {"rows": "b"})
    feed = Feed(make, clock)
    told = await asyncio.gather(*(feed.after(0) for _ in range(50)))
    assert told == [(1, {"rows": "a"})] * 50
    assert make.made == 1
    await clock.advance(TICK)
    assert await asyncio.gather(*(feed.after(1) for _ in range(50))) == [(2, {"rows": "b"})] * 50
    assert make.made == 2


async def test_only_what_has_changed_is_told_and_everything_to_who_is_new() -> None:
    clock = ManualClock()
    feed = Feed(Maker({"a": "1", "b": "1"}, {"a": "1", "b": "2"}), clock)
    assert await feed.after(0) == (1, {"a": "1", "b": "1"})
    await clock.advance(TICK)
    assert await feed.after(1) == (2, {"b": "2"})
    assert await feed.after(0) == (2, {"a": "1", "b": "2"})
    await clock.advance(TICK)
    assert await feed.after(2) == (3, {})


async def test_a_look_that_fails_is_tried_again() -> None:
    clock, calls = ManualClock(), iter([ValueError("away"), None])

    async def make() -> dict[str, str]:
        trouble = next(calls)
        if trouble is not None:
            raise trouble
        return {"rows": "here"}

    feed = Feed(make, clock)
    with pytest.raises(ValueError, match="away"):
        await feed.after(0)
    assert await feed.after(0) == (1, {"rows": "here"})


async def test_the_last_one_who_leaves_takes_the_feed_along() -> None:
    feeds = Feeds(ManualClock())
    one = feeds.join("/console", Maker({}))
    assert feeds.join("/console", Maker({})) is one
    feeds.leave("/console", one)
    assert len(feeds) == 1
    feeds.leave("/console", one)
    assert len(feeds) == 0
    assert feeds.join("/console", Maker({})) is not one
