"""Traffic moves by optimistic concurrency, with a history, and every gateway hears of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bff.revisions.store import moving
from bff.revisions.store.failures import Conflict, NoSuchRevision
from bff.revisions.store.records import Change, Counted, Planned, TrafficState
from bff.revisions.store.store import Store
from bff.revisions.traffic import LATEST, Target, Traffic, parsed
from tests.revisions.store.conftest import Open, candidate

pytestmark = pytest.mark.anyio

SPLIT = Traffic(
    (Target(revision="home-00001", percent=90), Target(revision="home-00002", percent=10, tag="candidate"))
)
MOVE = Change(function="home", what="traffic", who="ann", why="try it", traffic=SPLIT)


@pytest.fixture
async def two(store: Store) -> Store:
    """A store with two revisions of ``home``."""
    for digest in ("aa", "bb"):
        await store.publish([candidate(digest)])
    return store


async def test_nobody_has_moved_it_yet(store: Store) -> None:
    assert await store.traffic("home") == TrafficState(function="home")
    await store.publish([candidate("aa")])
    state = await store.traffic("home")
    assert (state.version, state.traffic, state.latest) == (0, LATEST, "home-00001")
    assert state.routed() == {"home-00001"}


async def test_what_latest_means_has_a_version_too(two: Store) -> None:
    """A publication moves the calls of ``latest``: whoever read before it decided on something else."""
    before = await two.traffic("home")
    assert (before.version, before.latest) == (1, "home-00002")
    await two.publish([candidate("bb")])
    assert await two.traffic("home") == before, "the newest again is nothing new"
    await two.publish([candidate("aa")])
    assert (await two.traffic("home")).version == 2
    with pytest.raises(Conflict):
        await two.move(replace(MOVE, expected=before.version))


async def test_a_move_is_kept_with_what_it_was_before(two: Store) -> None:
    """Who, why, the numbers it stands on, and both blocks."""
    state = await two.move(replace(MOVE, numbers={"errors": 0.01}, expected=1))
    assert (state.version, state.traffic, state.latest) == (2, SPLIT, "home-00002")
    assert await two.traffic("home") == state
    entry = (await two.history("home"))[0]
    assert (entry.who, entry.what, entry.why, entry.numbers) == ("ann", "traffic", "try it", {"errors": 0.01})
    assert (entry.before, entry.after) == (LATEST.block(), SPLIT.block())


async def test_a_move_that_is_based_on_the_past_is_refused(two: Store) -> None:
    """Nothing moves, nothing is in the history, and both versions are told."""
    await two.move(replace(MOVE, expected=1))
    before = await two.history("home")
    with pytest.raises(Conflict, match="The traffic of home is at version 2 now, not 1") as caught:
        await two.move(replace(MOVE, expected=1, traffic=LATEST))
    assert (caught.value.status, caught.value.extras()) == (409, {"expected": 1, "version": 2})
    assert (await two.traffic("home")).traffic == SPLIT
    assert await two.history("home") == before


async def test_one_of_two_moves_at_once_wins(two: Store, open_store: Open) -> None:
    """Of many based on the same version exactly one is obeyed."""
    stores = [two, open_store(), open_store()]
    for version in range(1, 7):
        jobs = [store.move(replace(MOVE, expected=version)) for store in stores]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert sorted(type(each).__name__ for each in results) == ["Conflict", "Conflict", "TrafficState"]
    assert (await two.traffic("home")).version == 7


async def test_traffic_goes_to_kept_revisions_only(two: Store) -> None:
    """An unknown name, another function's, and latest where there is none."""
    for target in (Target(revision="home-00009", percent=100), Target(revision="other-00001", percent=100)):
        with pytest.raises(NoSuchRevision):
            await two.move(replace(MOVE, traffic=Traffic((target,))))
    with pytest.raises(NoSuchRevision):
        await two.move(replace(MOVE, function="other", traffic=LATEST))
    assert (await two.traffic("home")).version == 1


