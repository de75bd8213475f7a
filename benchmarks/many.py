"""Ten thousand functions in one gateway: how soon it is up, what a cold one weighs, whether routing is slower."""

from pathlib import Path

from benchmarks import catalogue as who
from benchmarks import probe, startup
from benchmarks.figures import Series, paired_ratios
from benchmarks.load import Plan, by_round, rounds
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.processes import resident_bytes, tree
from benchmarks.projects import HELLO, names, project
from benchmarks.servers import LOAD_CORE, Server, on_core, running

KILOBYTE = 1000


def measure(effort: Effort) -> Outcome:
    count = effort.many
    with (
        project({"hello": HELLO}) as one,
        project({"hello": HELLO, **dict.fromkeys(names(count - 1), HELLO)}) as many,
    ):
        few, lots = (
            who.gateway(name, config, path="/hello", expected=who.HELLO)
            for name, config in (("bff, 1 function", one), (f"bff, {count:,} functions", many))
        )
        with on_core(LOAD_CORE):
            starts = Series.of([startup.first_answer(lots) for _ in range(effort.rests)])
            effort.say(f"  first 200 after {spread(starts, 2)} s")
            weights = Series.of([weight(few, lots, one, many, count) for _ in range(effort.rests)])
            effort.say(f"  {spread(weights, 2)} KB for each cold function beyond its configuration")
        windows = rounds(
            (few, lots),
            count=effort.rounds,
            spare=effort.spare_rounds,
            plan=Plan(seconds=effort.seconds),
            say=effort.say,
        )
    ratio = paired_ratios(by_round(windows, lots, "rps"), by_round(windows, few, "rps"))
    return Outcome(
        figures={"many.start": starts, "many.rss": weights, "many.routing": ratio},
        tables=[table(count, starts, weights, ratio)],
        rows=[
            {"benchmark": "many", "what": "start", "seconds": starts.values},
            {"benchmark": "many", "what": "rss", "kilobytes": weights.values},
            *({"benchmark": "many", **window.row()} for window in windows),
        ],
    )


def weight(few: Server, lots: Server, one: Path, many: Path, count: int) -> float:
    """Kilobytes: the gateway's growth, less what reading and keeping the configuration alone grows by."""
    gateway = resting(lots) - resting(few)
    configuration = loaded(many) - loaded(one)
    return (gateway - configuration) / (count - 1) / KILOBYTE


def resting(server: Server) -> int:
    with running(server) as run:
        return resident_bytes(tree(run.process.pid))


def loaded(config: Path) -> int:
    """Resident bytes of an interpreter that has read a configuration and keeps it."""
    return int(probe.told("configuration", config)["resident"])


def table(count: int, starts: Series, weights: Series, ratio: Series) -> Table:
    return Table(
        title="Many functions",
        head=("functions", "process start → first 200, s", "KB each, cold", "requests/s ÷ those with 1"),
        rows=[(f"{count:,}", spread(starts, 2), spread(weights, 2), spread(ratio, 2))],
        note="KB: resident memory beyond a gateway with one function, less the growth of an interpreter that"
        " only reads the same two configurations and keeps them.",
    )
