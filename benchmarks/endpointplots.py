"""Plots of what happens among a service's endpoints, for :mod:`benchmarks.plots`: the real sets, breakers, places and
budgets, driven call by call on a clock moved by hand.
"""

import heapq
from itertools import count
from random import Random
from typing import Any

from benchmarks.drawing import Line, Plot
from bff.config import ServiceConfig
from bff.sdk.failures import NoHealthyEndpoint
from bff.services.budget import BudgetPolicy, RetryBudget
from bff.services.bulkhead import Bulkhead
from bff.services.endpoints import EndpointSet, Member
from bff.services.policies import Policies, policies
from bff.services.resolver import Address
from bff.services.retry import Condition, Failed, RetryPolicy, wait_before
from bff.testing.clock import ManualClock

BROKEN = Failed(condition=Condition.GATEWAY)
LATE = Failed(condition=Condition.TIMEOUT)
RATE = 200
"""Calls offered a second."""


def _policies(**section: Any) -> Policies:
    return policies(ServiceConfig.model_validate({"url": "http://users", **section}))


def _endpoints(number: int, clock: ManualClock, **section: Any) -> EndpointSet:
    endpoints = EndpointSet("users", _policies(**section), _no_wire, clock=clock, random=Random(1))
    endpoints.update(_addresses(number))
    return endpoints


def _addresses(number: int) -> list[Address]:
    return [Address(host="10.0.0.1", port=8000 + at) for at in range(number)]


def _no_wire(_: Address) -> Any:
    raise AssertionError("nothing is sent here")


def ejection() -> Plot:
    """Calls that fail, of a service whose endpoints are dead one after the other. Nothing is retried."""
    settings: tuple[tuple[str, dict[str, Any]], ...] = (
        ("consecutive_5xx: 0", {"consecutive_5xx": 0}),
        ("defaults: 10 % may be out", {}),
        ("max_ejection_percent: 50", {"max_ejection_percent": 50}),
        ("100, panic_threshold: 0", {"max_ejection_percent": 100, "panic_threshold": 0}),
    )
    return Plot(
        title="Ejection: some of ten endpoints are dead",
        x="endpoints that are dead",
        y="calls that fail, percent",
        lines=[
            Line(name=name, points=[(float(dead), failing(dead, section)) for dead in range(11)])
            for name, section in settings
        ],
    )


def failing(dead: int, section: dict[str, Any]) -> float:
    """Percent of a minute's calls that fail without a retry."""
    clock = ManualClock()
    endpoints = _endpoints(10, clock, outlier_detection=section)
    bad, failed, calls, began = set(endpoints.members[:dead]), 0, 60 * RATE, clock.now()
    for call in range(calls):
        asked = called(endpoints, began + call / RATE, bad, 0.01)
        failed += asked is None or asked in bad
    return 100 * failed / calls


def called(endpoints: EndpointSet, now: float, bad: set[Member], fails_in: float) -> Member | None:
    """Call once, and tell the set how that went; the endpoint, if any could be asked."""
    try:
        member = endpoints.choose(now)
    except NoHealthyEndpoint:
        return None
    epoch = member.breaker.enter(now)
    if member in bad:
        endpoints.failed(member, epoch, BROKEN, fails_in, now)
    else:
        endpoints.answered(member, epoch, 0.01, now)
    return member


def outage() -> Plot:
    """What arrives at a service that is dead from the 10th to the 40th second."""
    return Plot(
        title="The breaker: a service is dead from second 10 to second 40",
        x="seconds",
        y="calls a second that wait for it",
        lines=[
            Line(name="consecutive_5xx: 5", points=waiting(5)),
            Line(name="consecutive_5xx: 0", points=waiting(0)),
        ],
    )


def waiting(consecutive: int) -> list[tuple[float, float]]:
    """Calls that were let through, second by second."""
    clock = ManualClock()
    endpoints = _endpoints(1, clock, outlier_detection={"consecutive_5xx": consecutive})
    began, through, rate = clock.now(), [0] * 60, 50
    for call in range(60 * rate):
        second = call // rate
        bad = set(endpoints.members) if 10 <= call / rate < 40 else set()
        through[second] += called(endpoints, began + call / rate, bad, 0.1) is not None
    return [(float(second), float(number)) for second, number in enumerate(through)]


