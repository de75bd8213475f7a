"""Who shares a store hears the others, and never itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bff.clock import SystemClock
from bff.config import Place
from bff.revisions.store.bell import Bell, bell_of
from bff.revisions.store.opening import database_of

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return Place(file=tmp_path / ".bff/state.db")
    return Place(postgres=request.getfixturevalue("postgres_url"))


def ringing(place: Place, bell: Bell) -> Callable[[], None]:
    """Rings as a write does: with its transaction, and after it."""
    database = database_of(place, SystemClock())

    def ring() -> None:
        try:
            with database.writing() as session:
                bell.note(session)
        finally:
            database.close()
        bell.ring()

    return ring


async def test_a_ring_is_heard_by_others_only(place: Place) -> None:
    """Once it is committed; who has rung itself knows."""
    ours, theirs = (bell_of(place, SystemClock()) for _ in range(2))
    ring, other = ringing(place, ours), ringing(place, theirs)
    heard, own = asyncio.Event(), asyncio.Event()
    async with theirs.listening(heard.set), ours.listening(own.set), asyncio.timeout(40):
        if place.postgres:  # who begins to listen is told to look once
            await heard.wait()
            await own.wait()
            heard.clear()
            own.clear()
        await asyncio.to_thread(ring)
        await heard.wait()
        assert not own.is_set()
        await asyncio.to_thread(other)
        await own.wait()


async def test_a_pipe_whose_reader_was_killed_is_taken_away(tmp_path: Path) -> None:
    """The next one who rings finds out; and where no pipe can be made, nothing fails."""
    place = Place(file=tmp_path / "state.db")
    bell = bell_of(place, SystemClock())
    async with bell.listening(lambda: None):
        (pipe,) = (tmp_path / "state.db-bells").iterdir()
    assert not pipe.exists()
    os.mkfifo(pipe.with_name("1-dead"))
    bell.ring()
    assert list(pipe.parent.iterdir()) == []
    blocked = Place(file=tmp_path / "file/state.db")
    (tmp_path / "file").touch()
    async with bell_of(blocked, SystemClock()).listening(lambda: None):
        bell_of(blocked, SystemClock()).ring()


async def test_a_store_in_memory_has_nobody_to_wake() -> None:
    bell = bell_of(Place(), SystemClock())
    async with bell.listening(lambda: None):
        bell.ring()
