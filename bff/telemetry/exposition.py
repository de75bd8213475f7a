"""What prometheus_client makes of our families: its text, or OpenMetrics. Imported for the first scrape, in its thread."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from bff.telemetry import catalogue
from bff.telemetry.families import Counter, Family, Gauge, Histogram, Rows


def registry_of(collectors: Iterable[Any]) -> CollectorRegistry:
    """A registry of these, and of what the process and its collector tell."""
    registry = CollectorRegistry(auto_describe=False)
    for each in collectors:
        registry.register(each)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def written(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The page and its media type, whichever the scraper accepts."""
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


def gauge(of: catalogue.Metric, rows: Rows) -> Metric:
    """How things are."""
    family = GaugeMetricFamily(of.name, of.says, labels=of.labels)
    for labels, value in rows:
        family.add_metric(labels, value)
    return family


@singledispatch
def told(family: Family[Any]) -> Metric:
    """The family as prometheus_client has it."""
    raise TypeError(f"{type(family).__name__} cannot be told")


@told.register
def _(counter: Counter) -> Metric:
    family = CounterMetricFamily(counter.name, counter.says, labels=counter.labels)
    for values, series in counter.items():
        family.add_metric(values, series.value)
    if not counter.labels and not family.samples:
        family.add_metric((), 0)
    return family


@told.register
def _(level: Gauge) -> Metric:
    family = GaugeMetricFamily(level.name, level.says, labels=level.labels)
    for values, series in level.items():
        family.add_metric(values, series.value)
    return family


@told.register
def _(histogram: Histogram) -> Metric:
    """Exemplars are OpenMetrics' only; the text of Prometheus leaves them out."""
    family = HistogramMetricFamily(histogram.name, histogram.says, labels=histogram.labels)
    bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
    offset = histogram.to_wall()
    for values, series in histogram.items():
        reached = list(accumulate(series.counts[:]))
        known = series.exemplars or {}
        buckets: list[list[object]] = [
            [bound, float(count), *_exemplar(known.get(at), offset)]
            for at, (bound, count) in enumerate(zip(bounds, reached, strict=True))
        ]
        family.add_metric(values, buckets=buckets, sum_value=series.total)  # type: ignore[arg-type]
    return family


def _exemplar(found: tuple[str, float, float] | None, offset: float) -> list[object]:
    if found is None:
        return []
    trace_id, seconds, at = found
    return [Exemplar({"trace_id": trace_id}, seconds, at + offset)]
