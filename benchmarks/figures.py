"""The goals, and the arithmetic that turns samples into a median with its spread.

A figure is promised here once, by name; every report has a row for each, measured or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
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


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank: of a hundred values the 99th in order for 0.99."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


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


def paired_extra(ours: Sequence[float], less: Sequence[float], uvicorns: Sequence[float]) -> Series:
    """CPU over ours with less, in the microseconds of DESIGN §8's machine."""
    triples = zip(ours, less, uvicorns, strict=True)
    return Series.of([(a - b) * UVICORN_MICROSECONDS / u for a, b, u in triples])


def _goal(key: str, says: str, sense: Literal["≥", "≤"], limit: float, unit: str) -> Goal:
    benchmark = key.partition(".")[0]
    return Goal(key=key, benchmark=benchmark, says=says, sense=sense, limit=limit, unit=unit)


GOALS = (
    _goal("hello.starlette", "Bare hello ÷ a bare Starlette route on uvicorn, requests/s", "≥", 1, "x"),
    _goal("hello.fastapi", "Bare hello ÷ FastAPI, requests/s", "≥", 2.3, "x"),
    _goal("hello.functions", "Bare hello ÷ functions-framework at its defaults, requests/s", "≥", 5, "x"),
    _goal("hello.equipped", "Equipped hello ÷ equipped Starlette, requests/s", "≥", 1.2, "x"),
    _goal(
        "hello.budget_bare", "Bare hello, CPU over bare uvicorn (scaled to uvicorn = 22 µs)", "≤", 14, "µs"
    ),
    _goal("hello.budget_equipped", "Equipped hello, CPU over bare uvicorn (scaled likewise)", "≤", 26, "µs"),
    _goal(
        "hello.telemetry",
        "Logs and metrics: equipped hello, CPU over bare hello (scaled likewise)",
        "≤",
        12,
        "µs",
    ),
    _goal("cache.hit", "A page from the store, CPU over the same hello run anew", "≤", 40, "µs"),
    _goal("budget.protocol", "Budget: protocol, request id, address, trace, deadline", "≤", 3, "µs"),
    _goal("budget.router", "Budget: router", "≤", 1, "µs"),
    _goal("budget.traffic", "Budget: traffic, one revision", "≤", 0.5, "µs"),
    _goal("budget.activator", "Budget: activator and limiter, warm", "≤", 3, "µs"),
    _goal("budget.bind", "Budget: bind and call", "≤", 2, "µs"),
    _goal("budget.encode", "Budget: encode", "≤", 2, "µs"),
    _goal("budget.record", "Budget: record and signals", "≤", 2.5, "µs"),
    _goal("budget.telemetry", "Budget: logs and metrics on", "≤", 12, "µs"),
    _goal("budget.service", "Budget: each service call, all layers, beyond the transport", "≤", 5, "µs"),
    _goal("aggregate.fastify", "Aggregate, everything on ÷ Fastify + undici, requests/s", "≥", 1.2, "x"),
    _goal("aggregate.starlette", "Aggregate, everything on ÷ Starlette + httpx, requests/s", "≥", 25, "x"),
    _goal("aggregate.fastapi", "Aggregate, everything on ÷ FastAPI + httpx, requests/s", "≥", 28, "x"),
    _goal(
        "aggregate.pool",
        "Aggregate, everything on ÷ bare uvicorn + a hand-written pool, requests/s",
        "≥",
        0.65,
        "x",
    ),
    _goal("aggregate.latency", "Aggregate, p50 of a lone caller ÷ Fastify's", "≤", 1, "x"),
    _goal(
        "aggregate.telemetry",
        "Aggregate, everything on ÷ without logs and metrics, requests/s",
        "≥",
        0.95,
        "x",
    ),
    _goal(
        "views.calls", "100 identical page views at once: calls for each distinct request", "≤", 1, "calls"
    ),
    _goal("passing.upload", "Passing 1 GB up: memory at its most, over before", "≤", 16, "MB"),
    _goal("passing.download", "Passing 1 GB down: memory at its most, over before", "≤", 16, "MB"),
    _goal("startup.first", "Process start → first 200 ÷ that of FastAPI + httpx on uvicorn", "≤", 1, "x"),
    _goal("startup.import", "`import bff` over `python -c pass`", "≤", 60, "ms"),
    _goal("startup.rss", "Gateway idle RSS, the gallery cold", "≤", 60, "MB"),
    _goal("edit.rename", "Edit → first correct answer in `bff dev`, saved by rename", "≤", 100, "ms"),
    _goal("edit.in_place", "Edit → first correct answer in `bff dev`, saved in place", "≤", 100, "ms"),
    _goal("door.jwt", "Hello behind a JWT ÷ the open one, requests/s", "≥", 0.6, "x"),
    _goal("door.halves", "Hello beside 200 half-sent requests ÷ alone, requests/s", "≥", 0.95, "x"),
    _goal("door.gone", "200 half-sent requests, `head_timeout: 2s`: until the last is gone", "≤", 3, "s"),
    _goal("door.view", "A 4 KB view, read from JSON, checked, and written, CPU", "≤", 120, "µs"),
    _goal("traffic.choice", "A choice among five revisions, with rules and stickiness, CPU", "≤", 5, "µs"),
    _goal("observing.traces", "A hello with traces at 1 %, CPU over the same without", "≤", 5, "µs"),
    _goal("observing.stream", "1,000 invocations/s streamed from the admin listener, of a core", "≤", 5, "%"),
    _goal(
        "console.watched",
        "1,000 invocations/s while somebody watches a page of the console, of a core",
        "≤",
        5,
        "%",
    ),
    _goal("console.paint", "First paint of a page of the console", "≤", 300, "ms"),
    _goal("rollback.cold", "Rollback of a hello to a cold revision → first answer from it", "≤", 20, "ms"),
    _goal("cold.first", "Cold hello − a warm one over HTTP, first call ever", "≤", 1, "ms"),
    _goal("cold.again", "Cold hello − a warm one over HTTP, after eviction", "≤", 0.25, "ms"),
    _goal("warming.p99", "p99 of another route while a one-second import runs, rise", "≤", 20, "ms"),
    _goal(
        "crowd.last",
        "1,000 calls to a cold function: (last answer − warm-up) ÷ 1,000 warm calls",
        "≤",
        1.3,
        "x",
    ),
    _goal("openapi.first", "OpenAPI of 500 routes, the first time", "≤", 1, "s"),
    _goal("openapi.again", "OpenAPI of 500 routes, after routes.yaml has changed", "≤", 1, "s"),
    _goal("many.start", "10,000 functions: process start → first 200", "≤", 5, "s"),
    _goal("many.rss", "10,000 functions: RSS of a cold one beyond its configuration", "≤", 4, "KB"),
    _goal("many.routing", "10,000 functions: requests/s ÷ those with one function", "≥", 0.95, "x"),
    _goal("memory.returned", "1,000 warm hellos: eviction gives back of what is traced", "≥", 90, "%"),
    _goal("cycles.growth", "10,000 warm-evict cycles of ten functions: RSS growth", "≤", 2, "%"),
    _goal(
        "overhead.call",
        "Runtime's own part of a warm inline call (activator, limiter, timer, signals)",
        "≤",
        15,
        "µs",
    ),
    _goal("overhead.telling", "Log line and metrics of a page of three calls, CPU", "≤", 12, "µs"),
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
    _goal("resilience.memory", "Growth in the second half of 200 calls/s to a dead service", "≤", 8, "MB"),
    _goal("resilience.layers", "Requests/s that all layers cost a page of three calls", "≤", 15, "%"),
    _goal(
        "resilience.instructions", "Instructions that all layers add to a page of three calls", "≤", 15, "%"
    ),
    _goal("resilience.cost", "CPU of a call through all layers, over the bare wire", "≤", 15, "%"),
    _goal("offline.acknowledged", "Events on the disk and acknowledged, SQLite", "≥", 500, "/s"),
    _goal(
        "offline.dbos", "Two-step runs ÷ those of plain DBOS, both on SQLite, its faster way", "≥", 0.9, "x"
    ),
    _goal("offline.wake", "Sent → begun by an idle worker process, p50, the slower store", "≤", 50, "ms"),
)
