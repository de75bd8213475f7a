"""Airports: some 28,000 of them with their coordinates and time zones, from the package ``airportsdata``.

``GET /airports/{code}``       one airport by IATA or ICAO code; ``?country=NL`` to insist on its country
``GET /airports``              those of a country that have an IATA code: ``?country=NL&limit=20&after=EIN``
``GET /airports/{code}/near``  the nearest others with an IATA code, by great circle: ``?limit=5``
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import airportsdata
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from demo.database import opened
from demo.service import Country, answer, asked, service, unknown

EARTH_RADIUS_KM = 6371.0088  # IUGG's mean radius R1

_COLUMNS = "iata, icao, name, city, region, country, elevation_ft, lat, lon, tz"
_TABLES = """
    CREATE TABLE airports (
        icao TEXT PRIMARY KEY, iata TEXT, name TEXT NOT NULL, city TEXT NOT NULL, region TEXT NOT NULL,
        country TEXT NOT NULL, elevation_ft REAL NOT NULL, lat REAL NOT NULL, lon REAL NOT NULL,
        tz TEXT NOT NULL,
        x REAL NOT NULL, y REAL NOT NULL, z REAL NOT NULL  -- the place on the unit sphere
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX by_iata ON airports (iata) WHERE iata IS NOT NULL;
    CREATE INDEX by_country ON airports (country, iata) WHERE iata IS NOT NULL;
"""


class One(BaseModel):
    country: Country | None = None


class Listing(BaseModel):
    country: Country
    limit: int = Field(20, ge=1, le=200)
    after: Annotated[str, StringConstraints(max_length=3, to_upper=True)] = ""


class Near(BaseModel):
    limit: int = Field(5, ge=1, le=50)


class Airports:
    """The endpoints, over one read-only connection. Queries take microseconds, so they stay on the loop."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _find(self, code: str) -> sqlite3.Row:
        key = "iata" if len(code) == 3 else "icao"
        row = self._connection.execute(f"SELECT * FROM airports WHERE {key} = ?", (code.upper(),)).fetchone()
        if row is None:
            raise unknown("No airport has this code.")
        assert isinstance(row, sqlite3.Row)
        return row

    async def one(self, request: Request) -> JSONResponse:
        query = asked(request, One)
        row = self._find(request.path_params["code"])
        if query.country not in (None, row["country"]):
            raise unknown(f"No airport in {query.country} has this code.")
        return answer(_public(row))

    async def listing(self, request: Request) -> JSONResponse:
        query = asked(request, Listing)
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM airports WHERE country = ? AND iata > ? ORDER BY iata LIMIT ?",
            (query.country, query.after, query.limit),
        )
        return answer([_public(row) for row in rows])

    async def near(self, request: Request) -> JSONResponse:
        query = asked(request, Near)
        here = self._find(request.path_params["code"])
        # On the unit sphere the nearest place has the largest dot product; no trigonometry per row.
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM airports WHERE iata IS NOT NULL AND icao != ?"
            " ORDER BY x * ? + y * ? + z * ? DESC LIMIT ?",
            (here["icao"], here["x"], here["y"], here["z"], query.limit),
        )
        return answer([_public(row) | {"distance_km": round(_kilometres(here, row), 1)} for row in rows])


def _public(row: sqlite3.Row) -> dict[str, Any]:
    return {name: row[name] for name in _COLUMNS.split(", ")}


def _kilometres(one: sqlite3.Row, other: sqlite3.Row) -> float:
    """The great-circle distance by the haversine formula, which stays exact for close places."""
    south, north = math.radians(one["lat"]), math.radians(other["lat"])
    east = math.radians(other["lon"] - one["lon"])
    h = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))


def _build(connection: sqlite3.Connection) -> None:
    connection.executescript(_TABLES)
    connection.executemany(f"INSERT INTO airports VALUES ({', '.join('?' * 13)})", _rows())


def _rows() -> Iterator[tuple[str | float | None, ...]]:
    for icao, it in airportsdata.load("ICAO").items():
        lat, lon = math.radians(it["lat"]), math.radians(it["lon"])
        place = (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
        yield (
            *(icao, it["iata"] or None, it["name"], it["city"], it["subd"], it["country"]),
            *(it["elevation"], it["lat"], it["lon"], it["tz"]),
            *place,
        )


def create(folder: Path) -> ASGIApp:
    """The service, its data in ``folder``."""
    connection = opened(
        folder, "airports", made_from=f"airportsdata {version('airportsdata')}, tables 1", build=_build
    )
    airports = Airports(connection)
    return service(
        [
            Route("/airports", airports.listing),
            Route("/airports/{code}", airports.one),
            Route("/airports/{code}/near", airports.near),
        ]
    )
