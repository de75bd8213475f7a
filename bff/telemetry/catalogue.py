"""Every metric, as data: what it is called, what it says, and by what it is told apart. Base units, ``_total`` for
counters (https://prometheus.io/docs/practices/naming/).
"""

from __future__ import annotations

from typing import Literal

from bff.frozen import frozen

OF_REVISION = ("function", "revision")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
WARM_UPS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


@frozen
class Metric:
    """One of them. ``is_read``: its values are asked for at each scrape, not told by signals."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    says: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = SECONDS
    is_read: bool = False


def _counter(name: str, says: str, *labels: str) -> Metric:
    return Metric(name=name, kind="counter", says=says, labels=labels)


def _gauge(name: str, says: str, *labels: str, is_read: bool = False) -> Metric:
    return Metric(name=name, kind="gauge", says=says, labels=labels, is_read=is_read)


def _histogram(name: str, says: str, *labels: str, bounds: tuple[float, ...] = SECONDS) -> Metric:
    return Metric(name=name, kind="histogram", says=says, labels=labels, bounds=bounds)


REQUESTS = _counter(
    "bff_requests_total",
    "Requests that have ended; fault is empty where nothing failed.",
    *(*OF_REVISION, "route", "method", "status", "fault"),
)
REQUEST_DURATION = _histogram(
    "bff_request_duration_seconds",
    "Time from the parsed head to the sent answer.",
    *(*OF_REVISION, "route", "method", "status"),
)
INCOMPLETE = _counter("bff_incomplete_answers_total", "Answers with a part missing.", *OF_REVISION, "part")
IN_FLIGHT = _gauge("bff_requests_in_flight", "Calls inside handlers.", *OF_REVISION, is_read=True)
WAITING = _gauge(
    "bff_requests_waiting", "Calls that wait for a warm-up or for a place.", *OF_REVISION, is_read=True
)
ROUTE_CACHE = _counter(
    "bff_route_cache_requests_total",
    "Requests of routes with a cache by what became of them: hit, collapsed, or why they went on (RFC 9211).",
    *(*OF_REVISION, "route", "result"),
)
COLD_STARTS = _counter("bff_cold_starts_total", "Instances that were warmed.", *OF_REVISION, "first_ever")
WARM_UP = _histogram(
    "bff_warm_up_duration_seconds",
    "Time of warm-ups by phase; first_ever tells those that compiled, or imported packages.",
    *(*OF_REVISION, "phase", "first_ever"),
    bounds=WARM_UPS,
)
INSTANCES = _gauge(
    "bff_instances", "Instances by state; who has none has no series.", *OF_REVISION, "state", is_read=True
)
INSTANCE_MEMORY = _gauge(
    "bff_instance_memory_bytes",
    "Resident memory of a revision's processes, what they share with the forkserver included.",
    *OF_REVISION,
    is_read=True,
)
EVICTIONS = _counter("bff_evictions_total", "Instances that were evicted.", *OF_REVISION)
REPLACEMENTS = _counter(
    "bff_instances_replaced_total", "Instances that were not alive any more.", *OF_REVISION
)
# Not by revision: one that cannot be loaded is new each time, and a counter that begins at 1 has not increased.
LOAD_FAILURES = _counter("bff_load_failures_total", "Revisions that could not be loaded.", "function")
STUCK_THREADS = _gauge(
    "bff_stuck_threads",
    "Threads of synchronous handlers that go on although nobody waits for them.",
    *OF_REVISION,
)
SERVICE_CALLS = _counter(
    "bff_service_calls_total",
    "Calls of services as functions made them; the endpoint is the last one asked, or empty.",
    *(*OF_REVISION, "service", "endpoint", "outcome"),
)
SERVICE_CALL_DURATION = _histogram(
    "bff_service_call_duration_seconds",
    "Time of calls of services, with all their attempts.",
    *(*OF_REVISION, "service", "outcome"),
)
SERVICE_ATTEMPTS = _counter(
    "bff_service_attempts_total",
    "Sendings of calls to endpoints, each by its own outcome.",
    *(*OF_REVISION, "service", "endpoint", "outcome"),
)
SERVICE_RETRIES = _counter(
    "bff_service_retries_total", "Attempts after one that failed.", *OF_REVISION, "service"
)
SERVICE_HEDGES = _counter(
    "bff_service_hedges_total", "Attempts beside one that was slow.", *OF_REVISION, "service"
)
SERVICE_SAVED = _counter(
    "bff_service_calls_saved_total",
    "Calls answered from the cache (hit, stale, revalidated) or by another's call (coalesced).",
    *(*OF_REVISION, "service", "result"),
)
BREAKER = _gauge(
    "bff_service_breaker_state",
    "1 for the state the breaker of an endpoint is in: closed, open or half-open.",
    *("service", "endpoint", "state"),
    is_read=True,
)
ENDPOINT_CALLS = _gauge(
    "bff_service_endpoint_in_flight",
    "Calls on their way to an endpoint.",
    "service",
    "endpoint",
    is_read=True,
)
EJECTIONS = _counter(
    "bff_service_ejections_total", "Times an endpoint was left alone for a while.", "service", "endpoint"
)
TRAFFIC = _gauge("bff_traffic_ratio", "Share of the calls by revision, from 0 to 1.", *OF_REVISION)
RELEASES = _counter(
    "bff_release_events_total",
    "Steps, ends and interventions of releases, by the canary.",
    *OF_REVISION,
    "event",
)
VERDICTS = _counter(
    "bff_release_verdicts_total", "What was decided of canaries by their calls.", *OF_REVISION, "verdict"
)
EVENTS = _counter("bff_events_accepted_total", "Events that were stored.")
DELIVERIES = _counter(
    "bff_event_deliveries_total",
    "Attempts to deliver an event by how they ended: delivered, waiting (tried again) or dead.",
    *(*OF_REVISION, "trigger", "outcome"),
)
DELIVERING = _gauge("bff_event_deliveries_in_flight", "Deliveries that are under way.", is_read=True)
LOOP_LAG = _histogram(
    "bff_event_loop_lag_seconds", "How late the event loop is, looked at ten times a second."
)
LOOP_BLOCKED = _counter("bff_loop_blocked_total", "Times the event loop was blocked.", *OF_REVISION)
LOOP_BLOCKED_LONGEST = _gauge(
    "bff_loop_blocked_longest_seconds", "The longest time the event loop was blocked.", *OF_REVISION
)
CONNECTIONS = _gauge("bff_connections", "Connections of the public listener.", is_read=True)
CACHE_ENTRIES = _gauge("bff_cache_entries", "Keys under which answers are kept.", is_read=True)
CACHE_BYTES = _gauge("bff_cache_bytes", "What kept answers take.", is_read=True)
CACHE_MAX_BYTES = _gauge("bff_cache_max_bytes", "What kept answers may take.", is_read=True)
CONFIG_REJECTIONS = _counter("bff_config_rejections_total", "Changed routes.yaml files that had mistakes.")

METRICS = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All of them. Besides, a scrape has prometheus_client's of the process and of Python's garbage collection."""
