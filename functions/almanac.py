"""The almanac: a small site of its own beside the pages, an ordinary Starlette application.

What kind of day it is, computed and asked of nobody: the ISO week, the phase of the moon, the hours of
daylight at a latitude. ``/almanac/today`` is a page for people, ``/almanac/days/2026-12-25`` is for programs.
Any ASGI application can be mounted like this, so what a team has already can move in as it is.
"""

import math
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

SYNODIC_MONTH = 29.530588853  # mean days from new moon to new moon
A_NEW_MOON = datetime(2000, 1, 6, 18, 14, tzinfo=UTC)
PHASES = (
    *("new moon", "waxing crescent", "first quarter", "waxing gibbous"),
    *("full moon", "waning gibbous", "last quarter", "waning crescent"),
)


class Asked(BaseModel):
    """The query of both pages."""

    lat: Annotated[float, Field(ge=-90, le=90)] = 52.31  # Schiphol's


class Day(BaseModel):
    """What the almanac knows of a day."""

    day: date
    iso_week: str = Field(description="such as 2026-W52")
    moon: str = Field(description="the phase at noon UTC, by the mean month: right within a day")
    moon_illuminated: float = Field(description="share of the disc, 0 to 1")
    daylight_hours: float = Field(description="from sunrise to sunset at the latitude, on flat land")


def moon_age(day: date) -> float:
    """Days since the last new moon, at noon UTC."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return (noon - A_NEW_MOON).total_seconds() / 86_400 % SYNODIC_MONTH


def daylight(day: date, lat: float) -> float:
    """Hours between sunrise and sunset; 0 in the polar night, 24 under the midnight sun.

    The sunrise equation, with the usual 0.833° for refraction and the size of the sun's disc.
    """
    tilt = math.radians(-23.44) * math.cos(math.tau * (day.timetuple().tm_yday + 10) / 365.25)
    north = math.radians(max(-89.9, min(89.9, lat)))
    cosine = (math.sin(math.radians(-0.833)) - math.sin(north) * math.sin(tilt)) / (
        math.cos(north) * math.cos(tilt)
    )
    return 24 / math.pi * math.acos(max(-1.0, min(1.0, cosine)))


def describe(day: date, lat: float) -> Day:
    """Everything about one day."""
    year, week, _ = day.isocalendar()
    age = moon_age(day) / SYNODIC_MONTH
    return Day(
        day=day,
        iso_week=f"{year}-W{week:02}",
        moon=PHASES[round(age * 8) % 8],
        moon_illuminated=round((1 - math.cos(math.tau * age)) / 2, 2),
        daylight_hours=round(daylight(day, lat), 1),
    )


async def today(request: Request) -> HTMLResponse:
    """A page for people."""
    about = describe(datetime.now(UTC).date(), Asked.model_validate(dict(request.query_params)).lat)
    return HTMLResponse(
        f"<!doctype html><html lang=en><title>Almanac</title><h1>{about.day:%A, %d %B %Y}</h1>"
        f"<p>Week {about.iso_week}; {about.moon}, {about.moon_illuminated:.0%} lit; "
        f"{about.daylight_hours} hours of daylight.</p></html>"
    )


async def one_day(request: Request) -> JSONResponse:
    """The same for programs, for any day."""
    try:
        day = date.fromisoformat(request.path_params["day"])
    except ValueError:
        return JSONResponse({"detail": "A day is written 2026-12-25."}, status_code=404)
    about = describe(day, Asked.model_validate(dict(request.query_params)).lat)
    return JSONResponse(about.model_dump(mode="json"))


async def unfit(_request: Request, _error: Exception) -> JSONResponse:
    """The only value that can be wrong."""
    return JSONResponse({"detail": "lat lies between -90 and 90."}, status_code=422)


app = Starlette(
    routes=[Route("/today", today), Route("/days/{day}", one_day)],
    exception_handlers={ValidationError: unfit},
)
