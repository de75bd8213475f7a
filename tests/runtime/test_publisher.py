"""Publishing: made ready, written down, obeyed. What fails before leaves everything; what fails after undoes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bff.config import ReleaseConfig
from bff.errors import FunctionNotLoaded
from bff.revisions.store.failures import Conflict, StoreUnavailable
from bff.revisions.store.records import Change
from bff.revisions.store.retention import Retention
from bff.signals import LoadFailed, RevisionReady
from bff.testing import ManualClock
from tests.runtime.conftest import settings
from tests.runtime.gateways import Gateway, gateways, says

pytestmark = pytest.mark.anyio

AT_ONCE = ReleaseConfig()
KEEP_ONE = Retention(since_create=0.0, since_active=0.0, least=0)
BY_HAND = Change(function="home", what="by hand", who="ann")


@pytest.fixture
async def one(anyio_backend: str, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Gateway]:
    """A gateway with home-00001 live, which collects whatever it may."""
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE, retention=KEEP_ONE) as (made,):
        await made.deploy("one")
        yield made


async def names(gateway: Gateway) -> list[str]:
    return [each.name for each in await gateway.store.versions("home")]


async def test_a_deploy_whose_garbage_stays_has_happened(one: Gateway) -> None:
    """It is written down and obeyed; what is left is collected after the next one."""
    one.database.writes = 2  # the name, and the publication
    made = await one.upload(says("two"))
    assert (made.published.name, made.traffic.latest) == ("home-00002", "home-00002")
    assert one.shares() == {"home-00002": 100}
    assert await one.runtime.body() == "two"
    one.database.writes = None
    await one.upload(says("three"))
    assert "home-00001" not in await names(one)


async def test_a_deploy_that_cannot_be_written_changes_nothing(one: Gateway) -> None:
    """Whichever write it is that fails; and the next attempt goes through."""
    for writes in (0, 1):
        one.database.writes = writes
        with pytest.raises(StoreUnavailable):
            await one.upload(says("two"))
        assert await one.runtime.body() == "one"
    one.database.writes = None
    assert await names(one) == ["home-00001"]
    await one.upload(says("two"))
    assert await one.runtime.body() == "two"


async def test_what_is_written_down_is_obeyed_later_where_it_cannot_be_at_once(
    tmp_path: Path, clock: ManualClock
) -> None:
    """A deploy has happened although a revision beside it cannot be fetched here now; the answer says so."""
    async with gateways(tmp_path, "a", "b", clock=clock, release=AT_ONCE) as (one, two):
        await one.deploy("one")
        await one.upload(says("two"))
        await one.mover.tag(one.function, "old", "home-00001", BY_HAND)
        two.runtime.write(home="def (")
        await two.follower.start()
        assert await two.runtime.body() == "two"
        await one.mover.tag(one.function, "older", "home-00001", BY_HAND)
        await one.upload(says("three"))
        heard: list[LoadFailed] = []
        two.runtime.signals.listen(LoadFailed, heard.append)
        two.database.reads = 0
        made = await two.upload(says("four"))  # home-00003 is the newest, and was never here
        assert made.traffic.latest == "home-00004"
        two.database.reads = None
        await two.follows(home_00004=100)
        assert await two.runtime.body() == "four"


async def test_a_refused_check_leaves_the_first_revision_without_calls(
    tmp_path: Path, clock: ManualClock
) -> None:
    """It is asked again with the next call, after its back-off, and no more once it agreed."""
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        flag = tmp_path / "ready"
        check = f"def check():\n    from pathlib import Path\n    return Path({str(flag)!r}).exists(), 'not yet'\n"
        one.runtime.write(home=says("one") + check)
        await one.follower.start()
        with pytest.raises(FunctionNotLoaded) as refused:
            await one.runtime.call()
        assert "check() said no: not yet" in refused.value.report()
        assert one.function.live is None
        flag.touch()
        await clock.advance(60)
        assert await one.runtime.body() == "one"
        assert one.publisher.in_force.approved == {"home-00001"}
        one.database.writes = 0
        await one.follower.catch_up()
        assert one.publisher.in_force.approved == {"home-00001"}, "it waits while the store cannot be written"
        one.database.writes = None
        await one.follower.catch_up()
        assert one.publisher.in_force.approved == set()
        assert (await one.store.traffic("home")).is_approved
    flag.unlink()
    async with gateways(tmp_path, "a", clock=clock, release=AT_ONCE) as (one,):
        await one.follower.start()
        assert await one.runtime.body() == "one", "what served is restored, and not asked"


async def test_the_same_at_the_same_time_is_one_revision(tmp_path: Path, clock: ManualClock) -> None:
    """On two gateways that do not know of each other yet."""
    async with gateways(tmp_path, "a", "b", clock=clock, release=AT_ONCE) as (one, two):
        for each in (one, two):
            each.runtime.write(home=says("one"))
        bodies = await asyncio.gather(one.runtime.body(), two.runtime.body())
        assert bodies == ["one", "one"]
        made = await asyncio.gather(one.upload(says("two")), two.upload(says("two")))
        assert {each.published.digest for each in made} == {made[0].published.digest}
        assert len({each.published.name for each in made}) == 1
        assert len(await names(one)) == 2
        for each in (one, two):
            await each.follower.catch_up()
            assert await each.runtime.body() == "two"


async def test_changed_settings_are_for_what_serves(one: Gateway) -> None:
    """A candidate without traffic is not released by them; settings that were put back are the old revision again."""
    await one.upload(says("two"))
    await one.move(("home-00001", 100))
    one.function.reconfigure(settings(timeout=7.0))
    assert await one.publisher.succeed(one.function)
    state = await one.store.traffic("home")
    assert state.latest == "home-00003"
    assert (await one.store.history("home"))[0].why == "its settings in routes.yaml changed"
    assert not await one.publisher.succeed(one.function)
    await one.mover.promote(one.function, BY_HAND)
    assert await one.runtime.body() == "one"
    one.function.reconfigure(settings())
    assert await one.publisher.succeed(one.function)
    assert (await one.store.traffic("home")).latest == "home-00001"


async def test_a_save_that_cannot_serve_is_told_and_changes_nothing(one: Gateway) -> None:
    """Until the text is mended; what was published before is nothing new."""
    heard: list[LoadFailed | RevisionReady] = []
    one.runtime.signals.listen(LoadFailed, heard.append)
    one.runtime.signals.listen(RevisionReady, heard.append)
    await one.deploy("one")
    one.runtime.write(home="1/0")
    assert not await one.publisher.refresh(one.function)
    assert one.function.failure is not None
    assert await one.runtime.body() == "one"
    await one.deploy("one")
    assert one.function.failure is None
    await one.deploy("two")
    assert [type(each) for each in heard] == [LoadFailed, RevisionReady]
    assert isinstance(heard[0], LoadFailed)
    assert heard[0].serving == "home-00001"


async def test_whoever_names_no_version_is_not_told_that_somebody_was_faster(
    tmp_path: Path, clock: ManualClock
) -> None:
    """A gateway that has not heard yet what another did goes back, promotes and tags all the same."""
    async with gateways(tmp_path, "a", "b", clock=clock, release=AT_ONCE) as (one, two):
        await one.deploy("one")
        await one.upload(says("two"))
        two.runtime.write(home=says("one"))
        await two.follower.start()
        await two.function.activate()
        for number, verb in enumerate(("rollback", "promote", "tag")):
            await one.move(("home-00001", 50 + number), ("home-00002", 50 - number))
            before = two.publisher.in_force.states["home"].version
            stale = replace(BY_HAND, expected=before)
            with pytest.raises(Conflict):
                await two.mover.rollback(two.function, "home-00001", stale)
            if verb == "rollback":
                await two.mover.rollback(two.function, None, BY_HAND)
                assert two.shares() == {"home-00002": 100}
            elif verb == "promote":
                await two.mover.promote(two.function, BY_HAND)
                assert two.shares() == {"home-00002": 100}
            else:
                await two.mover.tag(two.function, "old", "home-00001", BY_HAND)
                assert two.shares() == {"home-00001": 52, "home-00002": 48}
