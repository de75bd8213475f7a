"""Ten functions warmed and evicted ten thousand times: does the gateway grow?"""

from benchmarks import catalogue as who
from benchmarks.caller import Caller, functions
from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.processes import resident_bytes
from benchmarks.projects import HELLO, PAGE, names, project
from benchmarks.servers import LOAD_CORE, BenchmarkError, Running, on_core, running

# One may be warm: whichever is called next evicts the one before it.
ONE_WARM = "gateway: {max_warm: 1}\n"
MEGABYTE = 1_000_000


def measure(effort: Effort) -> Outcome:
    found = [growth(effort) for _ in range(effort.rests)]
    percent = Series.of([100 * (after / before - 1) for before, after in found])
    effort.say(f"  {effort.cycles:,} cycles: RSS grows by {spread(percent, 2)} %")
    return Outcome(
        figures={"cycles.growth": percent},
        tables=[table(effort, found, percent)],
        rows=[{"benchmark": "cycles", "before": before, "after": after} for before, after in found],
    )


def growth(effort: Effort) -> tuple[int, int]:
    """Resident bytes after the first tenth of the cycles, and after as many as are asked for beyond it."""
    called = names(10)
    sources = {name: PAGE if number == 0 else HELLO for number, name in enumerate(called)}
    with (
        project(sources, ONE_WARM) as config,
        on_core(LOAD_CORE),
        running(who.gateway("bff", config, path="/health/liveness")) as run,
        Caller(run) as caller,
    ):
        turn(caller, called, effort.cycles // 10)
        before = resident_bytes([run.process.pid])
        turn(caller, called, effort.cycles)
        after = resident_bytes([run.process.pid])
        check(run, effort)
    return before, after


def turn(caller: Caller, called: list[str], count: int) -> None:
    for number in range(count):
        caller.call(f"/{called[number % len(called)]}")


def check(run: Running, effort: Effort) -> None:
    """Every call was a cycle, or the figure is none."""
    evicted = sum(each["evictions"] for each in functions(run.admin).values())
    if evicted < effort.cycles:
        raise BenchmarkError(f"only {evicted} evictions in {effort.cycles} cycles")


def table(effort: Effort, found: list[tuple[int, int]], percent: Series) -> Table:
    before, after = (Series.of([value / MEGABYTE for value in column]) for column in zip(*found, strict=True))
    return Table(
        title="Warmed and evicted again and again",
        head=("cycles", "RSS before, MB", "RSS after, MB", "growth, %"),
        rows=[(f"{effort.cycles:,}", spread(before, 1), spread(after, 1), spread(percent, 2))],
        note="Ten functions, one of them with models and a client, over HTTP with `gateway.max_warm: 1`: each"
        " call warms one and evicts another. Before: after a tenth as many cycles.",
    )
