"""The arrivals page: where you land, what time it is there, and which days the shops will be closed.

One page view over three services, asked side by side. Airport and clock are required, the holidays are not:
when their service fails the page is shown without them and says so (``Bff-Missing: holidays``).
"""

from pydantic import BaseModel, Field

from bff import Context, gather, optional

from ._models import Airport, AirportCode, Clock, Country, Holiday


class Arrival(BaseModel):
    """Everything the page shows."""

    airport: Airport
    clock: Clock | None = Field(
        description="None: the country does not list the airport's time zone as its own"
    )
    holidays: list[Holiday] | None = Field(
        description="the next ones; None: the holidays service did not answer in time"
    )


async def handle(ctx: Context, country: Country, code: AirportCode, trouble: str | None = None) -> Arrival:
    """``trouble`` is for demonstration: make the holidays service fail (503, cut, html or hang)."""
    airports, clocks, holidays = ctx.services.airports, ctx.services.clocks, ctx.services.holidays
    wanted = {"limit": "3"} | ({"fail": trouble} if trouble else {})
    airport, zones, days = await gather(
        airports.get(f"/airports/{code}", params={"country": country}, into=Airport),
        clocks.get("/clocks", params={"country": country}, into=list[Clock]),
        optional(holidays.get(f"/holidays/{country}/next", params=wanted, into=list[Holiday]), default=None),
    )
    clock = next((each for each in zones if each.zone == airport.tz), None)
    return Arrival(airport=airport, clock=clock, holidays=days)
