"""Public holidays of some 250 countries and territories, from the package ``holidays``.

``GET /holidays/{country}``       those of a year: ``?year=2026`` (this year unless told)
``GET /holidays/{country}/next``  the next ones after a day: ``?after=2026-11-22&limit=3`` (today unless told)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import holidays
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from demo.database import opened
from demo.service import answer, asked, service, unknown

FIRST_YEAR, LAST_YEAR = 2020, 2035

_TABLES = """
    CREATE TABLE countries (code TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE holidays (
        country TEXT NOT NULL, day TEXT NOT NULL, name TEXT NOT NULL, local_name TEXT NOT NULL,
        PRIMARY KEY (country, day)
    ) WITHOUT ROWID;
"""


def _today() -> date:
    return datetime.now(UTC).date()


class OfYear(BaseModel):
    year: int = Field(default_factory=lambda: _today().year, ge=FIRST_YEAR, le=LAST_YEAR)


class Next(BaseModel):
    after: date = Field(default_factory=_today, ge=date(FIRST_YEAR, 1, 1), le=date(LAST_YEAR, 12, 31))
    limit: int = Field(3, ge=1, le=50)


class Holidays:
    """The endpoints, over one read-only connection. Queries take microseconds, so they stay on the loop."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _country(self, request: Request) -> str:
        code: str = request.path_params["country"].upper()
        if self._connection.execute("SELECT 1 FROM countries WHERE code = ?", (code,)).fetchone() is None:
            raise unknown("No country has this code.")
        return code

    async def of_year(self, request: Request) -> JSONResponse:
        year, country = asked(request, OfYear).year, self._country(request)
        rows = self._connection.execute(
            "SELECT * FROM holidays WHERE country = ? AND day BETWEEN ? AND ? ORDER BY day",
            (country, f"{year}-01-01", f"{year}-12-31"),
        )
        return answer([_public(row) for row in rows])

    async def next(self, request: Request) -> JSONResponse:
        query, country = asked(request, Next), self._country(request)
        rows = self._connection.execute(
            "SELECT * FROM holidays WHERE country = ? AND day > ? ORDER BY day LIMIT ?",
            (country, query.after.isoformat(), query.limit),
        )
        return answer([_public(row) for row in rows])


def _public(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "country": row["country"],
        "date": row["day"],
        "name": row["name"],
        "local_name": row["local_name"],
    }


def _build(connection: sqlite3.Connection) -> None:
    connection.executescript(_TABLES)
    countries = sorted(holidays.list_supported_countries(include_aliases=False))
    connection.executemany("INSERT INTO countries VALUES (?)", ((code,) for code in countries))
    connection.executemany("INSERT INTO holidays VALUES (?, ?, ?, ?)", _rows(countries))


def _rows(countries: list[str]) -> Iterator[tuple[str, str, str, str]]:
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    for country in countries:
        # Named outright: left open, the package takes the language of this process's locale.
        own = getattr(holidays, country).default_language
        english = holidays.country_holidays(country, years=years, language="en_US")
        for day, local_name in holidays.country_holidays(country, years=years, language=own).items():
            yield country, day.isoformat(), english.get(day) or local_name, local_name


def create(folder: Path) -> ASGIApp:
    """The service, its data in ``folder``."""
    made_from = f"holidays {version('holidays')}, {FIRST_YEAR} to {LAST_YEAR}, tables 1"
    endpoints = Holidays(opened(folder, "holidays", made_from=made_from, build=_build))
    return service(
        [
            Route("/holidays/{country}", endpoints.of_year),
            Route("/holidays/{country}/next", endpoints.next),
        ]
    )
