"""Releases in the store: several gateways count for one judge, and every turn is one step for traffic and state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bff.revisions.outcomes import GOOD, OWN, Outcomes
from bff.revisions.release import Event, Release, State
from bff.revisions.store.failures import NoSuchRelease
from bff.revisions.store.records import Change
from bff.runtime.releases import cohorts_of
from tests.runtime.gateways import Gateway
from tests.runtime.gateways import gateways as on_one_store

pytestmark = pytest.mark.anyio

CHANGE = Change(function="home", what="by hand", who="ann")


@pytest.fixture
async def gateways(anyio_backend: str, tmp_path: Path) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Two on one store, with two revisions of home, the second of which is a canary since just now."""
    async with on_one_store(tmp_path, "a", "b") as (one, two):
        await one.deploy("one")
        await one.deploy("two")
        yield one, two


async def test_a_deploy_begins_a_release(gateways: tuple[Gateway, Gateway]) -> None:
    one, _ = gateways
    release = await one.release()
    assert (release.canary, release.baseline, release.state) == ("home-00002", "home-00001", State.RUNNING)
    assert one.shares() == {"home-00002": 10, "home-00001": 90}
    assert list(await _led(one)) == [release]


async def _led(gateway: Gateway) -> list[Release]:
    assert await gateway.ledger.lead(gateway.ledger._gateway, 60.0)
    return list(await gateway.ledger.releases())


async def test_counts_of_two_gateways_add_up(gateways: tuple[Gateway, Gateway]) -> None:
    """Whoever judges sees both; what is told again, and what belongs to no step under way, counts nothing."""
    one, two = gateways
    release = await one.release()
    canary, baseline = cohorts_of(release)
    await one.ledger.add({canary: GOOD + GOOD, baseline: GOOD})
    await two.ledger.add(
        {canary: OWN, replace(canary, percent=50): GOOD, replace(canary, function="x"): GOOD}
    )
    await one.ledger.add({canary: GOOD})
    await one.ledger.add({})
    found = await two.ledger.sums(release)
    assert found == (Outcomes(calls=4, own=1), Outcomes(calls=1))


async def test_one_gateway_judges(gateways: tuple[Gateway, Gateway]) -> None:
    one, two = gateways
    assert await one.ledger.lead("a", 60.0)
    assert not await two.ledger.lead("b", 60.0)
    assert await one.ledger.lead("a", 60.0)


async def test_nobody_leads_where_nothing_is_released(gateways: tuple[Gateway, Gateway]) -> None:
    """And nothing is written for it, second by second."""
    one, _ = gateways
    await one.mover.promote(one.function, CHANGE)
    before = await one.store.everything()
    assert not await one.ledger.lead("a", 60.0)
    assert await one.store.everything() == before
    assert await one.store.lease("releases", "b", 60.0)


async def test_a_turn_happens_once(gateways: tuple[Gateway, Gateway]) -> None:
    """State, traffic and history together; a second one based on the same is told that it came too late."""
    one, two = gateways
    before = await one.release()
    after = before.after(Event.ADVANCE, 200.0)
    assert await one.ledger.turn(before, after, "good so far", {"calls": 7})
    assert not await two.ledger.turn(before, before.after(Event.CONDEMN, 201.0), "bad", {})
    assert await two.release() == after
    assert one.shares() == {"home-00002": 50, "home-00001": 50}
    entry = (await one.store.history("home"))[0]
    assert (entry.what, entry.why, entry.numbers) == ("release running", "good so far", {"calls": 7})
    assert entry.after is not None


async def test_a_new_step_begins_with_no_counts_and_a_pause_keeps_them(
    gateways: tuple[Gateway, Gateway],
) -> None:
    one, _ = gateways
    release = await one.release()
    await one.ledger.add({cohorts_of(release)[0]: GOOD})
    paused = await one.mover.pause(one.function, CHANGE)
    assert paused.goes_on
    assert (await one.ledger.sums(await one.release()))[0].calls == 1
    await one.mover.resume(one.function, CHANGE)
    release = await one.release()
    assert (await one.ledger.sums(release))[0].calls == 1
    assert await one.ledger.turn(release, release.after(Event.ADVANCE, 300.0), "good", {})
    assert (await one.ledger.sums(await one.release()))[0].calls == 0


@pytest.mark.parametrize(
    ("verb", "state", "shares"),
    [
        ("promote", State.PROMOTED, {"home-00002": 100}),
        ("promote home-00002", State.PROMOTED, {"home-00002": 100}),
        ("promote home-00001", State.SUPERSEDED, {"home-00001": 100}),
        ("rollback", State.ROLLED_BACK, {"home-00001": 100}),
        ("move", State.SUPERSEDED, {"home-00002": 100}),
    ],
)
async def test_what_people_decide_ends_a_release(
    gateways: tuple[Gateway, Gateway], verb: str, state: State, shares: dict[str, int]
) -> None:
    """Or the loop would undo it a second later."""
    one, _ = gateways
    if verb.startswith("promote"):
        await one.mover.promote(one.function, CHANGE, verb.partition(" ")[2] or None)
    elif verb == "rollback":
        await one.mover.rollback(one.function, None, CHANGE)
    else:
        from bff.revisions.traffic import parsed

        block = parsed([{"revisionName": "home-00002", "percent": 100}])
        await one.mover.move(one.function, replace(CHANGE, traffic=block))
    assert (await one.release()).state is state
    assert one.shares() == shares
    assert await one.store.releases() == ()


async def test_a_tag_leaves_a_release_alone(gateways: tuple[Gateway, Gateway]) -> None:
    one, _ = gateways
    before = await one.release()
    await one.mover.tag(one.function, "old", "home-00001", CHANGE)
    assert await one.release() == before
    assert one.shares() == {"home-00002": 10, "home-00001": 90}


async def test_a_newer_deploy_takes_over(gateways: tuple[Gateway, Gateway]) -> None:
    one, _ = gateways
    await one.deploy("three")
    release = await one.release()
    assert (release.canary, release.baseline) == ("home-00003", "home-00001")
    assert one.shares() == {"home-00003": 10, "home-00001": 90}


async def test_without_a_release_there_is_nothing_to_pause(gateways: tuple[Gateway, Gateway]) -> None:
    one, _ = gateways
    with pytest.raises(NoSuchRelease, match="strategy: canary"):
        await one.mover.pause(one.runtime.function("other"), CHANGE)
