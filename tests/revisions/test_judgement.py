"""The judge of canaries: right as often as the documentation says, and for the reasons it gives."""

from __future__ import annotations

import random
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.canaries import SCENARIOS, Kind, Scenario, Tally, condemned_at, passed_at, simulate
from bff.errors import CallerLeft, DeadlineExceeded, FunctionFailed, Overloaded, ValidationFailed
from bff.revisions.judgement import (
    FALSE_ALARMS,
    Outcome,
    Policy,
    evidence_of_failures,
    judge,
    mann_whitney,
)
from bff.revisions.outcomes import (
    GOOD,
    GROWTH,
    NOTHING,
    OWN,
    REFUSED,
    SERVICES,
    Outcomes,
    bucket_of,
    from_json,
    outcome_of,
    seconds_of,
)
from bff.sdk.invocation import Invocation

SAMPLE = 20


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    return {tally.scenario.name: tally for tally in simulate(SAMPLE)}


@pytest.mark.parametrize(
    "scenario", [each for each in SCENARIOS if not each.is_bad], ids=lambda each: each.name
)
def test_good_canaries_are_hardly_ever_rolled_back(tallies: dict[str, Tally], scenario: Scenario) -> None:
    """A sample of the table in docs/canaries.md: alike, slightly slower, and an outage that hits both."""
    assert len(tallies[scenario.name].needed) <= 1


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each.is_bad], ids=lambda each: each.name)
def test_bad_canaries_are_found(tallies: dict[str, Tally], scenario: Scenario) -> None:
    """Within 5,000 calls of each cohort, in at least nine of ten releases."""
    assert tallies[scenario.name].condemned >= 0.9


def share_that_passes(kind: Kind, least: int, releases: int = 40) -> float:
    draw, policy = random.Random(f"{kind} {least}"), Policy(min_requests=least, judged_steps=3)
    scenario = Scenario(name="", canary=kind)
    return sum(passed_at(scenario, policy, draw) is not None for _ in range(releases)) / releases


@pytest.mark.parametrize("least", [10, 100])
def test_a_step_is_passed_by_good_canaries_only(least: int) -> None:
    """Also where few calls are demanded: what looks worse waits until it is sure, and then it is taken back."""
    assert share_that_passes(Kind(), least) == 1.0
    for kind in (Kind(own=0.3), Kind(own=1.0), Kind(seconds=0.15)):
        assert share_that_passes(kind, least) <= 0.15


def test_what_looks_worse_waits_and_says_so() -> None:
    """Three failures of ten are no proof, and no good sign."""
    ten = Outcomes(calls=10, took={100: 10})
    verdict = judge(Outcomes(calls=10, own=3, took={100: 7}), ten, Policy(min_requests=10))
    assert verdict.outcome is Outcome.OPEN
    assert (
        verdict.why == "It looks worse, but not surely yet: errors 0.3 against 0, over 10 calls against 10."
    )
    assert judge(ten, ten, Policy(min_requests=10)).outcome is Outcome.GOOD
    one_of_many = Outcomes(calls=5000, own=1, took={100: 4999})
    assert judge(one_of_many, Outcomes(calls=5000, took={100: 5000}), Policy()).outcome is Outcome.GOOD


def test_false_alarms_stay_below_their_bound_however_often_one_looks() -> None:
    """At the edge of what is allowed, where the chance is largest: no tolerance at all, one judged step."""
    import random

    edge, same = Policy(max_error_ratio=1.0, max_latency_ratio=1.0), Scenario(name="same", canary=Kind())
    draw, releases = random.Random(7), 80
    alarms = sum(condemned_at(same, edge, draw) is not None for _ in range(releases))
    assert alarms <= releases * FALSE_ALARMS + 3.29 * sqrt(releases * FALSE_ALARMS)


def test_the_documented_table_is_of_these_scenarios() -> None:
    """Every scenario has a row, with what ought to happen."""
    page = (Path(__file__).parents[2] / "docs/canaries.md").read_text()
    for scenario in SCENARIOS:
        assert f"| {scenario.name} | {'rolled back' if scenario.is_bad else 'promoted'} |" in page


@given(st.integers(1, 5000), st.integers(0, 300), st.integers(1, 5000), st.integers(0, 300), st.floats(1, 10))
def test_failing_no_more_often_is_never_evidence(n: int, k: int, m: int, j: int, ratio: float) -> None:
    """Whatever the counts: the bet wins only where the canary failed more often than allowed."""
    k, j = min(k, n), min(j, m)
    if k / n <= ratio * j / m:
        assert evidence_of_failures((k, j), (n, m), ratio) <= 1.0 + 1e-9


def test_a_service_that_fails_for_both_condemns_nobody() -> None:
    """Nine in ten calls of both, for thousands of calls."""
    both = Outcomes(calls=5000, services=4500, took={bucket_of(0.05): 500})
    assert judge(both, both, Policy()).outcome is Outcome.GOOD