def balance() -> Plot:
    """How long calls take where one of four endpoints has become slow."""
    return Plot(
        title="Balancing: one of four endpoints takes 200 ms instead of 5",
        x="percentile of the calls",
        y="milliseconds",
        lines=[Line.by_percentile(name, taking(name)) for name in ("round_robin", "least_request")],
    )


def taking(policy: str) -> list[float]:
    """Seconds of a minute's calls."""
    clock = ManualClock()
    endpoints = _endpoints(4, clock, balance=policy)
    slow, order, took = endpoints.members[0], count(), list[float]()
    ends: list[tuple[float, int, Any]] = []
    for call in range(60 * RATE):
        now = clock.now() + call / RATE
        while ends and ends[0][0] <= now:
            heapq.heappop(ends)[2].active -= 1
        member = endpoints.choose(now)
        member.active += 1
        seconds = 0.2 if member is slow else 0.005
        heapq.heappush(ends, (now + seconds, next(order), member))
        took.append(seconds)
    return took


def slow_start() -> Plot:
    """A fourth endpoint joins three others."""
    return Plot(
        title="Slow start: a fourth endpoint joins in second 10",
        x="seconds",
        y="its share of the calls, percent",
        lines=[
            Line(name="none (default)", points=joining({"policy": "round_robin"})),
            Line(name="slow_start: 30s", points=joining({"policy": "round_robin", "slow_start": "30s"})),
        ],
    )


def joining(section: dict[str, Any]) -> list[tuple[float, float]]:
    """The newcomer's share, second by second."""
    clock = ManualClock()
    endpoints = _endpoints(3, clock, balance=section)
    began, shares = clock.now(), []
    for second in range(60):
        if second == 10:
            endpoints.update(_addresses(4))
            endpoints.members[-1].joined = began + second
        chosen = [endpoints.choose(began + second + call / RATE) for call in range(RATE)]
        newest = sum(member.address.port == 8003 for member in chosen)
        shares.append((float(second), 100 * newest / RATE))
    return shares


def places() -> Plot:
    """What a black hole holds."""
    settings: tuple[tuple[str, dict[str, Any]], ...] = (
        ("defaults: 100 and 1024", {}),
        ("50 and 100", {"max_connections": 50, "max_pending": 100}),
        ("100 and max_pending: 0", {"max_pending": 0}),
    )
    return Plot(
        title="max_connections and max_pending: a service answers nothing from second 2 on",
        x="seconds",
        y="calls that it holds, of 200 a second with 5 s each",
        lines=[Line(name=name, points=held(section)) for name, section in settings],
    )


def held(section: dict[str, Any]) -> list[tuple[float, float]]:
    """Calls under way, four times a second; the others were refused at once."""
    bulkhead, leaving, points = Bulkhead(_policies(**section).bulkhead.most), list[float](), []
    for call in range(12 * RATE):
        now = call / RATE
        while leaving and leaving[0] <= now:
            heapq.heappop(leaving)
            bulkhead.leave()
        if bulkhead.enter():
            heapq.heappush(leaving, now + (0.005 if now < 2 else 5.0))
        if call % (RATE // 4) == 0:
            points.append((now, float(bulkhead.inside)))
    return points


def per_try() -> Plot:
    """Calls with a second's time, some of whose attempts hang."""
    settings = (("none (default)", 0.0), ("per_try_timeout: 450ms", 0.45), ("per_try_timeout: 300ms", 0.3))
    shares = [step / 40 for step in range(21)]
    return Plot(
        title="The time of one attempt: a call has 1 s, and some attempts hang",
        x="attempts that hang, percent",
        y="calls that are answered, percent",
        lines=[
            Line(name=name, points=[(100 * share, in_time(share, seconds)) for share in shares])
            for name, seconds in settings
        ],
    )


def in_time(share: float, per_try_timeout: float) -> float:
    """Percent of a minute's calls that are answered: retried by the policy, within the budget."""
    policy, budget = RetryPolicy(per_try_timeout=per_try_timeout), RetryBudget(BudgetPolicy())
    random, answered, calls = Random(2), 0, 60 * RATE
    for call in range(calls):
        now = 100.0 + call / RATE
        budget.deposit(now)
        left, retries = 1.0, 0
        while random.random() < share:
            left -= per_try_timeout or left
            wait = wait_before(
                retries, LATE, policy, repeatable=True, remaining=left, random=random, expected=0.05
            )
            if wait is None or not budget.withdraw(now):
                break
            left, retries = left - wait, retries + 1
        else:
            answered += 1
    return 100 * answered / calls
