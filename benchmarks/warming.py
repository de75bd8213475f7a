"""How much another route's slowest calls slow down while a function whose import takes a second warms up."""

import threading
import time

from benchmarks import catalogue as who
from benchmarks.caller import Caller
from benchmarks.figures import Series, percentile
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.projects import HELLO, names, project
from benchmarks.servers import LOAD_CORE, BenchmarkError, Running, on_core, running

PAUSE = 0.001
# Python code, not a sleep: it wants the interpreter's lock all the while, which is the hard case.
BUSY = """import time

ENDS = time.thread_time() + {seconds}
while time.thread_time() < ENDS:
    sum(range(1000))


async def handle() -> str:
    return "ready"
"""


def measure(effort: Effort) -> Outcome:
    slow = names(effort.rounds, "slow")
    sources = {"hello": HELLO, **dict.fromkeys(slow, BUSY.format(seconds=effort.import_seconds))}
    with (
        project(sources) as config,
        on_core(LOAD_CORE),
        running(who.gateway("bff", config, path="/hello", expected=who.HELLO)) as run,
    ):
        pairs = [(quiet(run, effort.import_seconds), during(run, name, effort)) for name in slow]
    rises = Series.of([1000 * (percentile(busy, 0.99) - percentile(calm, 0.99)) for calm, busy in pairs])
    effort.say(f"  p99 of another route rises by {spread(rises, 2)} ms")
    return Outcome(
        figures={"warming.p99": rises},
        tables=[table(pairs)],
        rows=[{"benchmark": "warming", "calm": calm, "busy": busy} for calm, busy in pairs],
    )


def quiet(run: Running, seconds: float) -> list[float]:
    """Seconds of calls to hello, one after another with a pause between them, while nothing else happens."""
    ends = time.monotonic() + seconds
    return polled(run, lambda: time.monotonic() > ends)


def during(run: Running, name: str, effort: Effort) -> list[float]:
    """The same, from the first call of a cold function until its answer."""
    with Caller(run) as caller:
        caller.call("/hello")
        took: list[float] = []
        warming = threading.Thread(target=lambda: took.append(caller.call(f"/{name}")))
        warming.start()
        found = polled(run, lambda: not warming.is_alive())
        warming.join()
    if not took or took[0] < effort.import_seconds:
        raise BenchmarkError(f"{name} did not take its {effort.import_seconds:g} s to be imported: {took}")
    return found


def polled(run: Running, is_over: object) -> list[float]:
    found = []
    with Caller(run) as caller:
        caller.call("/hello")
        while not is_over():  # type: ignore[operator]
            found.append(caller.call("/hello"))
            time.sleep(PAUSE)
    return found


def table(pairs: list[tuple[list[float], list[float]]]) -> Table:
    def row(what: str, which: int) -> tuple[str, ...]:
        series = [[1000 * percentile(pair[which], share) for pair in pairs] for share in (0.5, 0.99, 1.0)]
        return (what, *(spread(Series.of(values), 2) for values in series))

    return Table(
        title="Another route while a one-second import runs",
        head=("hello", "p50 ms", "p99 ms", "slowest ms"),
        rows=[row("nothing else happens", 0), row("a module body computes for a second", 1)],
        note="One connection, a millisecond between calls; the import is Python code that wants the"
        " interpreter's lock all the while. Median (lowest to highest round).",
    )
