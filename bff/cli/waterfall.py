"""Warm-ups in words: for programs as a dict, for people as a waterfall of phases and a tree of imports. Pure but
for the printing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from bff.cli.output import print_table
from bff.measured import Import, Imported, WarmUp

WIDTH = 32
"""Characters of the longest bar."""
WORTH_TELLING = 0.001
"""Seconds from which a module is shown."""
MOST_MODULES = 20

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def as_dict(first: WarmUp, again: WarmUp, files: Mapping[str, str]) -> dict[str, Any]:
    """Both warm-ups; times in milliseconds."""
    return {
        "function": first.function,
        "revision": first.revision,
        "first_ever": _warm_up(first),
        "after_eviction": _warm_up(again),
        "most_expensive": [
            {"name": each.name, "ms": ms(each.seconds), "where": where(each, files), "hint": hint(each)}
            for each in first.imports.most_expensive()
        ],
    }


def _warm_up(warm_up: WarmUp) -> dict[str, Any]:
    return {
        "ms": ms(warm_up.seconds),
        "phases": {phase: ms(seconds) for phase, seconds in warm_up.phases.items()},
        "imports": [_module(module) for module in warm_up.imports.children],
    }


def _module(module: Imported) -> dict[str, Any]:
    return {
        "name": module.name,
        "ms": ms(module.cumulative),
        "own_ms": ms(module.own),
        "imports": [_module(child) for child in module.children],
    }


def ms(seconds: float) -> float:
    """Milliseconds, as precise as they are worth."""
    return round(seconds * 1000, 3)


def where(each: Import, files: Mapping[str, str]) -> str:
    """The file and line of the function's own that pays."""
    return f"{files[each.importer]}:{each.line}" if each.importer in files else files.get(each.name, "")


def hint(each: Import) -> str:
    """What may make it cheaper."""
    if each.importer:
        return (
            "import it inside the function that needs it, under TYPE_CHECKING if only annotations do, "
            "or take a lighter module"
        )
    return "move work from the module's body into `start`, or to where it is first needed"


def tell(first: WarmUp, again: WarmUp, files: Mapping[str, str]) -> None:
    """Print both for people, on standard output."""
    typer.echo(
        f"{first.function}: {_shown(first.seconds)} ms first ever, {_shown(again.seconds)} ms after eviction"
    )
    print_table(("phase", "first ever ms", "", "after eviction ms", ""), _phases(first, again))
    if first.imports.children:
        print_table(("module", "ms", "itself ms"), _modules(first.imports))
        typer.echo("the most expensive imports:")
    for each in first.imports.most_expensive():
        typer.echo(f"  {_shown(each.seconds)} ms  {each.name}  {where(each, files)}\n    {hint(each)}")


def _phases(first: WarmUp, again: WarmUp) -> Iterator[list[str]]:
    longest = max(*(sum(each.phases.values()) for each in (first, again)), 1e-9)
    ends = [0.0, 0.0]
    for phase in dict.fromkeys((*first.phases, *again.phases)):
        row = [phase]
        for at, each in enumerate((first, again)):
            seconds = each.phases.get(phase, 0.0)
            row += [_shown(seconds), bar(ends[at] / longest, (ends[at] + seconds) / longest)]
            ends[at] += seconds
        yield row


def bar(begin: float, end: float) -> str:
    """A bar from one fraction of the width to another; the least there is for what is too short to be drawn."""
    full, eighths = divmod(max(1, round((end - begin) * WIDTH * 8)), 8)
    return " " * int(begin * WIDTH) + _EIGHTHS[8] * full + _EIGHTHS[eighths].strip()


def _modules(root: Imported) -> Iterator[list[str]]:
    every = [module for _, module in root.walk() if module.name]
    worth = [module for module in every if module.cumulative >= WORTH_TELLING] or list(root.children)
    shown = {id(module) for module in sorted(worth, key=lambda each: -each.cumulative)[:MOST_MODULES]}
    for depth, module in root.walk():
        if id(module) in shown:
            yield [f"{'  ' * (depth - 1)}{module.name}", _shown(module.cumulative), _shown(module.own)]
    if len(every) > len(shown):
        rest = "faster ones" if len(shown) < MOST_MODULES else "others"
        yield [f"… and {len(every) - len(shown)} {rest}", "", ""]


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"
