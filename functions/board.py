"""The departures board: every airport of a country and how far away it is, sent while it is being fetched.

The service gives pages of fifty; each line leaves as soon as its page is there, as newline-delimited JSON, so
the board fills from the top and the gateway never holds the whole list. An unknown origin or country is
still an ordinary 404: nothing was sent by then.
"""

from collections.abc import AsyncIterator

from pydantic import BaseModel, Field

from bff import Context, Problem, gather

from ._geo import kilometres, unit_vector
from ._models import Airport, AirportCode, Country

PAGE = 50


class Line(BaseModel):
    """One line of the board."""

    iata: str = Field(description="IATA code")
    city: str
    name: str
    distance_km: float = Field(description="great-circle distance from the origin")


async def handle(ctx: Context, country: Country, origin: AirportCode = "AMS") -> AsyncIterator[Line]:
    airports = ctx.services.airports
    asked = {"country": country, "limit": PAGE}
    here, page = await gather(
        airports.get(f"/airports/{origin}", into=Airport),
        airports.get("/airports", params=asked, into=list[Airport]),
    )
    if not page:
        raise Problem(404, f"No airport is known in {country}.")
    start = unit_vector(here.lat, here.lon)
    while page:
        for airport in page:
            away = kilometres(start, unit_vector(airport.lat, airport.lon))
            yield Line(iata=airport.iata, city=airport.city, name=airport.name, distance_km=round(away, 1))
        page = await airports.get("/airports", params={**asked, "after": page[-1].iata}, into=list[Airport])
