"""The layover page: hours to fill at an airport of which the booking knows nothing but the code.

Two stages: the airport tells its country and time zone, and only then the clock, the holidays and the
neighbouring airports can be asked for, all at once.
"""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from bff import Context, gather, optional

from ._models import Airport, AirportCode, Clock, Holiday, Nearby

Day = Annotated[
    date,
    Field(
        ge=date(2020, 1, 1),
        le=date(2035, 12, 31),
        description="from 2020-01-01 to 2035-12-31",
        json_schema_extra={"pattern": "^20(2[0-9]|3[0-5])-"},  # JSON Schema has no bounds for dates
    ),
]
"""A day whose holidays the service knows."""


class Layover(BaseModel):
    """Everything the page shows."""

    airport: Airport
    day: date = Field(description="the day of the layover")
    clock: Clock = Field(description="the local clock at noon UTC of that day")
    holiday: Holiday | None = Field(description="the public holiday on that day, if it is one and is known")
    alternatives: list[Nearby] | None = Field(
        description="airports nearby to travel on from; None: the airports service did not tell"
    )


async def handle(ctx: Context, code: AirportCode, day: Day | None = None) -> Layover:
    """``day`` is today (UTC) unless told."""
    airports, clocks, holidays = ctx.services.airports, ctx.services.clocks, ctx.services.holidays
    day = day or datetime.now(UTC).date()
    airport = await airports.get(f"/airports/{code}", into=Airport)
    clock, days, alternatives = await gather(
        clocks.get(f"/clocks/{airport.tz}", params={"at": f"{day}T12:00:00Z"}, into=Clock),
        optional(
            holidays.get(f"/holidays/{airport.country}", params={"year": day.year}, into=list[Holiday]),
            default=None,
        ),
        optional(
            airports.get(f"/airports/{code}/near", params={"limit": 3}, into=list[Nearby]),
            default=None,
            name="alternatives",
        ),
    )
    holiday = next((each for each in days or [] if each.date == day), None)
    return Layover(airport=airport, day=day, clock=clock, holiday=holiday, alternatives=alternatives)
