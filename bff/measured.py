"""A warm-up, measured: its phases, and the tree of what was imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bff.frozen import frozen


@frozen
class Imported:
    """One module that ran while a function was loaded, and below it the modules it imported. Seconds.

    ``cumulative`` includes what is below; the root of a tree has no name. ``is_own`` tells the function's own
    files from installed packages, and ``line`` is where in an own module the import is written, 0 elsewhere.
    """

    name: str = ""
    cumulative: float = 0.0
    is_own: bool = False
    line: int = 0
    children: tuple[Imported, ...] = ()

    @property
    def own(self) -> float:
        """Seconds spent in this module itself."""
        return max(0.0, self.cumulative - sum(child.cumulative for child in self.children))

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Imported]]:
        """Itself and everything below with their depths, in the order in which they began."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    def bills(self) -> Iterator[Import]:
        """What the function's own lines cost: the body of every own module by itself, and every package that
        a line of it imports, with everything which that one needs in turn.
        """
        if self.name:
            yield Import(name=self.name, seconds=self.own)
        for child in self.children:
            if child.is_own:
                yield from child.bills()
        yield from _packages(self)

    def most_expensive(self, count: int = 3) -> list[Import]:
        """The largest of :meth:`bills`, largest first."""
        return sorted(self.bills(), key=lambda each: each.seconds, reverse=True)[:count]


@frozen
class Import:
    """What one import cost in all; without ``importer`` it is an own module's body."""

    name: str
    seconds: float
    importer: str = ""
    line: int = 0


def _packages(importer: Imported) -> Iterator[Import]:
    """The packages a module imports. One line may run several modules of one package, ``starlette`` and then
    ``starlette.applications``: together they are called after the one that cost most.
    """
    found: dict[tuple[int, str], list[Imported]] = {}
    for child in importer.children:
        if not child.is_own:
            found.setdefault((child.line, child.name.partition(".")[0]), []).append(child)
    for (line, _), modules in found.items():
        seconds = sum(module.cumulative for module in modules)
        name = max(modules, key=lambda each: each.cumulative).name
        yield Import(name=name, seconds=seconds, importer=importer.name, line=line)


FIRST_CALL = "first_call"
"""The one phase that comes after the warm-up."""


@frozen
class WarmUp:
    """One warm-up, measured. ``phases`` are seconds by phase, in the order they ran.

    ``is_first_ever`` says that something was paid that eviction does not give back and no later warm-up of
    this revision pays: code was compiled, or modules of installed packages ran.
    """

    function: str
    revision: str
    phases: Mapping[str, float]
    imports: Imported = Imported()
    is_first_ever: bool = True

    @property
    def seconds(self) -> float:
        """How long it took until calls could enter."""
        return sum(seconds for phase, seconds in self.phases.items() if phase != FIRST_CALL)

    def then_called(self, seconds: float) -> WarmUp:
        """The same, once the first call has been answered."""
        return replace(self, phases={**self.phases, FIRST_CALL: seconds})
