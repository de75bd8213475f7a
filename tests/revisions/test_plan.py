"""What traffic and release become, as pure steps: over every strategy, wish and state that matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.config import ReleaseConfig
from bff.revisions import plan
from bff.revisions.plan import Deploy, Rules
from bff.revisions.release import Release, State, from_json
from bff.revisions.store.records import Planned, Published, ReleaseState, TrafficState
from bff.revisions.traffic import LATEST, Target, Traffic, TrafficInvalid, parsed

BEFORE = TrafficState(function="home", latest="home-00001")
NONE = ReleaseState(function="home")
NEW = Published(function="home", number=2, name="home-00002", digest="", created=0.0, is_new=True)
DEPLOY = Deploy(who="ann")


def rules(strategy: str = "immediate", **changed: Any) -> Rules:
    config = ReleaseConfig(strategy=strategy)
    return Rules(**{"is_save": False, "release": config, "now": 100.0, **changed})


def shares(traffic: Traffic) -> str:
    return str(traffic)


def test_a_new_revision_gets_what_the_latest_had() -> None:
    """The block does not change at all: latest is another one now."""
    split = parsed([{"latestRevision": True, "percent": 10}, {"revisionName": "home-00001", "percent": 90}])
    for traffic in (LATEST, split):
        before = replace(BEFORE, traffic=traffic)
        assert plan.after_deploy(before, NEW, NONE, DEPLOY, rules()) == Planned(traffic=traffic)


@pytest.mark.parametrize(
    ("strategy", "wish"), [("manual", DEPLOY), ("immediate", Deploy(who="ann", no_traffic=True))]
)
def test_one_that_shall_wait_gets_nothing(strategy: str, wish: Deploy) -> None:
    """What was the latest keeps its calls by its name."""
    planned = plan.after_deploy(BEFORE, NEW, NONE, wish, rules(strategy))
    assert shares(planned.traffic) == "home-00001=100"
    assert planned.release is None


@pytest.mark.parametrize("strategy", ["immediate", "canary", "manual"])
def test_the_first_revision_gets_everything(strategy: str) -> None:
    """There is nothing to compare it with, and nobody else."""
    before = TrafficState(function="home")
    assert plan.after_deploy(before, NEW, NONE, DEPLOY, rules(strategy)) == Planned(traffic=LATEST)


def test_a_canary_begins_with_its_first_step() -> None:
    planned = plan.after_deploy(BEFORE, NEW, NONE, DEPLOY, rules("canary"))
    assert shares(planned.traffic) == "home-00002=1, home-00001=99"
    assert planned.release is not None
    release = from_json(planned.release)
    assert (release.canary, release.baseline, release.since) == ("home-00002", "home-00001", 100.0)
    assert (planned.goes_on, planned.step) == (True, plan.step_of(release))


def test_a_newer_revision_takes_over_a_running_release() -> None:
    """It is compared with what the release before was compared with, which gets no calls any more."""
    first = plan.after_deploy(BEFORE, NEW, NONE, DEPLOY, rules("canary"))
    between = replace(BEFORE, latest="home-00002", traffic=first.traffic)
    running = ReleaseState(function="home", version=1, goes_on=True, state=first.release)
    third = replace(NEW, number=3, name="home-00003")
    planned = plan.after_deploy(between, third, running, DEPLOY, rules("canary", now=200.0))
    assert shares(planned.traffic) == "home-00003=1, home-00001=99"
    assert planned.step != first.step


RUNNING = Release(function="home", canary="home-00002", baseline="home-00001", steps=(10, 60, 100), since=1.0)


def under_way(at: int) -> tuple[TrafficState, ReleaseState]:
    release = replace(RUNNING, at=at)
    state = ReleaseState(function="home", version=1, goes_on=True, state=release.as_json())
    return replace(BEFORE, latest="home-00002", traffic=release.traffic(LATEST)), state


@pytest.mark.parametrize("at", [0, 1])
def test_what_the_canary_is_compared_with_gets_everything_back(at: int) -> None:
    """Reverted in the middle of a release, whatever its share: the release ends, and condemns nothing."""
    before, running = under_way(at)
    reverted = replace(NEW, name="home-00001", number=1, is_new=False)
    planned = plan.after_deploy(before, reverted, running, DEPLOY, rules("canary"))
    assert (shares(planned.traffic), planned.goes_on) == ("latest=100", False)
    assert planned.release is not None
    ended = from_json(planned.release)
    assert (ended.canary, ended.baseline, ended.state) == ("home-00001", "home-00002", State.PROMOTED)
    quiet = plan.after_deploy(before, reverted, running, Deploy(who="ann", no_traffic=True), rules("canary"))
    assert quiet == Planned(traffic=before.traffic)


@pytest.mark.parametrize("latest", ["home-00002", "home-00003"])
def test_a_canary_deployed_again_goes_on_where_it_was(latest: str) -> None:
    """And only from the beginning if somebody says so."""
    before, running = under_way(1)
    before, same = replace(before, latest=latest), replace(NEW, is_new=False)
    assert plan.after_deploy(before, same, running, DEPLOY, rules("canary")) == Planned(
        traffic=before.traffic
    )
    again = plan.after_deploy(before, same, running, Deploy(who="ann", again=True), rules("canary"))
    assert shares(again.traffic) == "home-00002=1, home-00001=99"


def test_one_that_is_live_at_once_ends_the_release_before() -> None:
    """The policy has changed meanwhile."""
    before, running = under_way(0)
    third = replace(NEW, number=3, name="home-00003")
    planned = plan.after_deploy(before, third, running, DEPLOY, rules("immediate"))
    assert (shares(planned.traffic), planned.goes_on) == ("latest=100", False)


def test_the_same_again_begins_nothing() -> None:
    """Neither the latest nor what has most of the calls is a canary of itself."""
    again = replace(NEW, name="home-00001", number=1, is_new=False)
    assert plan.after_deploy(BEFORE, again, NONE, DEPLOY, rules("canary")) == Planned(traffic=LATEST)
    pinned = replace(BEFORE, latest="home-00002", traffic=plan.all_to(LATEST, "home-00001"))
    assert plan.after_deploy(pinned, again, NONE, DEPLOY, rules("canary")).release is None


def test_a_tag_comes_with_the_deploy() -> None:
    wish = Deploy(who="ann", tag="candidate", no_traffic=True)
    planned = plan.after_deploy(BEFORE, NEW, NONE, wish, rules())
    assert shares(planned.traffic) == "home-00001=100, home-00002=0 (candidate)"
    with pytest.raises(TrafficInvalid):
        plan.after_deploy(BEFORE, NEW, NONE, Deploy(who="ann", tag="No Name"), rules())


def test_a_save_in_dev_gets_everything_but_leaves_tags() -> None:
    tagged = plan.tagged(plan.all_to(LATEST, "home-dev-1"), "old", "home-dev-1")
    planned = plan.after_deploy(
        replace(BEFORE, traffic=tagged), NEW, NONE, DEPLOY, rules("canary", is_save=True)
    )
    assert shares(planned.traffic) == "latest=100, home-dev-1=0 (old)"


RELEASE = Release(function="home", canary="home-00002", baseline="home-00001", steps=(10, 100), since=1.0)
UNDER_WAY = replace(BEFORE, latest="home-00002", traffic=RELEASE.traffic(LATEST))


@pytest.mark.parametrize(
    ("state", "latest", "expected"),
    [
        (State.RUNNING, "home-00002", "home-00002=10, home-00001=90"),
        (State.PAUSED, "home-00002", "home-00002=10, home-00001=90"),
        (State.PROMOTED, "home-00002", "latest=100"),
        (State.PROMOTED, "home-00003", "home-00002=100"),
        (State.ROLLED_BACK, "home-00002", "home-00001=100"),
        (State.SUPERSEDED, "home-00002", "home-00002=10, home-00001=90"),
    ],
)
def test_what_a_turn_wants_in_force(state: State, latest: str, expected: str) -> None:
    """A promoted one gives its share to whichever is the latest, if it is that itself."""
    planned = plan.after_turn(replace(RELEASE, state=state), replace(UNDER_WAY, latest=latest))
    assert shares(planned.traffic) == expected
    assert planned.goes_on == (state in (State.RUNNING, State.PAUSED))


names = st.sampled_from(["home-00001", "home-00002", "home-00003"])
tags = st.sampled_from(["old", "candidate", "next"])


@given(st.lists(st.tuples(tags, st.none() | names), max_size=8), st.none() | names)
def test_tags_outlive_every_step_but_their_own(
    steps: list[tuple[str, str | None]], everything: str | None
) -> None:
    """Whatever is tagged, moved and tagged anew: each tag leads where it was last led, shares sum up to 100."""
    traffic, expected = LATEST, {}
    for tag, revision in steps:
        traffic = plan.tagged(traffic, tag, revision)
        expected[tag] = revision
    for after in (traffic, plan.all_to(traffic, everything), plan.pinned(traffic, "home-00003")):
        found = {target.tag: target.revision for target in after.targets if target.tag}
        assert found == {tag: revision for tag, revision in expected.items() if revision}
    assert plan.all_to(traffic, everything).targets[0] == Target(revision=everything, percent=100)
    assert "latest" not in str(plan.pinned(traffic, "home-00003"))
