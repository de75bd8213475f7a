"""Revisions get their names by transaction and are kept, on either database."""

from __future__ import annotations

import asyncio
import time

import pytest

from bff.revisions.store.failures import NoSuchRevision
from bff.revisions.store.records import Change, Planned, Published, ReleaseState, TrafficState
from bff.revisions.store.retention import Retention
from bff.revisions.store.store import Store
from bff.revisions.traffic import Target, Traffic
from tests.revisions.store.conftest import Open, candidate

pytestmark = pytest.mark.anyio


async def test_revisions_are_numbered_from_one_and_kept(store: Store) -> None:
    """What was published is told whole, and its archive comes back byte by byte."""
    first, second = [(await store.publish([candidate(digest, note=digest)]))[0] for digest in ("aa", "bb")]
    assert (first.name, second.name) == ("home-00001", "home-00002")
    assert (first.is_new, first.author, first.note) == (True, "ann", "aa")
    assert 0 <= time.time() - first.created < 60
    assert [each.name for each in await store.versions("home")] == ["home-00001", "home-00002"]
    published, archive = await store.archive("home", "home-00002")
    assert archive == b"bb" * 10
    assert (published.size, published.settings, published.origin) == (20, '{"timeout": 10.0}', "deploy")
    assert (await store.traffic("home")).latest == "home-00002"


async def test_a_known_digest_is_the_revision_it_was(store: Store) -> None:
    """Publishing again changes nothing, and the next new one has the next number."""
    await store.publish([candidate("aa")])
    before = await store.everything()
    again = (await store.publish([candidate("aa")]))[0]
    assert (again.name, again.is_new) == ("home-00001", False)
    assert await store.everything() == before
    assert (await store.publish([candidate("bb")]))[0].name == "home-00002"


async def test_an_older_text_that_is_deployed_again_becomes_the_newest(store: Store) -> None:
    """Under the name it always had: going back by a deploy is going back."""
    for digest in ("aa", "bb", "aa"):
        await store.publish([candidate(digest)])
    assert (await store.traffic("home")).latest == "home-00001"
    said = [entry.what for entry in await store.history("home")]
    assert said == ["published again home-00001", "published home-00002", "published home-00001"]


async def test_a_folder_that_did_not_change_leaves_what_was_deployed(store: Store) -> None:
    """A restart publishes the folder once more; only a folder with another text than last time counts."""
    await store.publish([candidate("aa", folder="files of aa")])
    await store.publish([candidate("bb")])
    await store.publish([candidate("aa", folder="files of aa")])
    state = await store.traffic("home")
    assert (state.latest, state.digest, state.folder) == ("home-00002", "bb", "files of aa")
    await store.publish([candidate("cc", folder="files of cc")])
    await store.publish([candidate("aa", folder="files of aa")])
    assert (await store.traffic("home")).latest == "home-00001"


async def test_many_functions_are_published_together_or_not_at_all(store: Store) -> None:
    """One transaction for a whole folder."""
    published = await store.publish([candidate("aa", f"f{n}") for n in range(100)])
    assert {each.name for each in published} == {f"f{n}-00001" for n in range(100)}
    with pytest.raises(ValueError, match="seven"):
        await store.publish([candidate("bb", "a"), candidate("bb", "b", name="b-seven")])
    assert await store.versions("a") == ()


async def test_a_reserved_name_is_nobody_elses(store: Store) -> None:
    """A name is needed before it is known whether the code loads; one that never is leaves a gap."""
    assert await store.reserve("home", "aa") == ("home-00001", True)
    assert await store.reserve("home", "bb") == ("home-00002", True)
    published = (await store.publish([candidate("bb", name="home-00002")]))[0]
    assert published.name == "home-00002"
    assert await store.reserve("home", "bb") == ("home-00002", False)
    late = (await store.publish([candidate("aa", name="home-00001")]))[0]
    assert late.name == "home-00001"
    assert (await store.traffic("home")).latest == "home-00002", "the later number is the newer"


async def test_two_gateways_never_give_one_name_twice(open_store: Open) -> None:
    """Both publish at once; names are unique and have no gaps, equal texts are one revision."""
    stores = [open_store(), open_store(), open_store()]
    jobs = [
        store.publish([candidate(f"own-{who}-{n}"), candidate(f"both-{n}")])
        for n in range(15)
        for who, store in enumerate(stores)
    ]
    await asyncio.gather(*jobs)
    versions = await stores[0].versions("home")
    assert len({each.digest for each in versions}) == len(versions) == 60
    assert [each.number for each in versions] == list(range(1, 61))


