"""``bff check --cold``: each function with a budget is warmed in fresh processes, and held to the budget.

A process of its own for each measurement, because what one has imported the next gets for nothing; three of
them, one after another, because machines have moods: the median counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bff.cli.examination import Flaw
from bff.config import Config
from bff.config.units import duration_text

RUNS = 3
PATIENCE = 30.0
"""Seconds a process gets beyond the function's own ``warm_up_timeout``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """How a function did. Milliseconds; ``profile`` is that of the median run, None when it cannot be warmed."""

    function: str
    budget: float
    runs: tuple[float, ...] = ()
    profile: dict[str, Any] | None = None
    flaw: Flaw | None = None

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        if self.profile is None:
            return {"function": self.function, "budget_ms": self.budget, "ok": False}
        return {
            "function": self.function,
            "budget_ms": self.budget,
            "ms": self.profile["first_ever"]["ms"],
            "runs_ms": list(self.runs),
            "ok": self.flaw is None,
            "phases": self.profile["first_ever"]["phases"],
            "most_expensive": self.profile["most_expensive"],
        }

    def __str__(self) -> str:
        took = self.profile["first_ever"]["ms"] if self.profile else 0.0
        return f"{self.function}: {took:.1f} ms cold, of {self.budget:g}"


def measure(config: Config, path: Path, but_not: frozenset[str]) -> Iterator[ColdStart]:
    """Every function that has a budget, ``but_not`` those that are broken anyway."""
    for name in config.functions_found:
        budget = config.function(name).budget
        if budget is not None and name not in but_not:
            yield _measured(config, path, name, budget)


def _measured(config: Config, path: Path, name: str, budget: float) -> ColdStart:
    profiles: list[dict[str, Any]] = []
    while len(profiles) < RUNS:
        profiles.append(_profile(path, name, config.warm_up_timeout(name) + PATIENCE))
        if "first_ever" not in profiles[-1]:
            flaw = _flaw(config, name, f"cannot be warmed: {profiles[-1]['error']}")
            return ColdStart(function=name, budget=budget * 1000, flaw=flaw)
    profiles.sort(key=lambda each: each["first_ever"]["ms"])
    median = profiles[RUNS // 2]
    is_over = median["first_ever"]["ms"] > budget * 1000
    return ColdStart(
        function=name,
        budget=budget * 1000,
        runs=tuple(each["first_ever"]["ms"] for each in profiles),
        profile=median,
        flaw=_flaw(config, name, *_over(median, budget)) if is_over else None,
    )


def _profile(path: Path, name: str, patience: float) -> dict[str, Any]:
    """What ``bff profile --json`` says in a process of its own, or why it says nothing."""
    command = [sys.executable, "-m", "bff.cli", "profile", name, "--json", "--config", str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - this very program
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=False
        )
        said: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"error": f"it was not there after {patience:g} s"}
    except ValueError:
        return {"error": f"the process that did it ended with {done.returncode}"}
    return said


def _over(profile: dict[str, Any], budget: float) -> tuple[str, str]:
    """What is wrong, and what would put it right."""
    phases = sorted(profile["first_ever"]["phases"].items(), key=lambda each: -each[1])
    shown = ", ".join(f"{phase} {ms:.1f}" for phase, ms in phases if ms >= 0.1)
    dear = "".join(
        f"\n    {each['ms']:.1f} ms  {each['name']}  {each['where']}" for each in profile["most_expensive"]
    )
    return (
        f"its cold start takes {profile['first_ever']['ms']:.1f} ms of a budget of {duration_text(budget)}"
        f" (median of {RUNS}): {shown}",
        f"`bff profile {profile['function']}` shows where the time goes; the most expensive imports:{dear}",
    )


def _flaw(config: Config, name: str, message: str, remedy: str = "") -> Flaw:
    return Flaw(file=str(config.functions_found[name]), message=message, remedy=remedy)