@pytest.mark.parametrize("kind", ["own", "services", "refused"])
def test_each_kind_of_failure_of_the_canary_alone_condemns(kind: str) -> None:
    """Its own exceptions, services it calls wrongly, callers it suddenly refuses."""
    took = {bucket_of(0.05): 400}
    canary = Outcomes(calls=500, took=took, **{kind: 100})
    verdict = judge(canary, Outcomes(calls=500, took=took), Policy())
    names = {"own": "errors", "services": "services", "refused": "refusals"}
    assert verdict.outcome is Outcome.BAD
    assert [finding.test for finding in verdict.findings if finding.is_bad] == [names[kind]]
    assert f"{names[kind]} 0.2 against 0, over 500 calls against 500." in verdict.why


def test_a_canary_that_fails_at_once_is_not_waited_for() -> None:
    """Long before min_requests."""
    assert judge(Outcomes(calls=14, own=14), Outcomes(calls=14), Policy()).outcome is Outcome.BAD


@pytest.mark.parametrize(("canary", "baseline"), [(99, 1000), (1000, 99), (0, 0)])
def test_too_few_calls_are_no_verdict(canary: int, baseline: int) -> None:
    """Of either cohort."""
    verdict = judge(Outcomes(calls=canary), Outcomes(calls=baseline), Policy(min_requests=100))
    assert (verdict.outcome, verdict.why[:24]) == (Outcome.OPEN, "It is too early to tell,")


def test_slowness_is_compared_as_a_whole() -> None:
    """One slow call of a thousand is no reason; half as long again is."""
    usual = {bucket_of(0.05): 500, bucket_of(0.1): 500}
    outlier = {**usual, bucket_of(30.0): 1}
    slower = {bucket + 8: count for bucket, count in usual.items()}
    baseline = Outcomes(calls=1000, took=usual)
    assert judge(Outcomes(calls=1001, took=outlier), baseline, Policy()).outcome is Outcome.GOOD
    assert judge(Outcomes(calls=1000, took=slower), baseline, Policy()).outcome is Outcome.BAD
    patient = Policy(max_latency_ratio=2.0)
    assert judge(Outcomes(calls=1000, took=slower), baseline, patient).outcome is Outcome.GOOD


def test_a_ten_times_slower_canary_overflows_nothing() -> None:
    """Evidence has an end."""
    took = {bucket_of(0.01): 10**7}
    slow = {bucket_of(10.0): 10**7}
    canary = Outcomes(calls=2 * 10**7, own=10**7, took=slow)
    verdict = judge(canary, Outcomes(calls=2 * 10**7, took=took), Policy())
    assert verdict.outcome is Outcome.BAD
    assert verdict.numbers()["calls"] == {"canary": 2 * 10**7, "baseline": 2 * 10**7}


def test_mann_whitney_by_hand() -> None:
    """(1, 2) against (1, 3): larger in 1 of 4 pairs, equal in 1."""
    larger, variance = mann_whitney({1: 1, 2: 1}, {1: 1, 3: 1})
    assert larger == pytest.approx(0.375)
    assert variance == pytest.approx((5 - 6 / 12) / 48)
    assert mann_whitney({}, {1: 1}) == (0.5, 0.0)


@given(st.floats(1e-9, 1e6))
def test_a_bucket_holds_its_durations(seconds: float) -> None:
    """Within 5 %, from 10 microseconds on."""
    middle = seconds_of(bucket_of(seconds))
    if 1e-5 < seconds < 9e3:
        assert middle / GROWTH < seconds < middle * GROWTH


COUNTS = st.builds(
    Outcomes,
    calls=st.integers(0, 100),
    own=st.integers(0, 100),
    took=st.dictionaries(st.integers(0, 400), st.integers(1, 9)),
)


@given(COUNTS, COUNTS, COUNTS)
def test_counts_add_up_in_any_order(a: Outcomes, b: Outcomes, c: Outcomes) -> None:
    """Gateways and seconds come as they come; a store keeps what it was given."""
    assert (a + b) + c == c + (b + a)
    assert a + NOTHING == a == from_json(a.as_json())


def ended(error: BaseException | None = None, **facts: object) -> Invocation:
    invocation = Invocation(request_id="r", method="GET", clock=None, started=0)  # type: ignore[arg-type]
    invocation.error = error
    for name, value in facts.items():
        setattr(invocation, name, value)
    return invocation


@pytest.mark.parametrize(
    ("invocation", "outcome"),
    [
        (ended(status=200, handler_seconds=0.05), Outcomes(calls=1, took={bucket_of(0.05): 1})),
        (ended(status=404), Outcomes(calls=1, took={0: 1})),
        (ended(FunctionFailed("home"), status=500), OWN),
        (ended(status=500), OWN),
        (ended(DeadlineExceeded(allowed=1.0), status=504), OWN),
        (ended(DeadlineExceeded(allowed=1.0, waiting_for=("users",)), status=504), SERVICES),
        (ended(status=200, missing=["notices"]), SERVICES),
        (ended(ValidationFailed([]), status=422), REFUSED),
        (ended(CallerLeft(), status=499), NOTHING),
        (ended(Overloaded("home", 9), status=503), NOTHING),
        (ended(ValueError("a stranger"), status=500), OWN),
    ],
)
def test_by_whose_fault_a_call_counts(invocation: Invocation, outcome: Outcomes) -> None:
    """What says nothing about the revision does not count at all."""
    assert outcome_of(invocation) == outcome
    assert GOOD.calls == 1
