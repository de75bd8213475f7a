"""A scrape: how things are is asked for on the loop, and all of it is written down in a thread.

Ten thousand functions make a page of megabytes, and no request shall wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bff.telemetry import catalogue as names
from bff.telemetry.families import Registered, Rows
from bff.telemetry.memory import resident
from bff.telemetry.presence import Presence
from bff.telemetry.readings import EndpointNow, GatewayNow, RevisionNow, Sources

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

BREAKERS = ("closed", "open", "half-open")


class Readings:
    """What is asked for. Mutable state: what it was at the last look."""

    def __init__(self, sources: Sources, registry: Registered) -> None:
        self._sources = sources
        self._revisions: tuple[RevisionNow, ...] = ()
        self._endpoints: tuple[EndpointNow, ...] = ()
        self._gateway = GatewayNow()
        registry.register(self)

    def look(self) -> None:
        """Ask; on the loop, where nothing changes meanwhile."""
        self._revisions = tuple(self._sources.revisions())
        self._endpoints = tuple(self._sources.endpoints())
        self._gateway = self._sources.gateway()

    def collect(self) -> Iterator[Metric]:
        """See :class:`prometheus_client.registry.Collector`."""
        from bff.telemetry.exposition import gauge

        return (gauge(of, rows) for of, rows in self._rows())

    def _rows(self) -> Iterator[tuple[names.Metric, Rows]]:
        gateway = self._gateway
        yield names.IN_FLIGHT, self._each(lambda each: each.in_flight)
        yield names.WAITING, self._each(lambda each: each.waiting)
        yield names.INSTANCES, self._instances()
        yield names.INSTANCE_MEMORY, self._memory()
        yield names.BREAKER, self._breakers()
        yield names.ENDPOINT_CALLS, (((each.service, each.endpoint), each.active) for each in self._endpoints)
        yield names.DELIVERING, [((), gateway.deliveries)]
        yield names.CONNECTIONS, [((), gateway.connections)]
        yield names.CACHE_ENTRIES, [((), gateway.cache_entries)]
        yield names.CACHE_BYTES, [((), gateway.cache_bytes)]
        yield names.CACHE_MAX_BYTES, [((), gateway.cache_max_bytes)]

    def _each(self, value: Callable[[RevisionNow], float]) -> Rows:
        return (((each.function, each.revision), value(each)) for each in self._revisions)

    def _instances(self) -> Rows:
        return (
            ((each.function, each.revision, state), count)
            for each in self._revisions
            for state, count in each.instances.items()
        )

    def _memory(self) -> Rows:
        return (
            ((each.function, each.revision), sum(map(resident, each.process_ids)))
            for each in self._revisions
            if each.process_ids
        )

    def _breakers(self) -> Rows:
        return (
            ((each.service, each.endpoint, state), float(state == each.state))
            for each in self._endpoints
            for state in BREAKERS
        )


class Scrape:
    """Mutable state: what it looks at, and ``_registry``, once somebody scrapes."""

    def __init__(self, registered: Registered, readings: Readings, presence: Presence) -> None:
        self._registered = registered
        self._registry: CollectorRegistry | None = None
        self._readings = readings
        self._presence = presence

    async def __call__(self, accept: str = "") -> tuple[bytes, str]:
        """The page, as text or as OpenMetrics, whichever the scraper accepts, and its media type."""
        self._presence.look()
        self._readings.look()
        return await asyncio.to_thread(self._written, accept)

    def _written(self, accept: str) -> tuple[bytes, str]:
        from bff.telemetry.exposition import registry_of, written

        if self._registry is None:
            self._registry = registry_of(self._registered.collectors)
        return written(self._registry, accept)

    def now(self, accept: str = "") -> tuple[bytes, str]:
        """The same, here and at once; for tests of what is counted."""
        self._presence.look()
        self._readings.look()
        return self._written(accept)
