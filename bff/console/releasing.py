"""A release as a page shows it: its steps, and the judge's numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bff.revisions.judgement import Finding, Verdict

TESTS = {
    "errors": "Failures of its own",
    "services": "Failures of services",
    "refusals": "Refusals",
    "latency": "Time to answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One of the judge's tests: ``canary`` and ``baseline`` are shares, or seconds of the time to answer; ``progress`` is
    how much of the evidence that would condemn is there, in percent.
    """

    name: str
    is_time: bool
    canary: float
    baseline: float
    evidence: float
    needed: float
    progress: float
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: ``percent`` of the calls, and whether it is done, present or to come."""

    percent: int
    state: str


def steps_of(release: Mapping[str, Any]) -> list[Step]:
    """The steps of a release as the store keeps it."""
    at, has_won = release["at"], release["state"] == "promoted"
    return [
        Step(percent=percent, state="done" if has_won or place < at else "now" if place == at else "later")
        for place, percent in enumerate(release["steps"])
    ]


def tests_of(verdict: Verdict) -> list[Test]:
    """What was found, test by test."""
    return [_test(finding) for finding in verdict.findings]


def _test(finding: Finding) -> Test:
    share = finding.evidence / finding.needed if finding.needed else 0.0
    return Test(
        name=TESTS.get(finding.test, finding.test),
        is_time=finding.test == "latency",
        canary=finding.canary,
        baseline=finding.baseline,
        evidence=finding.evidence,
        needed=finding.needed,
        progress=round(100 * min(1.0, max(0.0, share)), 1),
        state="bad" if finding.is_bad else "warn" if finding.leans_bad else "ok",
    )
