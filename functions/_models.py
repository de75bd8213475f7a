"""What the domain services answer, as far as the pages need it, and the codes that pages are asked with."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

Country = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$", to_upper=True)]
"""An ISO 3166-1 alpha-2 code, such as NL."""

AirportCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)]
"""An IATA code, such as AMS. Checked before it becomes part of a service's path."""


class Airport(BaseModel):
    """From the airports service."""

    iata: str = Field(description="IATA code")
    name: str
    city: str
    country: str = Field(description="ISO 3166-1 alpha-2 code")
    lat: float = Field(description="degrees north")
    lon: float = Field(description="degrees east")
    tz: str = Field(description="name in the time zone database, such as Europe/Amsterdam")


class Nearby(Airport):
    """An airport seen from another place."""

    distance_km: float = Field(description="great-circle distance")


class Holiday(BaseModel):
    """From the holidays service."""

    date: date
    name: str = Field(description="in English")
    local_name: str = Field(description="in the language of the country")


class Transition(BaseModel):
    """When a clock is next put forward or back."""

    at: datetime = Field(description="the moment, in UTC")
    utc_offset: str = Field(description="from then on, such as +02:00")
    dst: bool = Field(description="whether daylight saving time begins")


class Clock(BaseModel):
    """From the clocks service."""

    zone: str = Field(description="name in the time zone database")
    local_time: datetime
    utc_offset: str = Field(description="such as +01:00")
    dst: bool = Field(description="whether daylight saving time is in force")
    next_transition: Transition | None = Field(description="None: no change is planned")
