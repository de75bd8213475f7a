"""Whether a canary is worse than its baseline. Pure.

Everybody may look as often as they like: each test keeps an *e-value*, a bet against "the canary is no worse than
the policy allows" whose expectation under that hypothesis never exceeds 1. By Ville's inequality it ever reaches
1/a with a probability of at most a, however often one looks (Ramdas, Grünwald, Vovk, Shafer: "Game-theoretic
statistics and safe anytime-valid inference", Statistical Science 38(4), 2023). So :data:`FALSE_ALARMS` bounds the
chance that a good revision is ever rolled back, over all steps, looks and tests of its release.

*Failures*: given that one of the two failed, which of them was it? If the canary fails at most ``ratio`` times as
often, it was the canary with a probability of at most ``ratio n / (ratio n + m)`` for n and m calls. The bet is
spread over how many times worse it might be. A service that fails for both leaves that probability as it is,
however often it fails: nobody is condemned for it.

*Time*: the Mann-Whitney statistic over both histograms, the baseline's stretched by the ratio that is allowed, as
a normal mixture (asymptotically valid; Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit
theory", Annals of Statistics 52(6), 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import ceil, erf, exp, log, sqrt

from bff.frozen import frozen
from bff.revisions.outcomes import GROWTH, Outcomes

FALSE_ALARMS = 0.01
"""At most so many good revisions of all are ever rolled back."""
_SPENT = {"errors": 0.4, "services": 0.1, "refusals": 0.1, "latency": 0.4}
"""How the false alarms are shared among the tests."""
_TIMES_WORSE = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
_EFFECT = 0.1
"""How far from one half the chance that a canary's call is the slower one is expected to lie."""
_MATERIAL = 0.01
"""A canary that fails by more than so much above what is allowed, and whose bet wins, waits for more calls."""
_LEANING = {"errors": 10.0, "services": 10.0, "refusals": 10.0, "latency": 2.0}
"""Evidence from which it waits however small the difference is: far from enough to condemn."""
_MOST = 700.0
"""The logarithm of an e-value is cut here: exp of more is no float."""


class Outcome(StrEnum):
    """What to think of the canary."""

    OPEN = "open"
    GOOD = "good"
    BAD = "bad"


@frozen
class Policy:
    """``looks`` is how many steps are judged: they share the false alarms. The rest as in routes.yaml."""

    min_requests: int = 100
    max_error_ratio: float = 1.2
    max_latency_ratio: float = 1.1
    judged_steps: int = 1


@frozen
class Finding:
    """One test: failures by call, or median seconds; ``evidence`` above ``needed`` condemns. ``excess`` is by how much
    the canary fails above what is allowed.
    """

    test: str
    canary: float
    baseline: float
    evidence: float
    needed: float
    excess: float = 0.0

    @property
    def is_bad(self) -> bool:
        """Whether the canary is worse than allowed."""
        return self.evidence >= self.needed

    @property
    def leans_bad(self) -> bool:
        """Whether it looks worse, but not surely enough: the next step has to wait."""
        is_winning = self.evidence > 1 and self.excess > _MATERIAL
        return is_winning or self.evidence >= _LEANING[self.test]

    def __str__(self) -> str:
        unit = " s" if self.test == "latency" else ""
        return f"{self.test} {self.canary:.4g}{unit} against {self.baseline:.4g}{unit}"


@frozen
class Verdict:
    """And the numbers behind it."""

    outcome: Outcome
    canary_calls: int
    baseline_calls: int
    findings: tuple[Finding, ...]

    @property
    def why(self) -> str:
        """One sentence."""
        calls = f"{self.canary_calls} calls against {self.baseline_calls}"
        if self.outcome is Outcome.BAD:
            worse = ", ".join(str(finding) for finding in self.findings if finding.is_bad)
            return f"The canary is worse: {worse}, over {calls}."
        if self.outcome is Outcome.GOOD:
            return f"The canary is not worse over {calls}."
        leaning = ", ".join(str(finding) for finding in self.findings if finding.leans_bad)
        if leaning:
            return f"It looks worse, but not surely yet: {leaning}, over {calls}."
        return f"It is too early to tell, over {calls}."

    def numbers(self) -> dict[str, object]:
        """For the history, as JSON."""
        return {
            "outcome": str(self.outcome),
            "calls": {"canary": self.canary_calls, "baseline": self.baseline_calls},
            **{
                finding.test: {
                    "canary": finding.canary,
                    "baseline": finding.baseline,
                    "evidence": round(finding.evidence, 3),
                    "needed": round(finding.needed, 3),
                }
                for finding in self.findings
            },
        }


