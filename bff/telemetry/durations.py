"""Histograms of seconds that are observed on the loop only, and read when somebody scrapes.

prometheus_client's own take a lock for each bucket and look labels up by text; both are told with every request.
Its exposition is used as it is: this is one of its custom collectors
(https://prometheus.github.io/client_python/collector/custom/).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Durations:
    """Those of one series. Mutable: ``counts`` by bucket, the last one beyond every bound, and their ``total``."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one; a bucket holds what is no longer than its bound."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds


class DurationHistogram(Collector):
    """One histogram with its labels. Mutable state: ``_series``, by the values of the labels as text, and ``_known``
    by whatever their observer tells them apart with.
    """

    def __init__(
        self,
        name: str,
        says: str,
        labels: Sequence[str],
        *,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._says = says
        self._labels = labels
        self._bounds = bounds
        self._series: dict[tuple[str, ...], Durations] = {}
        self._known: dict[Hashable, Durations] = {}
        self.known = self._known.get
        """The series that somebody called by this key, or None."""
        registry.register(self)

    def series(self, *values: str, key: Hashable = None) -> Durations:
        """The series with these values of its labels, which is :meth:`known` by the key from now on."""
        found = self._series.get(values)
        if found is None:
            found = self._series[values] = Durations(self._bounds)
        if key is not None:
            self._known[key] = found
        return found

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """See :class:`prometheus_client.registry.Collector`."""
        family = HistogramMetricFamily(self._name, self._says, labels=self._labels)
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for values, series in list(self._series.items()):
            reached = zip(bounds, map(float, accumulate(series.counts)), strict=True)
            family.add_metric(values, buckets=list(reached), sum_value=series.total)
        yield family
