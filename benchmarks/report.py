"""The page with the figures, and the raw rows behind it. A figure that is missing is shown missing."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from benchmarks.figures import GOALS, Goal, Series
from benchmarks.outcome import Effort, Outcome, Table

RAW = Path(__file__).resolve().parent / "out"
HEAD = ("figure", "goal", "median", "lowest to highest", "rounds", "met")
HOW = """\
Everything runs on one machine in one run: servers on one core, the load on another, contenders in
turn, and each ratio taken round by round, because a machine's speed drifts. What one call asks of
both sides is the same, or less of the peer: the Starlette and FastAPI routes read no parameter, where
our function binds one. Both equipped servers write their log to a file, and after each round
their lines are counted: one that logged fewer lines than it answered fails the run.

In the aggregate, nginx plays the services and shares the load's core; ours has its access log, metrics
and limits on, the peers have none. Every side sends three calls for each page: all callers ask for one
and the same, so the sharing of identical calls that ours has by default (`coalesce`) is off. One row
shows it on; it sends fewer calls, and no figure is taken from it. The pool written by hand has no deadline and no limit either: it is
what Python can do at most, and no client one could use. When passing through, nginx as a proxy streams
as we do (no temporary files), and Fastify uses its own plugin for the purpose.

To repeat: `make bench` (Linux; `apt-get install wrk nginx-light nodejs npm` first), or one part of it with
`python -m benchmarks --only hello`; one ratio and no more with `python -m benchmarks.beside aggregate Fastify`.
Raw rows are left in `benchmarks/out/` as JSON."""

Results = Mapping[str, Outcome | str]  # by benchmark: what it found, or why it found nothing


def render(results: Results, facts: Mapping[str, str], effort: Effort, now: datetime) -> str:
    parts = ["# Benchmarks", f"Measured on {now:%Y-%m-%d}."]
    if effort.is_quick:
        parts.append("**A quick run: it shows that the harness works. Its numbers are no figures.**")
    parts += [HOW, "## Figures", _table(HEAD, [figure_row(goal, results) for goal in GOALS])]
    parts += _reasons(results)
    for outcome in results.values():
        if isinstance(outcome, Outcome):
            for table in outcome.tables:
                parts += titled(table)
    parts += ["## Versions", _table(("what", "version"), list(facts.items()))]
    return "\n\n".join(parts) + "\n"


def figure_row(goal: Goal, results: Results) -> tuple[str, ...]:
    target = f"{goal.sense} {goal.limit:g} {goal.unit}"
    found = results.get(goal.benchmark)
    if not isinstance(found, Outcome) or goal.key not in found.figures:
        why = "not run" if found is None else "failed, see below"
        return goal.says, target, "not measured", "", "", why
    series = found.figures[goal.key]
    return (
        goal.says,
        target,
        f"{number(goal, series.median)} {goal.unit}",
        f"{number(goal, series.low)} to {number(goal, series.high)}",
        str(len(series.values)),
        "yes" if goal.is_met(series.median) else "**no**",
    )


def number(goal: Goal, value: float) -> str:
    return f"{value:.2f}" if goal.unit == "x" or goal.limit < 10 else f"{value:.1f}"


def is_whole(results: Results) -> bool:
    """Whether every benchmark that was run measured every figure it owes."""
    return all(
        isinstance(found, Outcome)
        and all(goal.key in found.figures for goal in GOALS if goal.benchmark == benchmark)
        for benchmark, found in results.items()
    )


def unmet(results: Results) -> list[Goal]:
    """The goals that were measured and missed."""
    found: dict[str, Series] = {}
    for outcome in results.values():
        found |= outcome.figures if isinstance(outcome, Outcome) else {}
    return [goal for goal in GOALS if goal.key in found and not goal.is_met(found[goal.key].median)]


def write_raw(results: Results, facts: Mapping[str, str], now: datetime, folder: Path = RAW) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    rows = [row for found in results.values() if isinstance(found, Outcome) for row in found.rows]
    failures = {name: found for name, found in results.items() if isinstance(found, str)}
    figures = {
        key: series.values
        for found in results.values()
        if isinstance(found, Outcome)
        for key, series in found.figures.items()
    }
    whole = {"facts": facts, "figures": figures, "failures": failures, "rows": rows}
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False))
    return path


def _reasons(results: Results) -> list[str]:
    """Their first lines; the whole of them, with paths of the machine, stay in the raw rows."""
    failed = {name: found for name, found in results.items() if isinstance(found, str)}
    return [
        f"`{name}` failed: {why.strip().splitlines()[0].partition(';')[0]}." for name, why in failed.items()
    ]


def titled(table: Table) -> list[str]:
    return [f"## {table.title}", _table(table.head, table.rows), *([table.note] if table.note else [])]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