def judge(canary: Outcomes, baseline: Outcomes, policy: Policy) -> Verdict:
    """What to think of a canary after these calls. Bad as soon as the evidence is there; good from
    ``min_requests`` calls of each on, if nothing leans towards worse.
    """
    ratio = policy.max_error_ratio
    findings = [
        _failures(test, canary, baseline, counted, ratio, policy)
        for test, counted in (
            ("errors", (canary.own, baseline.own)),
            ("services", (canary.services, baseline.services)),
            ("refusals", (canary.refused, baseline.refused)),
        )
    ]
    has_enough = min(canary.calls, baseline.calls) >= policy.min_requests
    if has_enough and canary.took and baseline.took:
        findings.append(_latency(canary, baseline, policy))
    if any(finding.is_bad for finding in findings):
        outcome = Outcome.BAD
    else:
        is_good = has_enough and not any(finding.leans_bad for finding in findings)
        outcome = Outcome.GOOD if is_good else Outcome.OPEN
    return Verdict(
        outcome=outcome,
        canary_calls=canary.calls,
        baseline_calls=baseline.calls,
        findings=tuple(findings),
    )


def _needed(test: str, policy: Policy) -> float:
    return policy.judged_steps / (FALSE_ALARMS * _SPENT[test])


def _failures(
    test: str, canary: Outcomes, baseline: Outcomes, failed: tuple[int, int], ratio: float, policy: Policy
) -> Finding:
    mine = failed[0] / canary.calls if canary.calls else 0.0
    theirs = failed[1] / baseline.calls if baseline.calls else 0.0
    return Finding(
        test=test,
        canary=mine,
        baseline=theirs,
        evidence=evidence_of_failures(failed, (canary.calls, baseline.calls), ratio),
        needed=_needed(test, policy),
        excess=mine - ratio * theirs,
    )


def evidence_of_failures(failed: tuple[int, int], calls: tuple[int, int], ratio: float) -> float:
    """The e-value against "the canary fails at most ``ratio`` times as often"; canary first in each pair."""
    if not all(calls) or not any(failed):
        return 1.0
    usual = ratio * calls[0] / (ratio * calls[0] + calls[1])
    bets = []
    for times in _TIMES_WORSE:
        worse = times * ratio * calls[0] / (times * ratio * calls[0] + calls[1])
        bets.append(failed[0] * log(worse / usual) + failed[1] * log((1 - worse) / (1 - usual)))
    return sum(exp(min(bet, _MOST)) for bet in bets) / len(bets)


def _latency(canary: Outcomes, baseline: Outcomes, policy: Policy) -> Finding:
    return Finding(
        test="latency",
        canary=canary.median or 0.0,
        baseline=baseline.median or 0.0,
        evidence=evidence_of_slowness(canary.took, baseline.took, policy.max_latency_ratio),
        needed=_needed("latency", policy),
    )


def evidence_of_slowness(canary: Mapping[int, int], baseline: Mapping[int, int], ratio: float) -> float:
    """The e-value against "the canary takes at most ``ratio`` times as long", by histograms.

    The ratio is rounded up to whole buckets, in the canary's favour.
    """
    stretch = ceil(log(ratio) / log(GROWTH) - 1e-9)
    slower, variance = mann_whitney(canary, {bucket + stretch: n for bucket, n in baseline.items()})
    if variance <= 0:
        return 1.0
    information = _EFFECT**2 / variance
    shrunk = information / (1 + information)
    z = (slower - 0.5) / sqrt(variance)
    one_sided = 1 + erf(z * sqrt(shrunk / 2))
    return one_sided * exp(min(z * z * shrunk / 2, _MOST)) / sqrt(1 + information)


def mann_whitney(first: Mapping[int, int], second: Mapping[int, int]) -> tuple[float, float]:
    """The chance that one of the first is larger than one of the second, ties counting half, and its variance if
    both were alike (with the correction for ties).
    """
    n, m = sum(first.values()), sum(second.values())
    below, larger, ties = 0, 0.0, 0.0
    for bucket in sorted(first.keys() | second.keys()):
        mine, theirs = first.get(bucket, 0), second.get(bucket, 0)
        larger += mine * (below + theirs / 2)
        below += theirs
        tied = mine + theirs
        ties += float(tied) ** 3 - tied
    total = n + m
    if total < 2:
        return 0.5, 0.0
    variance = ((total + 1) - ties / (total * (total - 1))) / (12 * n * m)
    return larger / (n * m), variance
