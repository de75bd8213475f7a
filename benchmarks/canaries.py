"""Releases that never happened: how often the judge of canaries is right, and how many calls it needs.

``python -m benchmarks.canaries`` writes the table of docs/canaries.md; a smaller sample is held by
tests/revisions/test_judgement.py. Seeds are fixed, so both say the same on every machine.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bff.revisions.judgement import Outcome, Policy, judge
from bff.revisions.outcomes import NOTHING, Outcomes, bucket_of

LOOK_EVERY = 50
"""Calls of each cohort between two looks."""
STEP_LOOK = 10
"""The same, where it is asked after how many a step is passed."""
MOST_CALLS = 5_000
"""Of each cohort: then the step has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a revision's calls go: chances of failures, the handler's median seconds and its spread (the standard
    deviation of the logarithm). During an outage its services fail more often, from and to so many calls.
    """

    own: float = 0.01
    services: float = 0.005
    refused: float = 0.02
    seconds: float = 0.05
    spread: float = 0.5
    outage: tuple[int, int, float] = (0, 0, 0.0)

    def call(self, number: int, draw: random.Random) -> tuple[str, int]:
        """One call's ending, and its bucket if it was good."""
        begins, ends, chance = self.outage
        services = chance if begins <= number < ends else self.services
        for ending, likely in (("own", self.own), ("services", services), ("refused", self.refused)):
            if draw.random() < likely:
                return ending, 0
        return "good", bucket_of(draw.lognormvariate(0, self.spread) * self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A canary beside its baseline, and whether it ought to be rolled back."""

    name: str
    canary: Kind
    baseline: Kind = Kind()
    is_bad: bool = True


OUTAGE = (1_000, 2_500, 0.6)
SCENARIOS = (
    Scenario(name="the same code", canary=Kind(), is_bad=False),
    Scenario(
        name="the same code, failing rarely, with a long tail",
        canary=Kind(own=0.001, spread=1.2),
        baseline=Kind(own=0.001, spread=1.2),
        is_bad=False,
    ),
    Scenario(name="5 % slower (10 % are allowed)", canary=Kind(seconds=0.0525), is_bad=False),
    Scenario(
        name="an outage of a service of both: 60 % of 1,500 calls fail",
        canary=Kind(outage=OUTAGE),
        baseline=Kind(outage=OUTAGE),
        is_bad=False,
    ),
    Scenario(name="+2 % errors of its own (1 % → 3 %)", canary=Kind(own=0.03)),
    Scenario(
        name="+2 % errors during such an outage",
        canary=Kind(own=0.03, outage=OUTAGE),
        baseline=Kind(outage=OUTAGE),
    ),
    Scenario(name="+30 % latency", canary=Kind(seconds=0.065)),
    Scenario(name="+2 % of its service calls fail", canary=Kind(services=0.025)),
    Scenario(name="+5 % of the callers are refused", canary=Kind(refused=0.07)),
    Scenario(name="every call fails", canary=Kind(own=1.0)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of many releases; ``needed`` are the calls of each cohort at which one was condemned."""

    scenario: Scenario
    releases: int
    needed: tuple[int, ...]

    @property
    def condemned(self) -> float:
        """The share that was rolled back."""
        return len(self.needed) / self.releases

    def row(self) -> str:
        """Of the table."""
        calls = f"{median(self.needed):,.0f}" if self.needed else "–"
        wanted = "rolled back" if self.scenario.is_bad else "promoted"
        return f"| {self.scenario.name} | {wanted} | {self.condemned:.1%} | {calls} |"


def condemned_at(scenario: Scenario, policy: Policy, draw: random.Random) -> int | None:
    """Calls of each cohort after which the canary was rolled back; None if it never was."""
    canary = baseline = NOTHING
    for calls in range(LOOK_EVERY, MOST_CALLS + 1, LOOK_EVERY):
        canary += _some(scenario.canary, calls - LOOK_EVERY, draw)
        baseline += _some(scenario.baseline, calls - LOOK_EVERY, draw)
        if judge(canary, baseline, policy).outcome is Outcome.BAD:
            return calls
    return None


def passed_at(scenario: Scenario, policy: Policy, draw: random.Random) -> int | None:
    """Calls of each cohort after which a step was passed; None if the canary was condemned before, or never passed."""
    canary = baseline = NOTHING
    for calls in range(STEP_LOOK, MOST_CALLS + 1, STEP_LOOK):
        canary += _some(scenario.canary, calls - STEP_LOOK, draw, STEP_LOOK)
        baseline += _some(scenario.baseline, calls - STEP_LOOK, draw, STEP_LOOK)
        outcome = judge(canary, baseline, policy).outcome
        if outcome is not Outcome.OPEN:
            return calls if outcome is Outcome.GOOD else None
    return None


def _some(kind: Kind, begin: int, draw: random.Random, count: int = LOOK_EVERY) -> Outcomes:
    endings, took = Counter[str](), Counter[int]()
    for number in range(begin, begin + count):
        ending, bucket = kind.call(number, draw)
        endings[ending] += 1
        if ending == "good":
            took[bucket] += 1
    return Outcomes(
        calls=count,
        own=endings["own"],
        services=endings["services"],
        refused=endings["refused"],
        took=took,
    )


def simulate(releases: int, seed: int = 20261127, policy: Policy | None = None) -> Iterator[Tally]:
    """Every scenario, so many times; three judged steps share the false alarms, as by default."""
    policy = policy or Policy(judged_steps=3)
    for scenario in SCENARIOS:
        draw = random.Random(f"{seed} {scenario.name}")
        ends = [condemned_at(scenario, policy, draw) for _ in range(releases)]
        yield Tally(
            scenario=scenario, releases=releases, needed=tuple(end for end in ends if end is not None)
        )


def first_steps(releases: int, seed: int = 20261128) -> Iterator[str]:
    """Rows of the table about how soon a step is passed, and by whom."""
    kinds = {
        "the same code": Kind(),
        "5 % of its calls fail (the baseline's: 1 %)": Kind(own=0.05),
        "10 % fail": Kind(own=0.1),
        "30 % fail": Kind(own=0.3),
        "twice as slow": Kind(seconds=0.1),
    }
    for name, kind in kinds.items():
        for least in (10, 100):
            draw = random.Random(f"{seed} {name} {least}")
            policy = Policy(min_requests=least, judged_steps=3)
            scenario = Scenario(name=name, canary=kind)
            ends = [passed_at(scenario, policy, draw) for _ in range(releases)]
            passed = [end for end in ends if end is not None]
            calls = f"{median(passed):,.0f}, {max(passed):,}" if passed else "–"
            yield f"| {name} | {least} | {len(passed) / releases:.0%} | {calls} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", type=int, default=1000)
    releases = parser.parse_args().releases
    print("| the canary | should be | was rolled back | calls of each cohort until then, median |")
    print("|---|---|---|---|")
    for tally in simulate(releases):
        print(tally.row(), flush=True)
    print(
        "\n| the canary | `min_requests` | passes its first step | calls of each cohort until then, median, most |"
    )
    print("|---|---|---|---|")
    for row in first_steps(max(1, releases // 5)):
        print(row, flush=True)


if __name__ == "__main__":
    main()
