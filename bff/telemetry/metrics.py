"""Prometheus metrics from signals, in base units, on a registry of their own.

Labels are bounded: routes are templates, methods are those a route may name, a request that no route has
carries no path at all, and a revision has so many parts and no more. What is asked for at a scrape is
:mod:`bff.telemetry.scrape`'s.
"""

from __future__ import annotations

from collections.abc import Callable

from bff.measured import FIRST_CALL, WarmUp
from bff.sdk.invocation import Invocation
from bff.signals import (
    ConfigApplied,
    ConfigRejected,
    EndpointEjected,
    EndpointsChanged,
    EventsAccepted,
    EventSettled,
    Evicted,
    FirstCalled,
    InstanceDead,
    LoadFailed,
    LoopBlocked,
    LoopLost,
    LoopReturned,
    LoopTurned,
    ReleaseTurned,
    Signals,
    ThreadsStuck,
    TrafficMoved,
    WarmedUp,
    WarmUpFailed,
)
from bff.telemetry import catalogue as names
from bff.telemetry.calls import CallMetrics
from bff.telemetry.families import Count, Durations, Registered
from bff.telemetry.labelsets import LabelSet, LabelSets
from bff.telemetry.made import counter, gauge, histogram
from bff.telemetry.presence import Presence
from bff.telemetry.readings import Sources
from bff.telemetry.scrape import Readings, Scrape
from bff.telemetry.verdict import verdict_of

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_PARTS = 20
"""Names of missing parts that a revision gets series for; a handler may make names up, of ids for example."""
_SAMPLED = 0x01
_OF_CALLS = frozenset({"call", "callback"})
"""Kinds of triggers that are made for one call each."""


