"""What a warm inline call pays the runtime: activator, limiter and signals, over the instance's own work."""

from benchmarks import probe
from benchmarks.figures import Series, paired_differences
from benchmarks.outcome import Effort, Outcome, Table, spread


def measure(effort: Effort) -> Outcome:
    found = probe.told("door", effort.rounds, effort.calls)
    over = paired_differences(found["through the door"], found["the instance alone"])
    effort.say(f"  {spread(over, 2)} µs a call")
    return Outcome(
        figures={"overhead.call": over},
        tables=[
            Table(
                title="The runtime's own part of a warm call",
                head=("a hello in the gateway's process, without HTTP", "CPU µs a call"),
                rows=[(name, spread(Series.of(values), 2)) for name, values in found.items()],
                note=f"{effort.calls:,} calls a round, both in turn, CPU time; with `concurrency: 100`, the"
                " deadline's timer, and the invocation's signal told to one listener.",
            )
        ],
        rows=[{"benchmark": "overhead", "what": name, "microseconds": v} for name, v in found.items()],
    )
