"""What a warm inline call pays the runtime: activator, limiter and signals, over the instance's own work."""

from benchmarks import probe
from benchmarks.figures import Series, paired_differences
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.probes.door import HANDLERS


def measure(effort: Effort) -> Outcome:
    found = probe.told("door", effort.rounds, effort.calls)
    over = {
        name: paired_differences(found[f"{name}, through the door"], found[f"{name}, the instance alone"])
        for name in HANDLERS
    }
    told = {
        name: Series.of(values) for name, values in probe.told("telling", effort.rounds, effort.calls).items()
    }
    for name, series in (over | told).items():
        effort.say(f"  {name}: {spread(series, 2)} µs a call")
    return Outcome(
        # Held to its limit is the dearer one: of most handlers, which wait for something.
        figures={
            "overhead.call": max(over.values(), key=lambda series: series.median),
            "overhead.telling": max(told.values(), key=lambda series: series.median),
        },
        tables=[
            Table(
                title="The runtime's own part of a warm call",
                head=("a hello in the gateway's process, without HTTP", "CPU µs a call"),
                rows=[
                    *((name, spread(Series.of(values), 2)) for name, values in found.items()),
                    *((f"{name}, the runtime's part", spread(series, 2)) for name, series in over.items()),
                ],
                note=f"{effort.calls:,} calls a round, in turn, CPU time; with `concurrency: 100` and the"
                " invocation's signal told to one listener. Who answers at once needs no timer; who waits has"
                " one for its deadline, and what that costs is in its line.",
            ),
            Table(
                title="What is told of a request",
                head=("its log line and metrics, with a trace begun for them", "CPU µs"),
                rows=[(name, spread(series, 2)) for name, series in told.items()],
                note="By the listeners alone, on requests that have ended; lines are written to /dev/null.",
            ),
        ],
        rows=[{"benchmark": "overhead", "what": name, "microseconds": v} for name, v in found.items()],
    )
