"""A gateway keeps up with a store that others change, as far as it can, and goes on trying where it cannot."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bff.config import ReleaseConfig
from bff.revisions.store.records import Change
from bff.runtime.follower import LONGEST, POLL
from bff.signals import FolderPassedOver, LoadFailed, Signal, StoreLost, StoreReturned, Unexpected
from bff.testing import ManualClock
from tests.runtime.conftest import until
from tests.runtime.gateways import Gateway, gateways, says

pytestmark = pytest.mark.anyio

AT_ONCE = ReleaseConfig()


@pytest.fixture
async def pair(anyio_backend: str, tmp_path: Path, clock: ManualClock) -> AsyncIterator[list[Gateway]]:
    """Two on one store, both with home-00001 live."""
    async with gateways(tmp_path, "a", "b", clock=clock, release=AT_ONCE) as made:
        await made[0].deploy("one")
        made[1].runtime.write(home=says("one"))
        await made[1].follower.start()
        await made[1].function.activate()
        yield made


def heard(gateway: Gateway, *kinds: type[Signal]) -> list[Any]:
    """What it says from now on, of these kinds."""
    said: list[Any] = []
    for kind in kinds:
        gateway.runtime.signals.listen(kind, said.append)
    return said


def only_if(path: Path, word: str) -> str:
    """A revision that can be loaded only while a file is there."""
    return f"from pathlib import Path\nif not Path({str(path)!r}).exists(): raise OSError('no {word} here')\n{says(word)}"


async def passed(clock: ManualClock, seconds: float) -> None:
    """So much time, second by second, with what threads do for each."""
    for _ in range(int(seconds)):
        await clock.advance(1.0)
        await asyncio.sleep(0.01)


async def test_what_another_gateway_decided_is_obeyed_warm(pair: list[Gateway]) -> None:
    """Nobody's first call after it waits for a load."""
    one, two = pair
    await one.upload(says("two"))
    await two.follows(home_00002=100)
    live = two.function.live
    assert live is not None
    assert live.instance is not None
    assert two.follower._tasks == {}
    await two.follower.catch_up()
    assert two.follower._tasks == {}


async def test_one_revision_that_cannot_be_loaded_here_blocks_no_other(
    pair: list[Gateway], tmp_path: Path, clock: ManualClock
) -> None:
    """Its calls go to the others until it can be; that is told once, and tried again and again."""
    one, two = pair
    flag = tmp_path / "flag"
    flag.touch()
    await one.upload(says("two"))
    await one.upload(only_if(flag, "three"))
    flag.unlink()
    said = heard(two, LoadFailed, Unexpected)
    await one.move(("home-00001", 20), ("home-00002", 50), ("home-00003", 30))
    await two.follows(home_00002=80, home_00001=20)
    await passed(clock, 5)
    assert [type(each) for each in said] == [LoadFailed]
    assert "no three here" in said[0].report
    assert two.publisher.in_force.behind == {"home"}
    flag.touch()
    await passed(clock, LONGEST)
    await two.follows(home_00003=30, home_00002=50, home_00001=20)
    assert two.publisher.in_force.behind == set()
    assert two.follower._tasks == {}


async def test_a_sole_revision_that_cannot_be_loaded_here_leaves_what_was(
    pair: list[Gateway], tmp_path: Path, clock: ManualClock
) -> None:
    """There is nobody else to give its calls to."""
    one, two = pair
    flag = tmp_path / "flag"
    flag.touch()
    await one.upload(only_if(flag, "two"))
    flag.unlink()
    await two.follower.catch_up()
    await until(lambda: two.publisher.in_force.behind)
    assert two.shares() == {"home-00001": 100}
    assert await two.runtime.body() == "one"
    flag.touch()
    await passed(clock, LONGEST)
    await two.follows(home_00002=100)


async def test_a_newer_decision_ends_the_trying(pair: list[Gateway], tmp_path: Path) -> None:
    """The one that cannot be obeyed is none of its business any more."""
    one, two = pair
    flag = tmp_path / "flag"
    flag.touch()
    await one.upload(only_if(flag, "two"))
    flag.unlink()
    await two.follower.catch_up()
    await until(lambda: two.publisher.in_force.behind)
    await one.upload(says("three"))
    await two.follows(home_00003=100)
    assert two.publisher.in_force.behind == set()


