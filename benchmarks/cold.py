"""The first call of a function that nobody called yet, and of one that was evicted, over a warm call of it."""

from statistics import median
from typing import Any

from benchmarks import catalogue as who
from benchmarks import startup
from benchmarks.caller import Caller, all_cold
from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.processes import at_rest
from benchmarks.projects import HELLO, PAGE, names, project
from benchmarks.servers import LOAD_CORE, Running, on_core, running

IDLE = "defaults: {scale: {idle: 1s}}\n"
WARM_CALLS = 5
PEERS = (who.FUNCTIONS, who.STARLETTE)

KNATIVE = (
    "Knative publishes no figure of its own; its maintainers and users report seconds: 2 s of pod start alone"
    " (github.com/knative/serving/issues/2484), 2.3 s more with Istio's sidecar (issues/2485), and, with"
    " version 1.11, 0.8 s at best and 2 to 10 s at worst (issues/15477)."
)


def measure(effort: Effort) -> Outcome:
    hellos, pages = names(effort.functions), names(max(2, effort.functions // 5), "page")
    sources = {**dict.fromkeys(hellos, HELLO), **dict.fromkeys(pages, PAGE)}
    with (
        project(sources, IDLE) as config,
        on_core(LOAD_CORE),
        running(who.gateway("bff", config, path="/health/liveness")) as run,
    ):
        at_rest(run.process.pid)
        first = {kind: colds(run, of) for kind, of in (("hello", hellos), ("page", pages))}
        again: dict[str, list[float]] = {"hello": [], "page": []}
        for _ in range(effort.evictions):
            all_cold(run.admin)
            for kind, of in (("hello", hellos), ("page", pages)):
                again[kind] += colds(run, of)
    for kind in first:
        effort.say(
            f"  {kind}: first ever {spread(Series.of(first[kind]), 2)} ms,"
            f" after eviction {spread(Series.of(again[kind]), 2)} ms over a warm call"
        )
    peers = startup.first_answers(effort, PEERS)
    peers["python -c pass, to its end"] = [1000 * startup.interpreter("pass") for _ in range(effort.imports)]
    return Outcome(
        figures={"cold.first": Series.of(first["hello"]), "cold.again": Series.of(again["hello"])},
        tables=[table(first, again, peers)],
        rows=[*_rows("first ever", first), *_rows("after eviction", again), *_rows("process start", peers)],
    )


def colds(run: Running, of: list[str]) -> list[float]:
    """Milliseconds of each function's cold call, its own warm one taken off."""
    found = []
    with Caller(run) as caller:
        caller.call("/health/liveness")  # the connection is open before the clock runs
        for name in of:
            cold = caller.call(f"/{name}")
            warm = median(caller.call(f"/{name}") for _ in range(WARM_CALLS))
            found.append(1000 * (cold - warm))
    return found


def table(
    first: dict[str, list[float]], again: dict[str, list[float]], peers: dict[str, list[float]]
) -> Table:
    def row(what: str, values: list[float], digits: int = 2) -> tuple[str, ...]:
        return (what, spread(Series.of(values), digits), str(len(values)))

    return Table(
        title="Cold start",
        head=("what", "ms", "times"),
        rows=[
            row("bff, hello, first call ever − a warm one", first["hello"]),
            row("bff, hello, first call after eviction − a warm one", again["hello"]),
            row("bff, three pydantic models and an httpx client made in `start`, first ever", first["page"]),
            row("the same after eviction", again["page"]),
            *(row(f"{name}, process start → first 200", peers[name], 0) for name in peers if "," not in name),
            *(row(name, peers[name], 0) for name in peers if "," in name),
        ],
        note="Over HTTP on a kept connection to a running gateway; median (lowest to highest). " + KNATIVE,
    )


def _rows(what: str, found: dict[str, list[float]]) -> list[dict[str, Any]]:
    return [{"benchmark": "cold", "what": what, "of": of, "milliseconds": v} for of, v in found.items()]
