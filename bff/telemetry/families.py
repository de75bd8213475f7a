"""Metric families whose series are changed on the loop without a lock, and read when somebody scrapes.

prometheus_client's own take a lock for each value and look labels up by text; ours are told with every request.
Its exposition is used as it is: :mod:`bff.telemetry.exposition` makes its custom collectors of these
(https://prometheus.github.io/client_python/collector/custom/), once somebody scrapes. A series is found again by a key
of its observer's, and goes when what it is about has gone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

S = TypeVar("S")
Labels = tuple[str, ...]
Rows = Iterable[tuple[Sequence[str], float]]
"""Values with those of their labels."""
MOST_KNOWN = 20_000
"""Keys a family remembers; who cannot be remembered is found by its labels."""


class Registry(Protocol):
    """Whoever will be asked for all of it: prometheus_client's own, or a list of ours."""

    def register(self, collector: Any) -> None:
        """Take one in."""


class Registered:
    """What prometheus_client's registry is made of, once it is imported. Mutable state: ``collectors``."""

    def __init__(self) -> None:
        self.collectors: list[Any] = []

    def register(self, collector: Any) -> None:
        """Take one in."""
        self.collectors.append(collector)


class Family(ABC, Generic[S]):
    """One metric with its labels. Mutable state: ``_series`` by the values of the labels, ``_known`` by key, ``drops``."""

    def __init__(self, name: str, says: str, labels: Sequence[str], *, registry: Registry) -> None:
        self.name = name
        self.says = says
        self.labels = tuple(labels)
        self._series: dict[Labels, S] = {}
        self._known: dict[Hashable, S] = {}
        self.known = self._known.get
        """The series that somebody called by this key, or None."""
        self.drops = 0
        """How often something was forgotten: who remembers series of its own begins anew then."""
        self.on_new: Callable[[Family[S], Labels], object] | None = None
        registry.register(self)

    @abstractmethod
    def _fresh(self) -> S:
        """A series before the first observation."""

    def series(self, *values: str, key: Hashable = None) -> S:
        """The series with these values of its labels, which is :meth:`known` by the key from now on."""
        found = self._series.get(values)
        if found is None:
            found = self._series[values] = self._fresh()
            if self.on_new is not None:
                self.on_new(self, values)
        if key is not None and len(self._known) < MOST_KNOWN:
            self._known[key] = found
        return found

    def drop(self, is_gone: Callable[[Labels], bool]) -> None:
        """Forget every series whose labels are of what is gone."""
        gone = [values for values in self._series if is_gone(values)]
        for values in gone:
            del self._series[values]
        if gone:
            self._known.clear()
            self.drops += 1

    def items(self) -> list[tuple[Labels, S]]:
        """What there is now; from any thread."""
        return list(self._series.items())

    def collect(self) -> Iterator[Metric]:
        """See :class:`prometheus_client.registry.Collector`."""
        from bff.telemetry.exposition import (
            told,  # and with it prometheus_client, which nobody needs before a scrape
        )

        yield told(self)


class Count:
    """One counter. Mutable: ``value``."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Counter(Family[Count]):
    """Counts what happens; the name ends in ``_total``."""

    def _fresh(self) -> Count:
        return Count()

    def inc(self, *values: str) -> None:
        """One more."""
        self.series(*values).value += 1


class Value:
    """One gauge. Mutable: ``value``."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0


class Gauge(Family[Value]):
    """Tells how things are, as far as signals tell it."""

    def _fresh(self) -> Value:
        return Value()

    def put(self, value: float, *labels: str) -> None:
        """So it is from now on."""
        self.series(*labels).value = value


class Durations:
    """Those of one series. Mutable: ``counts`` by bucket, the last one beyond every bound, their ``total``, and the last
    ``exemplars`` by bucket: trace, seconds, and the clock's time.
    """

    __slots__ = ("_bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, tuple[str, float, float]] | None = None

    def observe(self, seconds: float) -> None:
        """Count one; a bucket holds what is no longer than its bound."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def exemplify(self, seconds: float, trace_id: str, at: float) -> None:
        """Remember the trace of an observation, for its bucket."""
        if self.exemplars is None:
            self.exemplars = {}
        self.exemplars[bisect_left(self._bounds, seconds)] = (trace_id, seconds, at)


class Histogram(Family[Durations]):
    """Durations in seconds by buckets. ``to_wall`` is what must be added to the clock's time for Unix time."""

    def __init__(
        self,
        name: str,
        says: str,
        labels: Sequence[str],
        *,
        bounds: Sequence[float],
        registry: Registry,
        to_wall: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.bounds = bounds
        self.to_wall = to_wall
        super().__init__(name, says, labels, registry=registry)

    def _fresh(self) -> Durations:
        return Durations(self.bounds)

    def observe(self, seconds: float, *values: str) -> None:
        """One more."""
        self.series(*values).observe(seconds)
