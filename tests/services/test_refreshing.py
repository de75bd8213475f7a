"""What is fetched anew behind stale answers: once at a time for each key, and no longer than the store is open."""

from __future__ import annotations

import asyncio

import pytest

from bff.services.refreshing import Refreshing

pytestmark = pytest.mark.anyio


async def test_a_key_is_free_again_once_its_work_has_ended() -> None:
    refreshing, may_end = Refreshing(), asyncio.Event()

    async def work() -> None:
        await may_end.wait()

    refreshing.begin("a", work())
    assert ("a" in refreshing, "b" in refreshing) == (True, False)
    assert repr(refreshing) == "<Refreshing: 1 under way>"
    may_end.set()
    while "a" in refreshing:
        await asyncio.sleep(0)


async def test_closing_waits_until_all_have_ended() -> None:
    refreshing, ended = Refreshing(), []

    async def work(key: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # what it has to close
            ended.append(key)

    for key in ("a", "b"):
        refreshing.begin(key, work(key))
    await asyncio.sleep(0)
    await refreshing.aclose()
    assert sorted(ended) == ["a", "b"]
    await refreshing.aclose()  # nothing is under way
