"""Calls by the second and by function, for as long as a chart shows: what is remembered, counted once.

Whoever reads brings it up to date, so that nothing is counted where nobody looks. Quantiles come from bins a tenth wide:
within 5 % of the true one, and a thousand calls weigh what ten do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import ceil, exp, floor, log

from bff.telemetry.entry import Entry
from bff.telemetry.recorder import Recorder

SHOWN = 120
"""Seconds that are kept."""
MOST_AT_ONCE = 5000
"""Invocations that are looked at in one go; older ones are only counted."""
_WIDTH = log(1.1)
_LEAST = 1e-6


@dataclass(slots=True)
class Cell:
    """Calls that ended in some time. Mutable: ``bins`` counts them by the logarithm of their seconds."""

    count: int = 0
    errors: int = 0
    slow: int = 0
    cold: int = 0
    bins: dict[int, int] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """One call more."""
        self.count += 1
        self.errors += entry.is_error
        self.slow += entry.is_slow
        self.cold += entry.phases is not None
        place = floor(log(max(entry.seconds, _LEAST)) / _WIDTH)
        self.bins[place] = self.bins.get(place, 0) + 1

    def merge(self, other: Cell) -> None:
        """Those of another time, too."""
        self.count += other.count
        self.errors += other.errors
        self.slow += other.slow
        self.cold += other.cold
        for place, count in other.bins.items():
            self.bins[place] = self.bins.get(place, 0) + count

    def quantile(self, share: float) -> float | None:
        """Milliseconds that such a share is not above; None without calls."""
        wanted = ceil(share * sum(self.bins.values()))
        for place in sorted(self.bins):
            wanted -= self.bins[place]
            if wanted <= 0:
                return exp((place + 0.5) * _WIDTH) * 1000
        return None

    @property
    def error_share(self) -> float:
        """How many of them failed, and not by their callers' fault."""
        return self.errors / self.count if self.count else 0.0


@dataclass(slots=True)
class Second:
    """One second: all calls, and those of each function."""

    total: Cell = field(default_factory=Cell)
    by_function: dict[str, Cell] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """One call more."""
        self.total.add(entry)
        if entry.function:
            self.by_function.setdefault(entry.function, Cell()).add(entry)


class Meter:
    """Mutable state: ``_seen``, the number of the last invocation counted, and ``_seconds`` by clock second."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._seen = 0
        self._seconds: dict[int, Second] = {}

    def catch_up(self, now: float) -> None:
        """Count what has ended since the last time."""
        fresh = list(islice(self._recorder.newest(self._seen), MOST_AT_ONCE))
        missed = self._recorder.last - self._seen - len(fresh) if self._seen else 0
        self._seen = self._recorder.last
        oldest = int(now) - SHOWN
        self._count((entry for entry in fresh if entry.ended > oldest), missed, now)
        for second in [each for each in self._seconds if each <= oldest]:
            del self._seconds[second]

    def _count(self, entries: Iterable[Entry], missed: int, now: float) -> None:
        for entry in entries:
            self._at(int(entry.ended)).add(entry)
        if missed > 0:
            self._at(int(now)).total.count += missed

    def _at(self, second: int) -> Second:
        found = self._seconds.get(second)
        if found is None:
            found = self._seconds[second] = Second()
        return found

    def over(self, seconds: int, now: float, function: str | None = None) -> Cell:
        """All calls of the last whole seconds, or those of one function."""
        whole = Cell()
        for cell in self.each(seconds, now, function):
            if cell is not None:
                whole.merge(cell)
        return whole

    def each(self, seconds: int, now: float, function: str | None = None) -> Iterator[Cell | None]:
        """The last whole seconds one by one, the oldest first; None for one without calls."""
        for second in range(int(now) - seconds, int(now)):
            found = self._seconds.get(second)
            if found is None:
                yield None
            else:
                yield found.total if function is None else found.by_function.get(function)

    def by_function(self, seconds: int, now: float) -> Mapping[str, Cell]:
        """The functions that were called in the last whole seconds."""
        found: dict[str, Cell] = {}
        for second in range(int(now) - seconds, int(now)):
            for name, cell in self._seconds.get(second, _NONE).by_function.items():
                found.setdefault(name, Cell()).merge(cell)
        return found


_NONE = Second()
