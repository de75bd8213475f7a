"""A warm-up as bars, one below the other: its phases, and below the imports what was imported. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bff.measured import FIRST_CALL, Imported, WarmUp

MOST_IMPORTS = 24
"""Modules that are shown; the cheapest of more are left out."""
LEAST = 0.002
"""Of the whole, below which a module is left out."""
WORDS = {FIRST_CALL: "first call"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """``start`` and ``width`` are percent of the whole, ``depth`` how far it is indented; ``kind`` is phase, own (a module
    of the function's), package, or call.
    """

    name: str
    start: float
    width: float
    seconds: float
    depth: int = 0
    kind: str = "phase"

    @property
    def ms(self) -> float:
        """Milliseconds."""
        return self.seconds * 1000


def bars_of(warm_up: WarmUp) -> list[Bar]:
    """All of them, in order. Imports have no moments of their own: a module is drawn from where its importer begins,
    after what that one imported before.
    """
    whole = sum(warm_up.phases.values()) or 1.0
    shown = _shown(warm_up.imports, whole)
    bars: list[Bar] = []
    at = 0.0
    for phase, seconds in warm_up.phases.items():
        kind = "call" if phase == FIRST_CALL else "phase"
        bars.append(_bar(WORDS.get(phase, phase), at, seconds, whole, kind=kind))
        if phase == "imports":
            bars.extend(_imports(warm_up.imports, at, whole, shown))
        at += seconds
    return bars


def _shown(root: Imported, whole: float) -> frozenset[int]:
    """The modules that are worth a bar, by identity."""
    modules = [each for _, each in root.walk() if each.name and each.cumulative >= whole * LEAST]
    modules.sort(key=lambda each: -each.cumulative)
    return frozenset(map(id, modules[:MOST_IMPORTS]))


def _imports(
    parent: Imported, at: float, whole: float, shown: frozenset[int], depth: int = 1
) -> Iterator[Bar]:
    for child in parent.children:
        if id(child) in shown:
            kind = "own" if child.is_own else "package"
            yield _bar(child.name, at, child.cumulative, whole, depth=min(depth, 6), kind=kind)
            yield from _imports(child, at, whole, shown, depth + 1)
        at += child.cumulative


def _bar(name: str, at: float, seconds: float, whole: float, *, depth: int = 0, kind: str = "phase") -> Bar:
    start = min(100.0 * at / whole, 99.6)
    width = min(max(100.0 * seconds / whole, 0.4), 100.0 - start)
    return Bar(
        name=name, start=round(start, 2), width=round(width, 2), seconds=seconds, depth=depth, kind=kind
    )