async def test_the_history_is_read_in_pages(two: Store) -> None:
    for n in range(5):
        await two.move(replace(MOVE, why=f"{n}"))
    newest = await two.history("home", limit=3)
    assert [entry.why for entry in newest] == ["4", "3", "2"]
    older = await two.history("home", limit=3, before=newest[-1].id)
    assert [entry.why for entry in older] == ["1", "0", ""]


async def test_a_note_moves_nothing(two: Store) -> None:
    """A verdict to go on waiting is in the history, and the version stays."""
    state = await two.move(Change(function="home", what="held", who="gateway", numbers={"calls": 12}))
    assert state.version == 1
    entry = (await two.history("home"))[0]
    assert (entry.what, entry.before, entry.after) == ("held", None, None)


async def test_every_gateway_hears_of_what_changed(two: Store, open_store: Open) -> None:
    """Once, whoever changed it, and of nothing else."""
    other = open_store()
    number, everything = await other.everything()
    assert set(everything) == {"home"}
    assert await other.changed_since(number) == (number, {})
    await two.publish([candidate("cc", "news")])
    moved = await two.move(MOVE)
    number, changed = await other.changed_since(number)
    assert changed == {"home": moved, "news": await two.traffic("news")}
    assert await other.changed_since(number) == (number, {})


async def test_no_change_is_missed_while_many_write(two: Store, open_store: Open) -> None:
    """A poller that goes on from the newest number it saw sees every function, however commits interleave."""
    poller, writers = open_store(), [two, open_store(), open_store()]
    number, _ = await poller.everything()
    heard: set[str] = set()
    writing = asyncio.gather(
        *(
            store.publish([candidate("aa", f"f{who}_{n}")])
            for n in range(20)
            for who, store in enumerate(writers)
        )
    )
    while not writing.done():
        number, changed = await poller.changed_since(number)
        heard.update(changed)
    await writing
    _, changed = await poller.changed_since(number)
    assert heard.union(changed) == {f"f{who}_{n}" for who in range(3) for n in range(20)}


def step(number: int, *, goes_on: bool = True) -> Planned:
    return Planned(traffic=SPLIT, release={"at": number}, goes_on=goes_on, step=f"step {number}")


async def test_a_release_turns_with_its_traffic_or_not_at_all(two: Store) -> None:
    """State and traffic change together; who is late changes neither. The traffic says whose release goes on."""
    nothing = await two.release("home")
    assert (nothing.version, nothing.goes_on, nothing.state) == (0, False, None)
    moved = await two.turn(MOVE, nothing, lambda before: step(1))
    assert moved is not None
    assert (moved.version, moved.traffic) == (2, SPLIT)
    release = await two.release("home")
    assert (release.version, release.goes_on, release.state) == (1, True, {"at": 1})
    assert await two.releases() == (release,)
    canary = Planned(traffic=SPLIT, release={"canary": "home-00002"}, goes_on=True)
    named = await two.turn(MOVE, release, lambda before: canary)
    assert named is not None
    assert named.canary == (await two.everything())[1]["home"].canary == "home-00002"
    await two.turn(MOVE, await two.release("home"), lambda before: step(1))
    release = await two.release("home")
    assert await two.turn(MOVE, nothing, lambda before: step(2)) is None
    with pytest.raises(Conflict, match="The traffic of home"):
        await two.turn(replace(MOVE, expected=1), release, lambda before: step(2))
    assert await two.release("home") == release
    assert (await two.traffic("home")).version == 4
    await two.turn(MOVE, release, lambda before: step(2, goes_on=False))
    assert await two.releases() == ()
    assert (await two.release("home")).state == {"at": 2}


async def test_of_two_turns_at_once_one_happens(two: Store, open_store: Open) -> None:
    other = open_store()
    before = await two.release("home")
    turns = [store.turn(MOVE, before, lambda _: step(1)) for store in (two, other, two, other)]
    assert sum(each is not None for each in await asyncio.gather(*turns)) == 1
    assert (await two.release("home")).version == 1


