"""The plots of docs/how-to/resilience.md: python -m benchmarks.plots.

The real policies, budget, histogram and breakers, driven call by call on a clock moved by hand and a seeded service:
the same plots on every machine, in seconds. The figures over real sockets are :mod:`benchmarks.resilience`'s.
"""

import sys
from pathlib import Path
from random import Random

from benchmarks import endpointplots
from benchmarks.drawing import Line, Plot
from bff.services import hedge
from bff.services.budget import BudgetPolicy, RetryBudget
from bff.services.hedge import HedgePolicy
from bff.services.latency import Latency

FOLDER = Path(__file__).resolve().parents[1] / "docs/how-to/plots"
RATE = 400
"""Calls offered a second."""


def storm() -> Plot:
    """What arrives at a service of whose answers some share fails."""
    settings = (
        ("no budget, 2 retries", 2, BudgetPolicy(ratio=2.0)),
        ("2 retries (default)", 2, BudgetPolicy()),
        ("percent: 10%", 2, BudgetPolicy(ratio=0.1)),
        ("attempts: 0", 0, BudgetPolicy()),
    )
    shares = [step / 20 for step in range(21)]
    return Plot(
        title="Retries: what arrives at a failing service",
        x="share of its answers that fail, percent",
        y="requests that arrive for each call",
        lines=[
            Line(name=name, points=[(100 * share, arriving(share, attempts, budget)) for share in shares])
            for name, attempts, budget in settings
        ],
    )


def arriving(share: float, attempts: int, policy: BudgetPolicy) -> float:
    """Requests for each call, over a minute."""
    budget, random, sent, calls = RetryBudget(policy), Random(1), 0, 60 * RATE
    for call in range(calls):
        now = 100.0 + call / RATE
        budget.deposit(now)
        sent += 1
        left = attempts
        while random.random() < share and left and budget.withdraw(now):
            sent += 1
            left -= 1
    return sent / calls


def tail() -> Plot:
    """The slowest calls of a bimodal service, hedged and not."""
    settings = (("no hedge", 0.0), ("max_extra_load: 1%", 0.01), ("max_extra_load: 2%", 0.02))
    return Plot(
        title="Hedges: 1.5 % of the answers take 200 ms instead of 5",
        x="percentile of the calls",
        y="milliseconds",
        lines=[Line.by_percentile(name, latencies(share)) for name, share in settings],
    )


def latencies(share: float) -> list[float]:
    """Twenty thousand calls."""
    random, latency, found = Random(3), Latency(), list[float]()
    policy = HedgePolicy(max_extra_load=share or 0.01)
    budget = RetryBudget(policy.budget)

    def once() -> float:
        return random.uniform(0.18, 0.22) if random.random() < 0.015 else random.uniform(0.004, 0.006)

    for call in range(20_000):
        now, took = 100.0 + call / RATE, once()
        budget.deposit(now)
        wait = hedge.delay(policy, latency, now, remaining=2.0) if share else None
        if wait is not None and took > wait and budget.withdraw(now):
            took = min(took, wait + once())
        latency.note(took, now)
        found.append(took)
    return found


PLOTS = {
    "places": endpointplots.places,
    "storm": storm,
    "per-try": endpointplots.per_try,
    "hedge": tail,
    "breaker": endpointplots.outage,
    "ejection": endpointplots.ejection,
    "balance": endpointplots.balance,
    "slow-start": endpointplots.slow_start,
}


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in PLOTS.items():
        (FOLDER / f"{name}.svg").write_text(draw().svg(), "utf-8")
        print(FOLDER / f"{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
