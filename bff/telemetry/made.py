"""Families as the catalogue describes them."""

from __future__ import annotations

from collections.abc import Callable

from bff.telemetry.catalogue import Metric
from bff.telemetry.families import Counter, Gauge, Histogram, Registry


def counter(of: Metric, registry: Registry) -> Counter:
    """A counter."""
    return Counter(of.name, of.says, of.labels, registry=registry)


def gauge(of: Metric, registry: Registry) -> Gauge:
    """A gauge that signals move."""
    return Gauge(of.name, of.says, of.labels, registry=registry)


def histogram(of: Metric, registry: Registry, to_wall: Callable[[], float] = lambda: 0.0) -> Histogram:
    """A histogram."""
    return Histogram(of.name, of.says, of.labels, bounds=of.bounds, registry=registry, to_wall=to_wall)