async def test_a_damaged_archive_is_told_once_and_the_store_is_not_away(
    pair: list[Gateway], tmp_path: Path, clock: ManualClock
) -> None:
    """Reading the sequence goes well, reading the archive does not: the log must not flap between the two."""
    one, two = pair
    await one.upload(says("two"))
    with closing(sqlite3.connect(tmp_path / "state.db")) as database, database:
        (whole,) = database.execute("SELECT archive FROM archives WHERE name = 'home-00002'").fetchone()
        database.execute("UPDATE archives SET archive = x'00' WHERE name = 'home-00002'")
    said = heard(two, LoadFailed, StoreLost, StoreReturned, Unexpected)
    for _ in range(5):
        await two.follower.catch_up()
        await passed(clock, 1)
    assert [type(each) for each in said] == [LoadFailed]
    assert "damaged archive of home-00002" in said[0].report
    assert two.shares() == {"home-00001": 100}
    with closing(sqlite3.connect(tmp_path / "state.db")) as database, database:
        database.execute("UPDATE archives SET archive = ? WHERE name = 'home-00002'", (whole,))
    await passed(clock, LONGEST)
    await two.follows(home_00002=100)


async def test_a_store_that_goes_away_is_told_once_and_once_when_it_is_back(
    pair: list[Gateway], clock: ManualClock
) -> None:
    """However often it is asked meanwhile; what others did is obeyed then."""
    one, two = pair
    said = heard(two, StoreLost, StoreReturned, LoadFailed)
    two.database.reads = 0
    await one.upload(says("two"))
    for _ in range(3):
        await two.follower.catch_up()
    two.database.reads = 1  # the sequence can be read, and then nothing more
    await two.follower.catch_up()
    await until(lambda: two.publisher.in_force.behind)
    two.database.reads = None
    await passed(clock, 2)
    await two.follows(home_00002=100)
    assert [type(each) for each in said] == [StoreLost, StoreReturned]


async def test_what_cannot_be_published_is_tried_again(tmp_path: Path, clock: ManualClock) -> None:
    """A store that is full at the start takes the folder later; it is told once, though it can be read."""
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        one.runtime.write(home=says("one"))
        await one.follower.start()
        said = heard(one, StoreLost, StoreReturned)
        one.database.writes = 0
        settling = asyncio.create_task(one.follower.settle())
        for _ in range(4):
            await one.follower.catch_up()
            await passed(clock, 1)
        assert [type(each) for each in said] == [StoreLost]
        assert not settling.done()
        one.database.writes = None
        while not settling.done():
            await passed(clock, 1)
        assert [type(each) for each in said] == [StoreLost, StoreReturned]
        assert (await one.store.traffic("home")).latest == "home-00001"


@pytest.mark.parametrize("change", ["files", "settings"])
@pytest.mark.parametrize("is_called", [True, False], ids=["called", "not called"])
async def test_what_is_new_at_the_start_waits_for_a_store_that_can_be_written(
    tmp_path: Path, clock: ManualClock, change: str, *, is_called: bool
) -> None:
    """The older revision serves meanwhile, and what is published then is what was there at the start."""
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        await one.deploy("old")
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        one.runtime.write(home=says("new" if change == "files" else "old"))
        if change == "settings":
            one.function = one.runtime.function(timeout=7.0)
        await one.follower.start()
        said = heard(one, StoreLost, StoreReturned)
        one.database.writes = 0
        if is_called:
            assert await one.runtime.body() == "old"
        settling = asyncio.create_task(one.follower.settle())
        while not said:
            await passed(clock, 1)
        assert (settling.done(), await one.runtime.body()) == (False, "old")
        one.runtime.write(home=says("saved later"))
        one.database.writes = None
        while not settling.done():
            await passed(clock, 1)
        assert one.shares() == {"home-00002": 100}
        assert await one.runtime.body() == ("new" if change == "files" else "old")
        assert [type(each) for each in said] == [StoreLost, StoreReturned]
        assert one.publisher.first_look.unwritten == {}


async def test_what_waited_is_not_new_once_somebody_has_deployed(tmp_path: Path, clock: ManualClock) -> None:
    """Whoever deploys while the gateway waits knows better than the folder that it was started with."""
    async with gateways(tmp_path, "a", "b", clock=clock, release=AT_ONCE) as (one, _):
        await one.deploy("old")
    async with gateways(tmp_path, "a", "b", clock=clock, release=AT_ONCE) as (one, two):
        one.runtime.write(home=says("new"))
        for each in (one, two):
            await each.follower.start()
        said = heard(one, StoreLost)
        one.database.writes = 0
        settling = asyncio.create_task(one.follower.settle())
        while not said:
            await passed(clock, 1)
        await two.upload(says("deployed"))
        one.database.writes = None
        while not settling.done():
            await passed(clock, 1)
        await one.follows(home_00002=100)
        assert await one.runtime.body() == "deployed"
        assert len(await one.store.versions("home")) == 2


