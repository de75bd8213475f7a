"""The "airports near you" box: which ones are nearest to where the visitor stands.

Asks no service: ``start`` builds an index over the coordinates that lie beside this file, once per instance,
and every call then looks at a few dozen of the 7,884 places.
"""

import asyncio
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, Field

from .._geo import unit_vector
from .tree import Node, Place, build, nearest


class Near(BaseModel):
    """One airport in the box."""

    iata: str = Field(description="IATA code")
    lat: float = Field(description="degrees north")
    lon: float = Field(description="degrees east")
    distance_km: float = Field(description="great-circle distance from the visitor")


class Distance:
    """Its only mutable state is ``_index``: None until ``start`` has run and after ``stop``."""

    def __init__(self) -> None:
        self._index: Node | None = None

    async def start(self, _cfg: dict[str, str]) -> None:
        """Build the index; the instance takes no call before."""
        # Some tens of milliseconds of sorting: not on the event loop, which others share.
        self._index = await asyncio.to_thread(lambda: build(places()))

    def ready(self) -> tuple[bool, str]:
        """Whether calls can be answered, and why not."""
        return self._index is not None, "the index is not built"

    async def handle(
        self,
        lat: Annotated[float, Field(ge=-90, le=90)],
        lon: Annotated[float, Field(ge=-180, le=180)],
        limit: Annotated[int, Field(ge=1, le=50)] = 5,
    ) -> list[Near]:
        """The nearest airports, nearest first."""
        return [
            Near(iata=place.iata, lat=place.lat, lon=place.lon, distance_km=round(away, 1))
            for away, place in nearest(self._index, unit_vector(lat, lon), limit)
        ]

    def stop(self) -> None:
        """Let the index go."""
        self._index = None


def places() -> list[Place]:
    """The places of ``airports.csv``, by the import system: each revision has the file of its time."""
    rows = (files(__name__) / "airports.csv").read_text("utf-8").splitlines()[1:]
    return [Place.at(iata, float(lat), float(lon)) for iata, lat, lon in (row.split(",") for row in rows)]


def new() -> Distance:
    return Distance()
