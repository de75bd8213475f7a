"""A thousand warm hellos: what each weighs, and what eviction gives back."""

import time
from typing import Any

from benchmarks import catalogue as who
from benchmarks import probe
from benchmarks.caller import Caller, all_cold
from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.processes import resident_bytes
from benchmarks.projects import HELLO, names, project
from benchmarks.servers import LOAD_CORE, on_core, running

IDLE = "gateway: {{max_warm: 100000}}\ndefaults: {{scale: {{idle: {idle}s}}}}\n"
"""Long enough for all to be called before the first one goes."""
KILOBYTE = 1000
COLLECTED = 12.0
"""Seconds until the keeper's rate-limited collection has surely run (every ten, and a look every two)."""


def measure(effort: Effort) -> Outcome:
    traced = [probe.told("traced", effort.warm) for _ in range(effort.rests)]
    shares = Series.of([100 * each["returned"] / each["grown"] for each in traced])
    effort.say(f"  eviction gives back {spread(shares, 1)} % of what is traced")
    resident = [over_http(effort) for _ in range(effort.rests)]
    each = Series.of([warm / effort.warm / KILOBYTE for warm, _ in resident])
    back = Series.of([100 * share for _, share in resident])
    effort.say(f"  a warm hello weighs {spread(each, 1)} KB; {spread(back, 0)} % of that is resident no more")
    return Outcome(
        figures={"memory.returned": shares},
        tables=[table(effort, traced[0], shares, each, back)],
        rows=[{"benchmark": "memory", **row} for row in traced]
        + [{"benchmark": "memory", "warm": warm, "share": share} for warm, share in resident],
    )


def over_http(effort: Effort) -> tuple[int, float]:
    """Bytes that a real gateway grows by with all of them warm, and the share of those that goes again."""
    called = names(effort.warm)
    with (
        project(dict.fromkeys(called, HELLO), IDLE.format(idle=1 if effort.is_quick else 8)) as config,
        on_core(LOAD_CORE),
        running(who.gateway("bff", config, path="/health/liveness")) as run,
        Caller(run) as caller,
    ):
        before = resident_bytes([run.process.pid])
        for name in called:
            caller.call(f"/{name}")
        warm = resident_bytes([run.process.pid])
        all_cold(run.admin)
        time.sleep(0.5 if effort.is_quick else COLLECTED)
        after = resident_bytes([run.process.pid])
    return warm - before, (warm - after) / max(warm - before, 1)


def table(effort: Effort, traced: dict[str, Any], shares: Series, each: Series, back: Series) -> Table:
    kept = "; ".join(f"{place} {size / effort.warm:.0f} B" for place, size in traced["kept"])
    return Table(
        title="Warm functions and what their eviction gives back",
        head=(
            "warm hellos",
            "resident KB each",
            "resident given back, %",
            "traced KB each",
            "traced given back, %",
        ),
        rows=[
            (
                f"{effort.warm:,}",
                spread(each, 1),
                spread(back, 0),
                f"{traced['grown'] / effort.warm / KILOBYTE:.1f}",
                spread(shares, 1),
            )
        ],
        note="Traced: by tracemalloc, from before the first calls; the kept snapshot and compiled code of a"
        f" revision ({traced['revision'] / effort.warm / KILOBYTE:.1f} KB each) are the function's, not the"
        " instance's, and are there before; so are the caches that Python fills once. Resident: CPython"
        " returns memory to the system by whole arenas, so one living object keeps up to 256 KB (1 MB from"
        f" 3.12 on). What stays of the traced, for each function: {kept}.",
    )
