"""What service calls become in the metrics: each as its function made it, and each sending by itself."""

from __future__ import annotations

from bff.sdk.attempt import Attempt
from bff.sdk.callrecord import CallRecord
from bff.sdk.invocation import Invocation
from bff.telemetry import catalogue as names
from bff.telemetry.families import MOST_KNOWN, Count, Counter, Durations, Histogram, Registry
from bff.telemetry.made import counter, histogram

Key = tuple[str, str, str, str, str]
Three = tuple[Count, Durations, Count | None]


class CallMetrics:
    """Mutable state: the series; ``_known``, what a call adds to by what it is told apart, until ``_drops``: something was forgotten."""

    def __init__(self, registry: Registry) -> None:
        self.durations: Histogram = histogram(names.SERVICE_CALL_DURATION, registry)
        self.calls: Counter = counter(names.SERVICE_CALLS, registry)
        self.attempts: Counter = counter(names.SERVICE_ATTEMPTS, registry)
        self.retries: Counter = counter(names.SERVICE_RETRIES, registry)
        self.hedges: Counter = counter(names.SERVICE_HEDGES, registry)
        self.saved: Counter = counter(names.SERVICE_SAVED, registry)
        self._known: dict[Key, Three] = {}
        self._drops = 0
        self.families = (
            *(self.durations, self.calls, self.attempts),
            *(self.retries, self.hedges, self.saved),
        )

    def tell(self, invocation: Invocation, call: CallRecord) -> None:
        """Count one call. Most have one good attempt, and add to three series that are found by one key."""
        outcome = call.error or ("ok" if call.status is not None and call.status < 400 else "refused")
        function, revision = invocation.function, invocation.revision
        key = (function, revision, call.service, call.endpoint, outcome)
        if self.calls.drops != self._drops:
            self._known.clear()
            self._drops = self.calls.drops
        count, durations, attempts = self._known.get(key) or self._found(key)
        count.value += 1
        started = call.started
        durations.observe((call.ended or started) - started)
        sent = call.attempts
        if call.tries is not None:
            self._tried(invocation, call, call.tries)
        elif sent:
            attempts = attempts or self._first_sent(key)
            attempts.value += sent
        if call.cached or call.coalesced:
            result = "coalesced" if call.coalesced else call.cached
            self.saved.inc(function, revision, call.service, result)

    def _found(self, key: Key) -> Three:
        function, revision, service, _, outcome = key
        labels = self._labels(key)
        found = (
            self.calls.series(*labels),
            self.durations.series(function, revision, service, outcome),
            None,
        )
        if len(self._known) < MOST_KNOWN:
            self._known[key] = found
        return found

    def _first_sent(self, key: Key) -> Count:
        """The series of sendings, for the first one: an answer from a cache has none."""
        attempts = self.attempts.series(*self._labels(key))
        if key in self._known:
            count, durations, _ = self._known[key]
            self._known[key] = (count, durations, attempts)
        return attempts

    @staticmethod
    def _labels(key: Key) -> Key:
        return (*key[:3], address_of(key[3]), key[4])

    def _tried(self, invocation: Invocation, call: CallRecord, tries: list[Attempt]) -> None:
        of = (invocation.function, invocation.revision, call.service)
        until = float("-inf")
        for at, attempt in enumerate(sorted(tries, key=_started)):
            self.attempts.inc(*of, address_of(attempt.endpoint), _outcome(attempt.status, attempt.error))
            if at:
                (self.hedges if attempt.started < until else self.retries).inc(*of)
            until = max(until, attempt.ended)


def address_of(endpoint: str) -> str:
    """``users.internal:80`` for ``http://users.internal``: an endpoint as discovery and breakers call it."""
    scheme, found, rest = endpoint.partition("://")
    if not found:
        return endpoint
    has_port = ":" in rest.rpartition("]")[2]
    return rest if has_port else f"{rest}:{443 if scheme == 'https' else 80}"


def _started(attempt: Attempt) -> float:
    return attempt.started


def _outcome(status: int | None, error: str | None) -> str:
    """``ok``, ``refused`` for an answer of 400 and more, or the code of what went wrong."""
    return error or ("ok" if status is not None and status < 400 else "refused")
