"""A release as a table: every state with every event, what each step wants of the traffic, what verdicts do."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.config import ReleaseConfig
from bff.revisions.judgement import Outcome, Verdict
from bff.revisions.release import (
    ENDS,
    NEXT,
    Event,
    Release,
    ReleaseNotSo,
    State,
    begun,
    decide,
    from_json,
    policy_of,
)
from bff.revisions.traffic import LATEST, parsed

RELEASE = Release(function="home", canary="home-2", baseline="home-1", steps=(1, 10, 50, 100), since=100.0)


def verdict(outcome: Outcome) -> Verdict:
    return Verdict(outcome=outcome, canary_calls=1, baseline_calls=1, findings=())


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_state_with_every_event(state: State, event: Event) -> None:
    """What the table does not have is refused, with what could be done instead; an end is an end."""
    release = replace(RELEASE, state=state)
    if (state, event) in NEXT:
        assert state not in ENDS
        assert release.after(event, 200.0).state is NEXT[state, event]
    else:
        with pytest.raises(ReleaseNotSo) as refused:
            release.after(event, 200.0)
        assert f"The release of home is {state}" in str(refused.value)
        assert refused.value.status == 409


def test_the_steps_of_a_good_release() -> None:
    """1, 10, 50, 100: each begins anew, the last one ends it."""
    release, percents = RELEASE, []
    for moment in (200.0, 300.0, 400.0):
        percents.append(release.percent)
        event = decide(release, verdict(Outcome.GOOD), 60.0, moment)
        assert event is not None
        release = release.after(event, moment)
        assert release.since == moment
    assert (percents, release.state, release.percent) == ([1, 10, 50], State.PROMOTED, 100)
    assert release.traffic(LATEST).block() == [{"revisionName": "home-2", "percent": 100}]


@pytest.mark.parametrize(
    ("state", "outcome", "waited", "event"),
    [
        (State.RUNNING, Outcome.GOOD, 60, Event.ADVANCE),
        (State.RUNNING, Outcome.GOOD, 59, None),
        (State.RUNNING, Outcome.GOOD, -59, None),
        (State.RUNNING, Outcome.GOOD, -3600, Event.ADVANCE),
        (State.RUNNING, Outcome.OPEN, 600, None),
        (State.RUNNING, Outcome.BAD, 0, Event.CONDEMN),
        (State.PAUSED, Outcome.GOOD, 600, None),
        (State.PAUSED, Outcome.BAD, 0, Event.CONDEMN),
        (State.PROMOTED, Outcome.BAD, 0, None),
        (State.ROLLED_BACK, Outcome.GOOD, 600, None),
        (State.SUPERSEDED, Outcome.BAD, 0, None),
    ],
)
def test_what_a_verdict_means(state: State, outcome: Outcome, waited: int, event: Event | None) -> None:
    """Bad is obeyed at once, paused or not; good waits for its time, by a clock that may be set back; too
    few calls wait for more.
    """
    assert decide(replace(RELEASE, state=state), verdict(outcome), 60.0, 100.0 + waited) is event


def test_rolled_back_the_canary_gets_nothing() -> None:
    """All of it goes to the baseline again."""
    after = RELEASE.after(Event.CONDEMN, 200.0)
    assert after.traffic(RELEASE.traffic(LATEST)).block() == [{"revisionName": "home-1", "percent": 100}]


def test_tags_stay_where_they_are() -> None:
    """The canary's, the baseline's, and those of revisions that have no calls."""
    before = parsed(
        [
            {"revisionName": "home-1", "percent": 100, "tag": "stable"},
            {"revisionName": "home-2", "percent": 0, "tag": "candidate"},
            {"revisionName": "home-0", "percent": 0, "tag": "old"},
        ]
    )
    assert str(RELEASE.traffic(before)) == "home-2=1 (candidate), home-1=99 (stable), home-0=0 (old)"
    back = RELEASE.after(Event.ROLL_BACK, 0).traffic(before)
    assert str(back) == "home-2=0 (candidate), home-1=100 (stable), home-0=0 (old)"


def test_a_newer_revision_takes_over() -> None:
    """It is compared with what the running one was compared with; an ended one is no hindrance."""
    config = ReleaseConfig(strategy="canary", steps=(5, 100))
    later = begun("home", main="home-1", canary="home-3", config=config, now=500.0, running=RELEASE)
    assert (later.baseline, later.canary, later.percent) == ("home-1", "home-3", 5)
    ended = RELEASE.after(Event.PROMOTE, 200.0)
    fresh = begun("home", main="home-2", canary="home-3", config=config, now=500.0, running=ended)
    assert fresh.baseline == "home-2"
    assert str(fresh.traffic(LATEST)) == "home-3=5, home-1=95".replace("home-1", "home-2")


@given(st.lists(st.integers(1, 99), max_size=6, unique=True).map(sorted), st.sampled_from(list(Event)))
def test_percentages_always_sum_up(steps: list[int], event: Event) -> None:
    """In every state that can be reached from every step."""
    release = replace(RELEASE, steps=(*steps, 100))
    for at in range(len(release.steps)):
        here = replace(release, at=at)
        if event is Event.ADVANCE and at + 1 == len(release.steps):
            continue
        if (here.state, event) in NEXT:
            here = here.after(event, 0)
        assert sum(target.percent for target in here.traffic(LATEST).targets) == 100


def test_a_release_survives_a_store() -> None:
    """As JSON and back."""
    assert from_json(RELEASE.as_json()) == RELEASE


def test_the_judged_steps_share_the_false_alarms() -> None:
    """The last step has no baseline."""
    assert policy_of(ReleaseConfig()).judged_steps == 3
    assert policy_of(ReleaseConfig(steps=(50, 100))).judged_steps == 1
