"""How a service stands at this moment, as its clients' layers know it: nobody keeps count of it on the way of a call.

What was called lately, and how that went, is the recorder's to tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from bff.services.breaker import State
from bff.services.client import ServiceClient
from bff.services.endpoints import Member
from bff.services.pool import AnyClient
from bff.services.ways import Ways


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStanding:
    """One endpoint: ``active`` calls on their way there, ``failures`` in a row, how often in a row it was
    ``ejected``, and the seconds until it is asked again (``back_in``; None while it is not out).
    """

    name: str
    state: State
    weight: float
    active: int
    failures: int
    ejected: int
    back_in: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStanding:
    """Retries and hedges of the last ``window`` seconds, beside the ``calls`` that paid for them; ``left`` may be sent
    at this moment, at least ``reserve`` where nobody calls.
    """

    calls: int
    retries: int
    left: float
    reserve: float
    window: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceStanding:
    """A service, or one ``subset`` of it. Before its first call nothing is known but the URL: ``budget`` is None then.
    ``inside`` are calls sent or waiting, of ``most``; ``passing`` requests pass through.
    """

    subset: str
    url: str
    endpoints: tuple[EndpointStanding, ...] = ()
    inside: int = 0
    most: int = 0
    passing: int = 0
    budget: BudgetStanding | None = None


def places_of(client: AnyClient, now: float) -> tuple[PlaceStanding, ...]:
    """Everything a service is made of, what its own URL leads to first; ``now`` is the clock's."""
    places = sorted(client.places.items(), key=lambda each: each[0] != "")
    return tuple(_place(place, subset, now) for subset, place in places)


def _place(place: ServiceClient, subset: str, now: float) -> PlaceStanding:
    url, ways = place.config.url, place.ways
    if ways is None:
        return PlaceStanding(subset=subset, url=url)
    return PlaceStanding(
        subset=subset,
        url=url,
        endpoints=tuple(_endpoint(member, now) for member in ways.endpoints.members),
        inside=ways.places.inside,
        most=ways.places.most,
        passing=place.passing,
        budget=_budget(ways, now),
    )


def _endpoint(member: Member, now: float) -> EndpointStanding:
    breaker = member.breaker
    is_out = breaker.state is not State.CLOSED
    return EndpointStanding(
        name=member.name,
        state=breaker.state,
        weight=member.weight,
        active=member.active,
        failures=breaker.in_a_row,
        ejected=breaker.times if is_out else 0,
        back_in=max(0.0, breaker.until - now) if is_out else None,
    )


def _budget(ways: Ways, now: float) -> BudgetStanding:
    calls, retries = ways.budget.counts(now)
    return BudgetStanding(
        calls=calls,
        retries=retries,
        left=ways.budget.balance(now),
        reserve=ways.budget.policy.reserve,
        window=ways.budget.policy.ttl,
    )