class Metrics:
    """Mutable state: the registry's series, ``_longest`` by function and revision, ``_parts`` by revision, and
    ``_counted``: by function, the failure that was last counted as a warm-up's.
    """

    def __init__(
        self,
        sources: Sources | None = None,
        *,
        to_wall: Callable[[], float] = lambda: 0.0,
        labelsets: LabelSets | None = None,
    ) -> None:
        sources = sources or Sources()
        self._labelsets = labelsets or LabelSets()
        registry = self._registry = Registered()
        self._requests = counter(names.REQUESTS, registry)
        self._durations = histogram(names.REQUEST_DURATION, registry, to_wall)
        self._incomplete = counter(names.INCOMPLETE, registry)
        self._route_cache = counter(names.ROUTE_CACHE, registry)
        self._calls = CallMetrics(registry)
        self._cold_starts = counter(names.COLD_STARTS, registry)
        self._warm_ups = histogram(names.WARM_UP, registry)
        self._evictions = counter(names.EVICTIONS, registry)
        self._replacements = counter(names.REPLACEMENTS, registry)
        self._load_failures = counter(names.LOAD_FAILURES, registry)
        self._stuck_threads = gauge(names.STUCK_THREADS, registry)
        self._ejections = counter(names.EJECTIONS, registry)
        self._traffic = gauge(names.TRAFFIC, registry)
        self._releases = counter(names.RELEASES, registry)
        self._verdicts = counter(names.VERDICTS, registry)
        self._events = counter(names.EVENTS, registry)
        self._deliveries = counter(names.DELIVERIES, registry)
        self._loop_lag = histogram(names.LOOP_LAG, registry)
        self._loop_blocked = counter(names.LOOP_BLOCKED, registry)
        self._loop_blocked_longest = gauge(names.LOOP_BLOCKED_LONGEST, registry)
        self._config_rejections = counter(names.CONFIG_REJECTIONS, registry)
        families = [
            *(self._requests, self._durations, self._incomplete, self._route_cache, *self._calls.families),
            *(self._cold_starts, self._warm_ups, self._evictions, self._replacements, self._load_failures),
            *(self._stuck_threads, self._ejections, self._traffic, self._releases, self._verdicts),
            *(self._deliveries, self._loop_blocked, self._loop_blocked_longest),
        ]
        self._presence = Presence(families, sources.known, self._labelsets.forget)  # type: ignore[arg-type]  # whatever their series are
        self._readings = Readings(sources, registry)
        self._lag = self._loop_lag.series()
        self._parts: dict[tuple[str, str], set[str]] = {}
        self._longest: dict[tuple[str, str], float] = {}
        self._counted: dict[str, str] = {}
        self.scrape = Scrape(registry, self._readings, self._presence)
        """Reads how things are, and writes it all down."""

    def listen(self, signals: Signals) -> None:
        """Count what is told."""
        signals.listen(Invocation, self._invocation)
        signals.listen(WarmedUp, self._warmed_up)
        signals.listen(FirstCalled, lambda said: self._observe(said.warm_up, FIRST_CALL))
        signals.listen(ThreadsStuck, self._threads_stuck)
        signals.listen(LoopTurned, lambda said: self._lag.observe(said.late))
        signals.listen(LoopBlocked, self._blocked)
        signals.listen(LoopReturned, self._blocked_for)
        signals.listen(LoopLost, self._blocked_for)
        signals.listen(Evicted, lambda said: self._evictions.inc(said.function, said.revision))
        signals.listen(InstanceDead, lambda said: self._replacements.inc(said.function, said.revision))
        signals.listen(TrafficMoved, self._traffic_moved)
        signals.listen(ReleaseTurned, self._release_turned)
        signals.listen(EndpointEjected, lambda said: self._ejections.inc(said.service, said.endpoint))
        signals.listen(
            EndpointsChanged, lambda said: self._presence.endpoints_changed(said.service, said.endpoints)
        )
        signals.listen(EventsAccepted, self._events_accepted)
        signals.listen(EventSettled, self._event_settled)
        signals.listen(WarmUpFailed, self._warm_up_failed)
        signals.listen(LoadFailed, self._load_failed)
        signals.listen(ConfigApplied, self._config_applied)
        signals.listen(ConfigRejected, lambda _: self._config_rejections.inc())

    # The way of every request.

    def _invocation(self, invocation: Invocation) -> None:
        labels: LabelSet = invocation.labels or self._labelsets.of(invocation)
        durations = labels.durations or self._durations_of(labels)
        took = invocation.ended - invocation.started
        durations.observe(took)
        if invocation.error is None and not invocation.missing and labels.status < 500:
            count = labels.count or self._count_of(labels)
        else:
            count = self._requests.series(*_texts(labels), verdict_of(invocation).fault)
        count.value += 1
        trace = invocation.known_trace
        if trace is None and invocation.may_tell_of_a_trace:
            trace = invocation.trace  # else nobody has asked for it, and nobody has sampled it
        if trace is not None and trace.flags & _SAMPLED:
            durations.exemplify(took, trace.trace_id, invocation.ended)
        if invocation.calls:
            for call in invocation.calls:
                self._calls.tell(invocation, call)
        if invocation.missing:
            self._missing(invocation, invocation.missing)
        if invocation.kept:
            self._route_cache.inc(labels.function, labels.revision, labels.route, invocation.kept)

    def _durations_of(self, labels: LabelSet) -> Durations:
        found = labels.durations = self._durations.series(*_texts(labels))
        return found

    def _count_of(self, labels: LabelSet) -> Count:
        """The series of those that went well."""
        found = labels.count = self._requests.series(*_texts(labels), "")
        return found

    def _missing(self, invocation: Invocation, missing: list[str]) -> None:
        of = (invocation.function, invocation.revision)
        for part in missing:
            self._incomplete.inc(*of, self._part(of, part))

    def _part(self, of: tuple[str, str], part: str) -> str:
        known = self._parts.setdefault(of, set())
        if part not in known:
            if len(known) >= MAX_PARTS:
                return "other"
            known.add(part)
        return part

    # What happens now and then.

    def _warmed_up(self, said: WarmedUp) -> None:
        warm_up = said.warm_up
        self._cold_starts.inc(warm_up.function, warm_up.revision, _flag(warm_up.is_first_ever))
        self._observe(warm_up, *warm_up.phases)

    def _observe(self, warm_up: WarmUp, *phases: str) -> None:
        for phase in phases:
            labels = (warm_up.function, warm_up.revision, phase, _flag(warm_up.is_first_ever))
            self._warm_ups.observe(warm_up.phases[phase], *labels)

    def _traffic_moved(self, said: TrafficMoved) -> None:
        """Revisions that no call can reach any more have no share, not even of 0."""
        self._traffic.drop(lambda labels: labels[0] == said.function and labels[1] not in said.shares)
        for revision, percent in said.shares.items():
            self._traffic.put(percent / 100, said.function, revision)
        self._presence.look((said.function,))

    def _release_turned(self, said: ReleaseTurned) -> None:
        self._releases.inc(said.function, said.canary, said.event)
        verdict = said.numbers.get("outcome")
        if verdict:
            self._verdicts.inc(said.function, said.canary, str(verdict))

    def _events_accepted(self, said: EventsAccepted) -> None:
        self._events.series().value += said.count

    def _event_settled(self, said: EventSettled) -> None:
        kind, slash, _ = said.trigger.partition("/")
        trigger = kind if slash and kind in _OF_CALLS else said.trigger
        self._deliveries.inc(said.function, said.revision, trigger, said.outcome)

    def _threads_stuck(self, said: ThreadsStuck) -> None:
        self._stuck_threads.put(said.count, said.function, said.revision)

    def _blocked(self, said: LoopBlocked) -> None:
        self._loop_blocked.inc(said.culprit.function, said.culprit.revision)
        self._blocked_for(said)

    def _blocked_for(self, said: LoopBlocked | LoopReturned | LoopLost) -> None:
        """Only the watchdog's thread comes here, so that reading and setting cannot get mixed up."""
        key = (said.culprit.function, said.culprit.revision)
        self._longest[key] = max(said.seconds, self._longest.get(key, 0.0))
        self._loop_blocked_longest.put(self._longest[key], *key)

    def _warm_up_failed(self, said: WarmUpFailed) -> None:
        self._counted[said.function] = said.why
        self._load_failures.inc(said.function)

    def _load_failed(self, said: LoadFailed) -> None:
        """A save whose warm-up fails is told twice, first as a warm-up's failure; one without a snapshot once."""
        if self._counted.pop(said.function, None) != said.report:
            self._load_failures.inc(said.function)

    def _config_applied(self, said: ConfigApplied) -> None:
        if said.services is not None:
            self._presence.services_changed(said.services, said.replaced)
        self._presence.look()


def _texts(labels: LabelSet) -> tuple[str, ...]:
    method = labels.method if labels.method in _METHODS else "other"
    return (labels.function, labels.revision, labels.route, method, str(labels.status))


def _flag(value: bool) -> str:
    return "true" if value else "false"
