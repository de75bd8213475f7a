"""Measure, and write the page: python -m benchmarks [--quick] [--only NAME] [--out docs/benchmarks.md]."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    aggregate,
    budget,
    cache,
    cold,
    console,
    crowd,
    cycles,
    door,
    edit,
    hello,
    many,
    memory,
    observing,
    offline,
    openapi,
    overhead,
    passing,
    report,
    resilience,
    rollback,
    startup,
    traffic,
    views,
    warming,
)
from benchmarks.machine import facts
from benchmarks.outcome import Effort, Outcome
from benchmarks.servers import BenchmarkError

BENCHMARKS: Mapping[str, Callable[[Effort], Outcome]] = {
    "hello": hello.measure,
    "cache": cache.measure,
    "budget": budget.measure,
    "aggregate": aggregate.measure,
    "views": views.measure,
    "passing": passing.measure,
    "startup": startup.measure,
    "edit": edit.measure,
    "door": door.measure,
    "traffic": traffic.measure,
    "rollback": rollback.measure,
    "cold": cold.measure,
    "warming": warming.measure,
    "crowd": crowd.measure,
    "openapi": openapi.measure,
    "many": many.measure,
    "memory": memory.measure,
    "cycles": cycles.measure,
    "overhead": overhead.measure,
    "observing": observing.measure,
    "console": console.measure,
    "resilience": resilience.measure,
    "offline": offline.measure,
}


def main(argv: Sequence[str] | None = None) -> int:
    """0: everything asked for was measured, met or not; 1: something could not be measured."""
    chosen = arguments(argv)
    effort = Effort.quick(say) if chosen.quick else Effort(say=say)
    now, known = datetime.now(UTC), facts()
    say("\n".join(f"{what}: {which}" for what, which in known.items()))
    results = {name: carried_out(name, effort) for name in chosen.only or BENCHMARKS}
    say(f"raw rows: {report.write_raw(results, known, now)}")
    page = report.render(results, known, effort, now)
    if chosen.out is None:
        say("\n" + page)
    else:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(page)
        say(f"figures: {chosen.out}")
    for goal in report.unmet(results):
        say(f"not met: {goal.says} {goal.sense} {goal.limit:g} {goal.unit}")
    return 0 if report.is_whole(results) else 1


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours beside its peers.")
    parser.add_argument("--quick", action="store_true", help="short windows: a smoke test, no figures")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="one part; may be repeated")
    parser.add_argument("--out", type=Path, help="the page to write; printed if not given")
    return parser.parse_args(argv)


def carried_out(name: str, effort: Effort) -> Outcome | str:
    """What the benchmark found, or the reason why it found nothing: the others still run."""
    say(f"{name}:")
    try:
        return BENCHMARKS[name](effort)
    except (BenchmarkError, OSError, subprocess.SubprocessError, ValueError) as failure:
        print(f"{name} failed: {failure}", file=sys.stderr, flush=True)
        return str(failure)


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
