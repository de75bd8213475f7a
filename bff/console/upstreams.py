"""Services: who is well, who is left alone, what they cost; and one of them with its endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bff.admin import services
from bff.admin.desk import House
from bff.admin.operation import Asked, Query
from bff.admin.serviceshapes import ServiceShape
from bff.console.page import Facts, Page
from bff.errors import NotFound

WINDOW = 60
ROWS = 50
LEAST_FILTER = 8
"""Services from which on there is a filter."""

KINDS = {"down": "bad", "degraded": "warn", "ok": "ok", "idle": ""}
BREAKERS: Mapping[str, tuple[str, str]] = {
    "closed": ("closed", "ok"),
    "half-open": ("half-open", "warn"),
    "open": ("open", "bad"),
}
"""A breaker's state: its word, and how that is painted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Over all services."""

    services: int
    endpoints: int
    out: int
    rate: float
    errors: int
    resent: int


class Upstreams:
    """Immutable."""

    def __init__(self, house: House) -> None:
        self._services = services.Services(house.backends, house.recorder, clock=house.clock)
        self._is_recorded = house.recorder is not None

    def pages(self) -> list[Page]:
        """All of them, and one."""
        return [
            Page(
                name="services",
                path="/console/services",
                title="Services",
                facts=self._list,
                nav="Services",
                key="s",
                query=(Query(name="filter", says="A part of the name."),),
                parts=("numbers", "rows"),
            ),
            Page(
                name="service",
                path="/console/services/{service}",
                title="Service",
                facts=self._one,
                under="services",
                parts=("numbers", "places"),
            ),
        ]

    async def _list(self, asked: Asked) -> Facts:
        text = asked.query.get("filter", "").strip()
        told = self._services.every(WINDOW)
        found = [each for each in told.services if text.lower() in each.name.lower()]
        return {
            "filter": text,
            "window": WINDOW,
            "is_recorded": self._is_recorded,
            "has_filter": len(told.services) >= LEAST_FILTER,
            "totals": asdict(totals(told.services)),
            "cache": told.cache,
            "found": len(found),
            "rows": [(each, *endpoints_of(each)) for each in found[:ROWS]],
            "kinds": KINDS,
        }

    async def _one(self, asked: Asked) -> Facts:
        name = asked.params["service"]
        told = next((each for each in self._services.every(WINDOW).services if each.name == name), None)
        if told is None:
            raise NotFound(f"There is no service {name[:80]} in routes.yaml.")
        facts: dict[str, Any] = {"service": told, "window": WINDOW, "is_recorded": self._is_recorded}
        return {**facts, "kinds": KINDS, "breakers": BREAKERS, "endpoints": endpoints_of(told)}


def totals(told: Iterable[ServiceShape]) -> Totals:
    """All of them together."""
    listed = list(told)
    calls = [each.calls for each in listed if each.calls is not None]
    counts = [endpoints_of(each) for each in listed]
    return Totals(
        services=len(listed),
        endpoints=sum(count for _, count in counts),
        out=sum(count - well for well, count in counts),
        rate=sum(each.rate for each in calls),
        errors=sum(each.errors for each in calls),
        resent=sum(each.resent for each in calls),
    )


def endpoints_of(told: ServiceShape) -> tuple[int, int]:
    """How many of its endpoints are called, and how many there are."""
    states = [endpoint.state for place in told.places for endpoint in place.endpoints]
    return sum(state != "open" for state in states), len(states)
