"""The "airports near you" box: which ones are nearest to where the visitor stands.

Asks no service: the coordinates lie beside this file in the order of a search tree (``python -m demo.nearby``
wrote them), ``start`` fetches them once per instance, and a call looks at a few dozen of the 7,884 places.
"""

from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, Field

from .._geo import unit_vector
from .tree import Tree


class Near(BaseModel):
    """One airport in the box."""

    iata: str = Field(description="IATA code")
    lat: float = Field(description="degrees north")
    lon: float = Field(description="degrees east")
    distance_km: float = Field(description="great-circle distance from the visitor")


class Distance:
    """Its only mutable state is ``_index``: None until ``start`` has run and after ``stop``."""

    def __init__(self) -> None:
        self._index: Tree | None = None

    def start(self, _cfg: dict[str, str]) -> None:
        """Fetch the index; the instance takes no call before. A millisecond: the event loop may wait for it."""
        self._index = Tree(places())

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
        assert self._index is not None
        return [
            Near(iata=place.iata, lat=place.lat, lon=place.lon, distance_km=round(away, 1))
            for away, place in self._index.nearest(unit_vector(lat, lon), limit)
        ]

    def stop(self) -> None:
        """Let the index go."""
        self._index = None


def places() -> list[str]:
    """The rows of ``airports.csv``, by the import system: each revision has the file of its time."""
    return (files(__name__) / "airports.csv").read_text("utf-8").splitlines()[1:]


def new() -> Distance:
    return Distance()