async def test_two_gateways_that_publish_the_same_folders_do_not_embrace(open_store: Open) -> None:
    """Locks are taken in one order, whatever order the functions came in."""
    one, two = open_store(), open_store()
    names = [f"f{n}" for n in range(40)]
    for round_ in range(5):
        await asyncio.gather(
            one.publish([candidate(f"{round_}", name) for name in names]),
            two.publish([candidate(f"{round_}", name) for name in reversed(names)]),
        )
    assert {len(await one.versions(name)) for name in names} == {5}


async def test_in_dev_names_say_so(open_store: Open) -> None:
    store = open_store(is_ephemeral=True)
    assert await store.reserve("home", "aa") == ("home-dev-1", True)
    published = await store.publish([candidate("aa", name="home-dev-1"), candidate("bb")])
    assert [each.name for each in published] == ["home-dev-1", "home-dev-2"]


async def test_an_unknown_revision_is_told_with_those_there_are(store: Store) -> None:
    await store.publish([candidate("aa")])
    with pytest.raises(NoSuchRevision, match="no revision home-00007; its newest are home-00001") as caught:
        await store.archive("home", "home-00007")
    assert caught.value.status == 404
    with pytest.raises(NoSuchRevision, match="none yet"):
        await store.archive("other", "other-00001")


async def test_what_is_old_and_unused_is_collected(store: Store) -> None:
    """What is routed, tagged, the newest, in use or the way back stays; the history tells who went, and names stay
    taken.
    """
    for n in range(7):
        await store.publish([candidate(f"{n}")])
    traffic = Traffic((Target(percent=100), Target(revision="home-00002", tag="candidate")))
    await store.move(Change(function="home", what="tag", who="ann", traffic=traffic))
    at_once = Retention(since_create=0.0, since_active=0.0, least=1)
    gone = await store.collect("home", at_once, in_use={"home-00004"})
    assert [each.name for each in gone] == ["home-00001", "home-00003"], "home-00005 is the one kept at least"
    kept = [each.name for each in await store.versions("home")]
    assert kept == ["home-00002", "home-00004", "home-00005", "home-00006", "home-00007"]
    with pytest.raises(NoSuchRevision):
        await store.archive("home", "home-00001")
    assert (await store.history("home"))[0].what == "collected home-00001, home-00003"
    assert (await store.publish([candidate("0")]))[0].name == "home-00008"
    assert await store.collect("home", Retention()) == ()


async def test_when_traffic_was_lost_is_remembered(store: Store) -> None:
    """By a newer revision or by a move; garbage collection goes by it."""
    for n in range(3):
        await store.publish([candidate(f"{n}")])
    active = {each.name: each.last_active for each in await store.versions("home")}
    assert active["home-00001"] > 1_600_000_000
    assert active["home-00003"] == 0.0
    traffic = Traffic((Target(revision="home-00001", percent=100),))
    await store.move(Change(function="home", what="rollback", who="ann", traffic=traffic))
    assert (await store.versions("home"))[2].last_active > 1_600_000_000
    assert await store.collect("home", Retention(since_create=0.0, since_active=3600.0, least=0)) == ()


async def test_a_deploy_moves_traffic_with_it_or_not_at_all(store: Store) -> None:
    """The plan sees what is in force when the transaction runs, and its failure undoes the publication."""
    await store.publish([candidate("aa")])

    def pin(before: TrafficState, published: Published, release: ReleaseState) -> Planned:
        assert (before.latest, published.name, release.version) == ("home-00001", "home-00002", 0)
        traffic = Traffic((Target(revision=before.latest, percent=100),))
        return Planned(traffic=traffic, release={"canary": published.name}, goes_on=True)

    made = await store.deploy(candidate("bb"), pin)
    published, state = made.published, made.traffic
    assert (published.name, published.is_new) == ("home-00002", True)
    assert (state.latest, state.version, sorted(state.routed())) == ("home-00002", 2, ["home-00001"])
    assert (await store.release("home")).state == {"canary": "home-00002"}
    assert state.canary == "home-00002"
    same = await store.deploy(candidate("bb"), lambda before, *_: Planned(traffic=before.traffic))
    assert same.traffic == state
    nowhere = Planned(traffic=Traffic((Target(revision="home-00009", percent=100),)))
    with pytest.raises(NoSuchRevision):
        await store.deploy(candidate("cc"), lambda *_: nowhere)
    assert len(await store.versions("home")) == 2
