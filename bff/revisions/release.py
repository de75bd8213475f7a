"""A release: how a newer revision comes to have all calls, step by step. Pure.

Its states are a table; :func:`decide` says what a verdict means for it, and who obeys is
:mod:`bff.runtime.releases`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from bff.config import ReleaseConfig
from bff.errors import BffError, Fault
from bff.frozen import frozen
from bff.revisions.judgement import Outcome, Policy, Verdict
from bff.revisions.traffic import Target, Traffic


class State(StrEnum):
    """Where a release is. A paused one keeps its traffic, and is still rolled back when it turns out bad."""

    RUNNING = "running"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    SUPERSEDED = "superseded"


class Event(StrEnum):
    """What can happen to it: by a verdict the first three, by people or deploys the others."""

    ADVANCE = "advance"
    FINISH = "finish"
    CONDEMN = "condemn"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ROLL_BACK = "roll-back"
    SUPERSEDE = "supersede"


NEXT: Mapping[tuple[State, Event], State] = {
    (State.RUNNING, Event.ADVANCE): State.RUNNING,
    (State.RUNNING, Event.FINISH): State.PROMOTED,
    (State.RUNNING, Event.CONDEMN): State.ROLLED_BACK,
    (State.RUNNING, Event.PAUSE): State.PAUSED,
    (State.RUNNING, Event.PROMOTE): State.PROMOTED,
    (State.RUNNING, Event.ROLL_BACK): State.ROLLED_BACK,
    (State.RUNNING, Event.SUPERSEDE): State.SUPERSEDED,
    (State.PAUSED, Event.RESUME): State.RUNNING,
    (State.PAUSED, Event.CONDEMN): State.ROLLED_BACK,
    (State.PAUSED, Event.PROMOTE): State.PROMOTED,
    (State.PAUSED, Event.ROLL_BACK): State.ROLLED_BACK,
    (State.PAUSED, Event.SUPERSEDE): State.SUPERSEDED,
}
"""What is not here cannot happen."""

ENDS = frozenset({State.PROMOTED, State.ROLLED_BACK, State.SUPERSEDED})


class ReleaseNotSo(BffError):
    """What was asked for cannot happen to the release as it is."""

    code, title = "release-not-so", "The release is not in such a state"
    status, fault = 409, Fault.CALLER

    def __init__(self, function: str, state: State, event: Event) -> None:
        allowed = ", ".join(sorted(each for at, each in NEXT if at is state)) or "nothing: deploy again"
        super().__init__(f"The release of {function} is {state}; {event} needs another; now go: {allowed}.")


@frozen
class Release:
    """``canary`` takes over from ``baseline``; ``at`` is the index of the step it is in, ``since`` when that began
    (Unix seconds).
    """

    function: str
    canary: str
    baseline: str
    steps: tuple[int, ...]
    since: float
    at: int = 0
    state: State = State.RUNNING

    @property
    def percent(self) -> int:
        """Of the calls that the canary gets now."""
        if self.state is State.PROMOTED:
            return 100
        return self.steps[self.at] if self.state not in ENDS else 0

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ENDS

    def traffic(self, before: Traffic) -> Traffic:
        """What it wants in force: the canary's share, all others to the baseline. Tags stay where they are, as
        addresses without calls of their own.
        """
        tags = {target.revision: target.tag for target in before.targets if target.tag}
        shares = {self.canary: self.percent, self.baseline: 100 - self.percent}
        mine = tuple(
            Target(revision=name, percent=percent, tag=tags.get(name, ""))
            for name, percent in shares.items()
            if percent or tags.get(name)
        )
        others = tuple(
            replace(target, percent=0)
            for target in before.targets
            if target.tag and (target.revision is None or target.revision not in shares)
        )
        return Traffic((*mine, *others))

    def after(self, event: Event, now: float) -> Release:
        """The release once that has happened.

        Raises:
            ReleaseNotSo: it cannot happen to it.

        """
        state = NEXT.get((self.state, event))
        if state is None:
            raise ReleaseNotSo(self.function, self.state, event)
        at = self.at + 1 if event is Event.ADVANCE else self.at
        since = self.since if event in (Event.PAUSE, Event.RESUME) else now
        return replace(self, state=state, at=at, since=since)

    def as_json(self) -> dict[str, Any]:
        """For a store; :func:`from_json` reads it."""
        return {
            "function": self.function,
            "canary": self.canary,
            "baseline": self.baseline,
            "steps": list(self.steps),
            "since": self.since,
            "at": self.at,
            "state": str(self.state),
        }


def from_json(raw: Mapping[str, Any]) -> Release:
    """What :meth:`Release.as_json` wrote."""
    return Release(**{**raw, "steps": tuple(raw["steps"]), "state": State(raw["state"])})


def begun(
    function: str,
    *,
    main: str,
    canary: str,
    config: ReleaseConfig,
    now: float,
    running: Release | None = None,
) -> Release:
    """A release of ``canary``, in its first step; ``main`` has most of the calls now. One that runs is taken over: what it was compared with is
    compared with the newer one now, and the revision between them gets no more calls.
    """
    is_taken_over = running is not None and not running.has_ended
    baseline = running.baseline if running is not None and is_taken_over else main
    return Release(
        function=function,
        canary=canary,
        baseline=baseline,
        steps=config.steps,
        since=now,
    )


def policy_of(config: ReleaseConfig) -> Policy:
    """What a ``release`` section says about judging. The last step has no baseline, so it is not judged."""
    return Policy(
        min_requests=config.min_requests,
        max_error_ratio=float(config.max_error_ratio),
        max_latency_ratio=float(config.max_latency_ratio),
        judged_steps=max(1, len(config.steps) - 1),
    )


def decide(release: Release, verdict: Verdict, interval: float, now: float) -> Event | None:
    """What follows from a verdict; nothing, while a step has to go on."""
    if release.has_ended:
        return None
    if verdict.outcome is Outcome.BAD:
        return Event.CONDEMN
    is_over = abs(now - release.since) >= interval  # a clock that was set back must not hold it for as long
    if release.state is not State.RUNNING or verdict.outcome is not Outcome.GOOD or not is_over:
        return None
    is_last = release.at + 1 >= len(release.steps) or release.steps[release.at + 1] >= 100
    return Event.FINISH if is_last else Event.ADVANCE
