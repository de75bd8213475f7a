"""How services stand: endpoints with their breakers, retry budgets, what is kept of answers, and how calls went lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bff.admin.operation import Asked, Operation, Query, Reply, shown
from bff.admin.serviceshapes import (
    BudgetShape,
    CacheShape,
    CallsShape,
    EndpointShape,
    PlaceShape,
    ServiceShape,
    ServicesShape,
)
from bff.clock import Clock
from bff.config import ServiceConfig
from bff.config.names import suggest
from bff.errors import NotFound
from bff.services.breaker import State
from bff.services.room import Backends
from bff.services.standing import BudgetStanding, EndpointStanding, PlaceStanding, places_of
from bff.telemetry.recorder import Recorder
from bff.telemetry.servicepulse import ServicePulse, service_pulses_of

WINDOW = Query(name="window", says="Seconds to look back; 60 if absent.", kind=int, bounds=(1, 300))
USUAL_WINDOW = 60
MANY = 0.5
"""Share of failed calls from which on a service is not well, whatever its breakers say."""

_RANK = {"down": 0, "degraded": 1, "ok": 2, "idle": 3}


class Services:
    """The pages about services. Immutable."""

    def __init__(self, backends: Backends, recorder: Recorder | None, *, clock: Clock) -> None:
        self._backends = backends
        self._recorder = recorder
        self._clock = clock

    def operations(self) -> list[Operation]:
        """All of them."""
        return [
            Operation(
                name="listServices",
                method="GET",
                path="/v1/services",
                says="Every service: its endpoints and breakers, its retry budget, and how its calls went lately.",
                run=self._list,
                query=(WINDOW,),
                answer=ServicesShape,
            ),
            Operation(
                name="getService",
                method="GET",
                path="/v1/services/{service}",
                says="The same of one service.",
                run=self._show,
                query=(WINDOW,),
                answer=ServiceShape,
                refusals=(NotFound,),
            ),
        ]

    async def _list(self, asked: Asked) -> Reply:
        return shown(self.every(asked.query.get("window", USUAL_WINDOW)))

    async def _show(self, asked: Asked) -> Reply:
        name, clients = asked.params["service"], self._backends.pool.clients
        if name not in clients:
            raise NotFound(f"There is no service {name[:80]}{suggest(name, clients)}.".replace("?.", "?"))
        pulses = self._pulses(asked.query.get("window", USUAL_WINDOW))
        return shown(self._told(name, pulses.get(name)))

    def every(self, window: float) -> ServicesShape:
        """All services, with their calls of the last ``window`` seconds."""
        pulses, store = self._pulses(window), self._backends.cache.store
        told = [self._told(name, pulses.get(name)) for name in self._backends.pool.clients]
        kept = CacheShape(entries=len(store), bytes=store.bytes, max_bytes=store.max_bytes)
        return ServicesShape(services=sorted(told, key=_urgency), cache=kept)

    def _pulses(self, window: float) -> Mapping[str, ServicePulse]:
        if self._recorder is None:
            return {}
        return service_pulses_of(self._recorder.newest(), self._clock.now(), float(window))

    def _told(self, name: str, pulse: ServicePulse | None) -> ServiceShape:
        client = self._backends.pool.clients[name]
        return service(name, client.config, places_of(client, self._clock.now()), pulse)


def _urgency(told: ServiceShape) -> tuple[int, float, str]:
    return _RANK[told.state], -(told.calls.rate if told.calls is not None else 0.0), told.name


def service(
    name: str, config: ServiceConfig, places: Iterable[PlaceStanding], pulse: ServicePulse | None
) -> ServiceShape:
    """See ServiceShape."""
    shown_places = [_place(place) for place in places]
    return ServiceShape(
        name=name,
        state=state_of(
            [endpoint.state for place in shown_places for endpoint in place.endpoints],
            errors=0.0 if pulse is None else pulse.errors / pulse.calls,
        ),
        discovery=None if config.discovery is None else config.discovery.type,
        timeout_ms=round(config.timeout * 1000, 3),
        attempts=config.retries.attempts,
        hedges=config.hedge is not None,
        caches=config.cache is not None,
        coalesces=config.coalesce,
        places=shown_places,
        calls=None if pulse is None else _calls(pulse),
    )


def state_of(breakers: Sequence[str], *, errors: float) -> str:
    """A service's state in one word, from those of its endpoints' breakers and the share of its calls that failed."""
    if not breakers:
        return "idle"
    if all(state == State.OPEN for state in breakers):
        return "down"
    is_well = all(state == State.CLOSED for state in breakers) and errors < MANY
    return "ok" if is_well else "degraded"


def _place(place: PlaceStanding) -> PlaceShape:
    return PlaceShape(
        subset=place.subset,
        url=place.url,
        endpoints=[_endpoint(each) for each in place.endpoints],
        inside=place.inside,
        most=place.most,
        passing=place.passing,
        budget=None if place.budget is None else _budget(place.budget),
    )


def _endpoint(each: EndpointStanding) -> EndpointShape:
    return EndpointShape(
        name=each.name,
        state=str(each.state),
        weight=each.weight,
        active=each.active,
        failures=each.failures,
        ejected=each.ejected,
        back_in_s=None if each.back_in is None else round(each.back_in, 3),
    )


def _budget(budget: BudgetStanding) -> BudgetShape:
    return BudgetShape(
        calls=budget.calls,
        retries=budget.retries,
        left=round(max(0.0, budget.left), 1),
        reserve=budget.reserve,
        window_s=budget.window,
    )


def _calls(pulse: ServicePulse) -> CallsShape:
    return CallsShape(
        window_s=round(pulse.window, 3),
        count=pulse.calls,
        rate=round(pulse.rate, 2),
        errors=pulse.errors,
        resent=pulse.resent,
        cached=pulse.cached,
        shared=pulse.shared,
        p50_ms=_ms(pulse.p50),
        p99_ms=_ms(pulse.p99),
        max_ms=_ms(pulse.longest),
        functions=list(pulse.functions),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