async def test_one_gateway_at_a_time_has_the_lease(two: Store, open_store: Open) -> None:
    """Renewed by its holder, taken over when it ran out or was given back."""
    other = open_store()
    assert await two.lease("release/home", "a", 60)
    assert not await other.lease("release/home", "b", 60)
    assert await two.lease("release/home", "a", 60)
    assert await other.lease("release/news", "b", 60)
    await other.leave("release/home", "b")
    assert not await other.lease("release/home", "b", 60)
    await two.leave("release/home", "a")
    assert await other.lease("release/home", "b", 0)
    assert await two.lease("release/home", "a", 60), "b's had run out"
    assert await two.lease("release/home", "a", 3600)
    assert await other.lease("release/home", "b", 60), "the clock was set back after a's"
    taken = await asyncio.gather(*(s.lease("x", str(n), 60) for n, s in enumerate((two, other) * 5)))
    assert sum(taken) == 1


async def test_counters_of_all_gateways_stand_side_by_side(two: Store, open_store: Open) -> None:
    """Said again they replace what the same gateway said, so that a retry counts nothing twice."""
    other = open_store()
    ours = Counted(function="home", step="step 1", side="canary", gateway="a", counters={"calls": 3})
    theirs = replace(ours, gateway="b", counters={"calls": 4})
    await asyncio.gather(two.count([ours]), other.count([theirs, replace(theirs, step="step 0")]))
    await two.count([replace(ours, counters={"calls": 5})])
    counted = await other.counted("home", "step 1")
    assert [(each.gateway, each.counters) for each in counted] == [("a", {"calls": 5}), ("b", {"calls": 4})]
    await two.turn(MOVE, await two.release("home"), lambda before: step(1))
    assert await two.counted("home", "step 1") == counted, "the step goes on"
    assert await two.counted("home", "step 0") == ()


async def test_what_served_before_is_remembered(store: Store) -> None:
    """Publications, moves and promotions; a step of a release is not, and going back takes it from the past."""
    for digest in ("a", "b", "c"):
        await store.publish([candidate(digest)])
    assert (await store.back("home")).past == ({"home-00001": 100}, {"home-00002": 100})
    split = parsed([{"revisionName": f"home-0000{n}", "percent": 50} for n in (1, 3)])
    await store.move(Change(function="home", what="traffic", who="ann", traffic=split))
    back = await store.back("home")
    assert back.past[-1] == {"home-00003": 100}
    assert back.last_good() == {"home-00003": 100}
    to = parsed([{"revisionName": "home-00002", "percent": 100}])
    await store.move(Change(function="home", what="rollback", who="ann", traffic=to, goes_back=True))
    assert (await store.back("home")).past == ({"home-00001": 100},)


async def test_what_a_release_took_back_is_marked_until_it_has_all_calls(store: Store) -> None:
    for digest in ("a", "b"):
        await store.publish([candidate(digest)])
    both = parsed([{"revisionName": f"home-0000{n}", "percent": 50} for n in (1, 2)])
    alone = {n: parsed([{"revisionName": f"home-0000{n}", "percent": 100}]) for n in (1, 2)}
    change = Change(function="home", what="release", who="gateway", goes_back=True)

    async def turned(traffic: Traffic, state: str, *, goes_on: bool) -> None:
        release = {"canary": "home-00002", "state": state}
        planned = Planned(traffic=traffic, release=release, goes_on=goes_on)
        await store.turn(change, await store.release("home"), lambda _: planned)

    async def condemned() -> list[str]:
        return [each.name for each in await store.versions("home") if each.condemned]

    await turned(both, "running", goes_on=True)
    assert await condemned() == []
    await turned(alone[1], "rolled-back", goes_on=False)
    assert await condemned() == ["home-00002"]
    await store.move(Change(function="home", what="traffic", who="ann", traffic=both))
    assert await condemned() == ["home-00002"]
    await store.move(Change(function="home", what="promote", who="ann", traffic=alone[2]))
    assert await condemned() == []


async def test_a_functions_history_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own; the oldest lines go, and others' stay."""
    monkeypatch.setattr(moving, "HISTORY_KEPT", 5)
    await store.publish([candidate("a"), candidate("a2", "other")])
    for n in range(8):
        await store.move(Change(function="home", what=f"note {n}", who="ann"))
    assert [entry.what for entry in await store.history("home")] == [f"note {n}" for n in range(7, 2, -1)]
    assert len(await store.history("other")) == 1
