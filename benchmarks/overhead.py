"""What a warm inline call pays the runtime: activator, limiter and signals, over the instance's own work."""

import json
import subprocess
import sys

from benchmarks.figures import Series, paired_differences
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.servers import ROOT, SERVER_CORE, BenchmarkError, environment, on_core


def measure(effort: Effort) -> Outcome:
    with on_core(SERVER_CORE):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.probes.door", str(effort.rounds), str(effort.calls)],
            cwd=ROOT,
            env=environment({}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    if done.returncode:
        raise BenchmarkError(f"the probe ended with {done.returncode}: {done.stderr[-500:]}")
    found = json.loads(done.stdout)
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
