"""Threads that hang, over all instances of a function: none can be killed, and who comes next finds them there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from bff.revisions.revision import Revision
from bff.signals import ThreadsStuck


class Stuck:
    """Mutable state: ``_counts`` by function and revision, and of them those that load, in ``_loads`` by
    function and digest.
    """

    def __init__(self, tell: Callable[[ThreadsStuck], object] = lambda _: None) -> None:
        self._tell = tell
        self._counts: Counter[tuple[str, str]] = Counter()
        self._loads: Counter[tuple[str, str]] = Counter()

    def of(self, function: str) -> int:
        """How many of one function's."""
        return sum(count for (name, _), count in self._counts.items() if name == function)

    def loads_of(self, revision: Revision) -> int:
        """How many hang in the module bodies of these very files."""
        return self._loads[revision.function, revision.digest]

    @property
    def loading(self) -> list[str]:
        """The functions whose module bodies hang."""
        return sorted({function for function, _ in self._loads})

    def changed(self, revision: Revision, by: int) -> None:
        """One more hangs, or one came back after all."""
        key = (revision.function, revision.name)
        self._counts[key] += by
        self._tell(ThreadsStuck(function=revision.function, revision=revision.name, count=self._counts[key]))
        if not self._counts[key]:
            del self._counts[key]

    def load_hangs(self, revision: Revision, by: int) -> None:
        """The same for one that runs module bodies."""
        key = (revision.function, revision.digest)
        self._loads[key] += by
        if not self._loads[key]:
            del self._loads[key]
        self.changed(revision, by)
