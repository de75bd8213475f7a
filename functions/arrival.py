"""The arrivals page: where you land, what time it is there, and which days the shops will be closed.

One page view over three services, asked side by side. Airport and clock are required, the holidays are not:
when their service fails the page is shown without them and says so (``Bff-Missing: holidays``). A caller that asks
for ``application/x-ndjson`` sees each part as soon as it is there.
"""

from pydantic import BaseModel, Field

from bff import Call, Context, aggregate, gather, optional

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
    wanted = {"limit": "3"} | ({"fail": trouble} if trouble else {})
    days = ctx.services.holidays.get(f"/holidays/{country}/next", params=wanted, into=list[Holiday])
    return await aggregate(
        Arrival,
        airport=_airport(ctx, country, code),
        clock=_clock(ctx, country, code),
        holidays=optional(days),
    )


def _airport(ctx: Context, country: str, code: str) -> Call[Airport]:
    return ctx.services.airports.get(f"/airports/{code}", params={"country": country}, into=Airport)


async def _clock(ctx: Context, country: str, code: str) -> Clock | None:
    """The airport is asked for once: within a page the same question has one answer."""
    zones = ctx.services.clocks.get("/clocks", params={"country": country}, into=list[Clock])
    airport, clocks = await gather(_airport(ctx, country, code), zones)
    return next((each for each in clocks if each.zone == airport.tz), None)
