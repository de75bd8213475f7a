"""How services do at the moment: what functions called lately and how that went, from what is remembered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bff.frozen import frozen
from bff.sdk.callrecord import CallRecord
from bff.telemetry.entry import Entry
from bff.telemetry.pulse import quantile, recent


@frozen
class ServicePulse:
    """One service over the last ``window`` seconds. ``calls`` are those that functions made; of them ``errors`` got no
    answer or one of 500 and more, ``cached`` were answered from what is kept and ``shared`` by another's flight.
    ``resent`` counts sendings beyond the first of each call: retries and hedges. Times are seconds, of the others, failed
    ones among them; None where there were none.
    """

    service: str
    window: float
    calls: int
    rate: float
    errors: int
    resent: int
    cached: int
    shared: int
    p50: float | None
    p99: float | None
    longest: float | None
    functions: tuple[str, ...]


def service_pulses_of(entries: Iterable[Entry], now: float, window: float) -> dict[str, ServicePulse]:
    """One for each service that was called, by name. ``entries`` come newest first."""
    by_service: dict[str, list[tuple[str, CallRecord]]] = {}
    looked_at, window = recent(entries, now, window)
    for entry in looked_at:
        for call in entry.calls or ():
            by_service.setdefault(call.service, []).append((entry.function or entry.route, call))
    return {name: _pulse(name, calls, window) for name, calls in by_service.items()}


def _pulse(service: str, made: list[tuple[str, CallRecord]], window: float) -> ServicePulse:
    calls = [call for _, call in made]
    times = sorted(_times(calls))
    return ServicePulse(
        service=service,
        window=window,
        calls=len(calls),
        rate=len(calls) / window,
        errors=sum(is_failed(call) for call in calls),
        resent=sum(max(0, call.attempts - 1) for call in calls),
        cached=sum(bool(call.cached) for call in calls),
        shared=sum(call.coalesced for call in calls),
        p50=quantile(times, 0.5) if times else None,
        p99=quantile(times, 0.99) if times else None,
        longest=times[-1] if times else None,
        functions=tuple(sorted({whose for whose, _ in made})),
    )


def is_failed(call: CallRecord) -> bool:
    """Whether the service did not do its part: who is cancelled says nothing of it."""
    if call.error is not None:
        return call.error != "cancelled"
    return call.status is not None and call.status >= 500


def _times(calls: Iterable[CallRecord]) -> Iterator[float]:
    for call in calls:
        if not call.cached and not call.coalesced and call.ended is not None:
            yield call.ended - call.started