async def test_traffic_is_restored_where_the_folder_is_broken(tmp_path: Path, clock: ManualClock) -> None:
    """Without loading anything, before the first call: by then the store may be away."""
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        await one.deploy("one")
        await one.upload(says("two"))
        await one.move(("home-00001", 50), ("home-00002", 50))
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        one.runtime.write(home="def (")
        said = heard(one, LoadFailed)
        await one.follower.start()
        settling = asyncio.create_task(one.follower.settle())
        while not settling.done():
            await passed(clock, 1)
        assert one.shares() == {"home-00001": 50, "home-00002": 50}
        assert not one.function.lives.are_warm
        assert len(said) == 1
        assert "home.py:1:5: SyntaxError" in said[0].report
        one.database.reads = 0
        assert await one.runtime.body() in ("one", "two")


async def test_a_folder_that_the_store_knows_is_passed_over(tmp_path: Path, clock: ManualClock) -> None:
    """Before the first call as with it; told once."""
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        await one.deploy("one")
        await one.deploy("two")
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        one.runtime.write(home=says("one"))
        said = heard(one, FolderPassedOver)
        await one.follower.start()
        settling = asyncio.create_task(one.follower.settle())
        while not settling.done():
            await passed(clock, 1)
        assert one.shares() == {"home-00002": 100}
        assert await one.runtime.body() == "two"
        assert [(each.revision, each.serving) for each in said] == [("home-00001", "home-00002")]
        await one.deploy("one")
        assert one.shares() == {"home-00001": 100}, "a save is somebody's act"


@pytest.mark.parametrize("is_taken_back", [False, True])
async def test_a_canary_in_the_folder_is_told_only_if_it_was_taken_back(
    tmp_path: Path, clock: ManualClock, is_taken_back: bool
) -> None:
    """A restart in the middle of its release is nothing to tell; whoever is told is not led to put it back."""
    release = ReleaseConfig(strategy="canary", steps=(10, 100))
    async with gateways(tmp_path, "a", clock=clock, release=release) as (one,):
        await one.deploy("one")
        await one.upload(says("two"))
        if is_taken_back:
            change = Change(function="home", what="rollback", who="ann")
            await one.mover.rollback(one.function, None, change)
    async with gateways(tmp_path, "a", clock=clock, release=release) as (one,):
        one.runtime.write(home=says("two"))
        said = heard(one, FolderPassedOver)
        await one.follower.start()
        settling = asyncio.create_task(one.follower.settle())
        while not settling.done():
            await passed(clock, 1)
        assert [(each.revision, each.is_taken_back) for each in said] == [
            ("home-00002", True)
        ] * is_taken_back


async def test_following_ends_with_the_gateway(tmp_path: Path, clock: ManualClock) -> None:
    """What is still tried is given up."""
    async with gateways(tmp_path, "a", "b", clock=clock, release=AT_ONCE) as (one, two):
        await one.deploy("one")
        two.runtime.write(home=says("one"))
        await two.follower.start()
        running = asyncio.create_task(two.follower.run())
        await two.function.activate()
        flag = tmp_path / "flag"
        flag.touch()
        await one.upload(only_if(flag, "two"))
        flag.unlink()
        while not two.publisher.in_force.behind:
            await passed(clock, max(1, POLL))
        running.cancel()
        await asyncio.wait({running})
        await until(lambda: not two.follower._tasks)


async def settled(gateway: Gateway, clock: ManualClock) -> None:
    """Its folder is published, as after every start."""
    settling = asyncio.create_task(gateway.follower.settle())
    while not settling.done():
        await clock.advance(0.01)
        await asyncio.sleep(0.001)


async def test_a_first_call_serves_what_the_folder_had_at_the_start(
    tmp_path: Path, clock: ManualClock
) -> None:
    """A file that is saved between the start and the first call is nobody's deploy: a function that had its first
    call a moment earlier would not have it either.
    """
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        one.runtime.write(home=says("one"))
        await one.follower.start()
        await settled(one, clock)
        one.runtime.write(home=says("two"))
        live = await one.function.activate()
        assert one.shares() == {"home-00001": 100}
        assert says("one").encode() in live.revision.snapshot.files.values()
        assert live.revision.snapshot.took == 0.0, "the first warm-up pays for no reading"


async def test_more_functions_than_are_remembered_serve_what_was_published(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it comes out of the store."""
    monkeypatch.setattr("bff.runtime.firstlook.MOST", 0)
    await test_what_serves_is_what_was_published(tmp_path, clock)


async def test_what_serves_is_what_was_published(tmp_path: Path, clock: ManualClock) -> None:
    """Also where the gateway comes back and finds nothing new."""
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        await one.deploy("one")
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        await one.follower.start()
        await settled(one, clock)
        one.runtime.write(home=says("two"))
        live = await one.function.activate()
        assert (live.revision.name, one.shares()) == ("home-00001", {"home-00001": 100})
        assert says("one").encode() in live.revision.snapshot.files.values()
