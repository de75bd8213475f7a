"""Prometheus metrics from signals, in base units, on a registry of their own.

Labels are bounded: routes are templates, methods are those a route may name, a request that no route has
carries no path at all, and a function has so many parts and no more.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from bff.measured import FIRST_CALL, WarmUp
from bff.sdk.invocation import CallRecord, Invocation
from bff.signals import (
    ConfigRejected,
    Evicted,
    FirstCalled,
    LoadFailed,
    LoopBlocked,
    LoopLost,
    LoopReturned,
    ReleaseTurned,
    Signals,
    ThreadsStuck,
    TrafficMoved,
    WarmedUp,
    WarmUpFailed,
)
from bff.telemetry.durations import DurationHistogram, Durations

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WARM_UP_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
_LABELS = ("route", "method", "status", "function", "revision")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_PARTS = 20
"""Names of missing parts that a function gets series for; a handler may make names up, of ids for example."""


class Metrics:
    """Mutable state: the registry's series, ``_longest`` by function and revision, ``_parts`` by function, and
    ``_counted``: by function, the failure that was last counted as a warm-up's.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = DurationHistogram(
            "bff_request_duration_seconds",
            "Time from the parsed head to the sent answer.",
            _LABELS,
            bounds=BUCKETS,
            registry=registry,
        )
        self._incomplete = Counter(
            "bff_incomplete_answers_total",
            "Answers with a part missing.",
            ("function", "part"),
            registry=registry,
        )
        self._service_calls = DurationHistogram(
            "bff_service_call_duration_seconds",
            "Time of calls to services.",
            ("service", "outcome"),
            bounds=BUCKETS,
            registry=registry,
        )
        self._warm_ups = Histogram(
            "bff_warm_up_duration_seconds",
            "Time of warm-ups by phase; first_ever tells those that compiled, or imported packages.",
            ("function", "revision", "phase", "first_ever"),
            buckets=_WARM_UP_BUCKETS,
            registry=registry,
        )
        self._evictions = Counter(
            "bff_evictions_total", "Instances that were evicted.", ("function", "revision"), registry=registry
        )
        self._loop_blocked = Counter(
            "bff_loop_blocked_total",
            "Times the event loop was blocked.",
            ("function", "revision"),
            registry=registry,
        )
        self._loop_blocked_longest = Gauge(
            "bff_loop_blocked_longest_seconds",
            "The longest time the event loop was blocked.",
            ("function", "revision"),
            registry=registry,
        )
        self._stuck_threads = Gauge(
            "bff_stuck_threads",
            "Threads of synchronous handlers that go on although nobody waits for them.",
            ("function", "revision"),
            registry=registry,
        )
        self._load_failures = Counter(
            "bff_load_failures_total", "Revisions that could not be loaded.", ("function",), registry=registry
        )
        self._config_rejections = Counter(
            "bff_config_rejections_total", "Changed routes.yaml files that had mistakes.", registry=registry
        )
        self._traffic = Gauge(
            "bff_traffic_percent",
            "Share of the calls by revision.",
            ("function", "revision"),
            registry=registry,
        )
        self._releases = Counter(
            "bff_release_events_total",
            "Steps, ends and interventions of releases.",
            ("function", "event"),
            registry=registry,
        )
        self._shares: dict[str, frozenset[str]] = {}
        self._longest: dict[tuple[str, str], float] = {}
        self._parts: dict[str, set[str]] = {}
        self._counted: dict[str, str] = {}

    def listen(self, signals: Signals) -> None:
        """Hear everything that is counted."""
        signals.listen(Invocation, self._invocation)
        signals.listen(WarmedUp, lambda said: self._observe(said.warm_up, *said.warm_up.phases))
        signals.listen(FirstCalled, lambda said: self._observe(said.warm_up, FIRST_CALL))
        signals.listen(ThreadsStuck, self._threads_stuck)
        signals.listen(LoopBlocked, self._blocked)
        signals.listen(LoopReturned, self._blocked_for)
        signals.listen(LoopLost, self._blocked_for)
        signals.listen(Evicted, lambda said: self._evictions.labels(said.function, said.revision).inc())
        signals.listen(TrafficMoved, self._traffic_moved)
        signals.listen(ReleaseTurned, lambda said: self._releases.labels(said.function, said.event).inc())
        signals.listen(WarmUpFailed, self._warm_up_failed)
        signals.listen(LoadFailed, self._load_failed)
        signals.listen(ConfigRejected, lambda _: self._config_rejections.inc())

    def _traffic_moved(self, said: TrafficMoved) -> None:
        """Revisions that no call can reach any more have no series."""
        for revision in self._shares.get(said.function, frozenset()) - said.shares.keys():
            self._traffic.remove(said.function, revision)
        self._shares[said.function] = frozenset(said.shares)
        for revision, percent in said.shares.items():
            self._traffic.labels(said.function, revision).set(percent)

    def _invocation(self, invocation: Invocation) -> None:
        key = (
            *(invocation.route, invocation.method, invocation.status),
            *(invocation.function, invocation.revision),
        )
        series = self._requests.known(key) or self._series_of(*key)
        series.observe(invocation.ended - invocation.started)
        for part in invocation.missing or ():
            self._incomplete.labels(invocation.function, self._part(invocation.function, part)).inc()
        for call in invocation.calls or ():
            self._call(call)

    def _series_of(self, route: str, method: str, status: int, function: str, revision: str) -> Durations:
        is_usual = method in _METHODS  # else anybody could make up methods, and keys with them
        key = (route, method, status, function, revision) if is_usual else None
        label = method if is_usual else "other"
        return self._requests.series(route, label, str(status), function, revision, key=key)

    def _call(self, call: CallRecord) -> None:
        outcome = call.error or ("ok" if call.status is not None and call.status < 400 else "refused")
        key = (call.service, outcome)
        series = self._service_calls.known(key) or self._service_calls.series(*key, key=key)
        series.observe((call.ended or call.started) - call.started)

    def _observe(self, warm_up: WarmUp, *phases: str) -> None:
        is_first_ever = "true" if warm_up.is_first_ever else "false"
        for phase in phases:
            child = self._warm_ups.labels(warm_up.function, warm_up.revision, phase, is_first_ever)
            child.observe(warm_up.phases[phase])

    def _threads_stuck(self, said: ThreadsStuck) -> None:
        self._stuck_threads.labels(said.function, said.revision).set(said.count)

    def _blocked(self, said: LoopBlocked) -> None:
        self._loop_blocked.labels(said.culprit.function, said.culprit.revision).inc()
        self._blocked_for(said)

    def _blocked_for(self, said: LoopBlocked | LoopReturned | LoopLost) -> None:
        """Only the watchdog's thread comes here, so that reading and setting cannot get mixed up."""
        key = (said.culprit.function, said.culprit.revision)
        self._longest[key] = max(said.seconds, self._longest.get(key, 0.0))
        self._loop_blocked_longest.labels(*key).set(self._longest[key])

    def _warm_up_failed(self, said: WarmUpFailed) -> None:
        self._counted[said.function] = said.why
        self._load_failures.labels(said.function).inc()

    def _load_failed(self, said: LoadFailed) -> None:
        """A save whose warm-up fails is told twice, first as a warm-up's failure; one without a snapshot once."""
        if self._counted.pop(said.function, None) != said.report:
            self._load_failures.labels(said.function).inc()

    def _part(self, function: str, part: str) -> str:
        known = self._parts.setdefault(function, set())
        if part not in known:
            if len(known) >= MAX_PARTS:
                return "other"
            known.add(part)
        return part

    def exposition(self) -> tuple[bytes, str]:
        """The text for a scrape, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
