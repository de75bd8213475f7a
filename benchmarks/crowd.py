"""A thousand calls at once to one cold function, and to the same one warm."""

import selectors
import time
from contextlib import ExitStack

from benchmarks import catalogue as who
from benchmarks.caller import Caller, functions
from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.projects import HELLO, names, project
from benchmarks.servers import LOAD_CORE, BenchmarkError, Running, on_core, running


def measure(effort: Effort) -> Outcome:
    crowds = names(effort.rounds, "crowd")
    with (
        project(dict.fromkeys(crowds, HELLO)) as config,
        on_core(LOAD_CORE),
        running(who.gateway("bff", config, path="/health/liveness")) as run,
        ExitStack() as stack,
    ):
        callers = [stack.enter_context(Caller(run)) for _ in range(effort.callers)]
        together(callers, "/health/liveness")  # connections and caches, before any clock runs
        seen = [one(run, callers, name) for name in crowds]
    ratios = Series.of([(cold - warm_up) / warm for cold, warm_up, warm in seen])
    effort.say(f"  (last answer − warm-up) ÷ {effort.callers} warm calls: {spread(ratios, 2)}")
    return Outcome(
        figures={"crowd.last": ratios},
        tables=[table(seen, effort)],
        rows=[{"benchmark": "crowd", "cold": c, "warm_up": u, "warm": w} for c, u, w in seen],
    )


def one(run: Running, callers: list[Caller], name: str) -> tuple[float, float, float]:
    """Seconds: the last answer of a cold crowd, the warm-up it shared, the last answer of a warm crowd."""
    cold = together(callers, f"/{name}")
    told = functions(run.admin)[name]["warm_up"]
    if told["count"] != 1:
        raise BenchmarkError(f"{told['count']} warm-ups for one crowd")
    warm = min(together(callers, f"/{name}") for _ in range(3))
    return cold, told["p50_ms"] / 1000, warm


def together(callers: list[Caller], path: str) -> float:
    """Seconds from the first request to the last answer; everybody gets one."""
    began = time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        for caller in callers:
            caller.ask(path)
            waiting.register(caller, selectors.EVENT_READ, caller)
        left = len(callers)
        while left:
            ready = waiting.select(30)
            if not ready:
                raise BenchmarkError(f"{left} of {len(callers)} calls were never answered")
            for key, _ in ready:
                key.data.hear()
                waiting.unregister(key.data)
                left -= 1
    return time.perf_counter() - began


def table(seen: list[tuple[float, float, float]], effort: Effort) -> Table:
    cold, warm_up, warm = (
        Series.of([1000 * value for value in column]) for column in zip(*seen, strict=True)
    )
    return Table(
        title="A crowd before a cold function",
        head=("calls at once", "last answer, cold, ms", "warm-up, ms", "last answer, warm, ms"),
        rows=[(str(effort.callers), spread(cold, 1), spread(warm_up, 2), spread(warm, 1))],
        note="As many connections, open before; one warm-up each time, every call answered."
        " Warm: the quickest of three.",
    )
