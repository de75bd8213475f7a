"""The goals, and the arithmetic that turns samples into a median with its spread.

A figure is promised here once, by name; every report has a row for each, measured or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

# The machine of DESIGN §8, where the budget's microseconds were drawn up: bare uvicorn costs 22 there.
UVICORN_MICROSECONDS = 22.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What was promised: `says` ≥ or ≤ `limit`."""

    key: str
    benchmark: str
    says: str
    sense: Literal["≥", "≤"]
    limit: float
    unit: str

    def is_met(self, measured: float) -> bool:
        return measured >= self.limit if self.sense == "≥" else measured <= self.limit


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured, one value a round."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a series has at least one value")

    @classmethod
    def of(cls, values: Sequence[float]) -> "Series":
        return cls(tuple(values))

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> Series:
    """Ours ÷ theirs, round by round: what slows a whole round down falls out of the division."""
    return Series.of([a / b for a, b in zip(ours, theirs, strict=True)])


def paired_differences(ours: Sequence[float], theirs: Sequence[float]) -> Series:
    """Ours minus theirs, round by round."""
    return Series.of([a - b for a, b in zip(ours, theirs, strict=True)])


def paired_budget(ours: Sequence[float], uvicorns: Sequence[float]) -> Series:
    """CPU over bare uvicorn, in the microseconds of DESIGN §8's machine: (37 - 22) * 22/22 = 15."""
    pairs = zip(ours, uvicorns, strict=True)
    return Series.of([(a - b) * UVICORN_MICROSECONDS / b for a, b in pairs])


def _goal(key: str, says: str, sense: Literal["≥", "≤"], limit: float, unit: str) -> Goal:
    benchmark = key.partition(".")[0]
    return Goal(key=key, benchmark=benchmark, says=says, sense=sense, limit=limit, unit=unit)


GOALS = (
    _goal("hello.starlette", "Bare hello ÷ a bare Starlette route on uvicorn, requests/s", "≥", 0.9, "x"),
    _goal("hello.fastapi", "Bare hello ÷ FastAPI, requests/s", "≥", 2, "x"),
    _goal("hello.functions", "Bare hello ÷ functions-framework at its defaults, requests/s", "≥", 5, "x"),
    _goal("hello.equipped", "Equipped hello ÷ equipped Starlette, requests/s", "≥", 1, "x"),
    _goal(
        "hello.budget_bare", "Bare hello, CPU over bare uvicorn (scaled to uvicorn = 22 µs)", "≤", 14, "µs"
    ),
    _goal("hello.budget_equipped", "Equipped hello, CPU over bare uvicorn (scaled likewise)", "≤", 26, "µs"),
    _goal("startup.first", "Process start → first 200 ÷ that of FastAPI + httpx on uvicorn", "≤", 1, "x"),
    _goal("startup.import", "`import bff` over `python -c pass`", "≤", 60, "ms"),
    _goal("startup.rss", "Gateway idle RSS, the gallery cold", "≤", 60, "MB"),
    _goal("edit.rename", "Edit → first correct answer in `bff dev`, saved by rename", "≤", 100, "ms"),
    _goal("edit.in_place", "Edit → first correct answer in `bff dev`, saved in place", "≤", 100, "ms"),
    _goal(
        "resilience.storm",
        "Requests at a service that only fails ÷ calls offered, breaker off",
        "≤",
        1.25,
        "x",
    ),
    _goal("resilience.hedge", "p99 of a bimodal service, hedged ÷ not", "≤", 0.5, "x"),
    _goal("resilience.hedge_load", "Calls that the hedges added", "≤", 2, "%"),
    _goal("resilience.beside", "p99 beside a dead service under 200 calls/s ÷ alone", "≤", 1.2, "x"),
    _goal(
        "resilience.churn", "Calls that failed at 1,000 changes of the endpoints a second", "≤", 0, "calls"
    ),
    _goal("resilience.cost", "CPU of a call through all layers, over the bare wire", "≤", 15, "%"),
)
