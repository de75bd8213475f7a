"""Clocks: what time it is anywhere, and when that changes, from the time zone database in ``tzdata``.

``GET /clocks/{area}/{place}``  one zone, as in ``/clocks/Europe/Amsterdam?at=2026-07-01T12:00:00Z``
``GET /clocks``                 the zones of a country: ``?country=NL&at=…``

``at`` is now unless told; a moment without an offset is UTC. ``zoneinfo`` knows the offset at any moment but
not when the next change comes, so the changes are searched once and kept in a table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from demo.database import opened
from demo.service import Country, answer, asked, service, unknown

FIRST, LAST = datetime(2015, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)

_WEEK = 7 * 86_400
_TABLES = """
    CREATE TABLE zones (name TEXT PRIMARY KEY, country TEXT, country_name TEXT) WITHOUT ROWID;
    CREATE INDEX by_country ON zones (country, name);
    CREATE TABLE changes (
        zone TEXT NOT NULL, at INTEGER NOT NULL,  -- seconds since 1970, UTC
        utc_offset INTEGER NOT NULL,              -- seconds, valid from then on
        dst INTEGER NOT NULL, abbreviation TEXT NOT NULL,
        PRIMARY KEY (zone, at)
    ) WITHOUT ROWID;
"""


def _in_range(moment: datetime) -> datetime:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not FIRST <= moment < LAST:
        raise ValueError(f"known from {FIRST.year} until {LAST.year}")
    return moment.astimezone(UTC).replace(microsecond=0)


Moment = Annotated[datetime, AfterValidator(_in_range)]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class One(BaseModel):
    at: Moment = Field(default_factory=_now)


class Listing(One):
    country: Country


class Clocks:
    """The endpoints, over one read-only connection. Queries take microseconds, so they stay on the loop."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def one(self, request: Request) -> JSONResponse:
        query = asked(request, One)
        zone = self._connection.execute(
            "SELECT * FROM zones WHERE name = ?", (request.path_params["zone"],)
        ).fetchone()
        if zone is None:
            raise unknown("No time zone has this name.")
        return answer(self._clock(zone, query.at))

    async def listing(self, request: Request) -> JSONResponse:
        query = asked(request, Listing)
        zones = self._connection.execute(
            "SELECT * FROM zones WHERE country = ? ORDER BY name", (query.country,)
        ).fetchall()
        return answer([self._clock(zone, query.at) for zone in zones])

    def _clock(self, zone: sqlite3.Row, at: datetime) -> dict[str, Any]:
        seconds = int(at.timestamp())
        now = self._connection.execute(
            "SELECT * FROM changes WHERE zone = ? AND at <= ? ORDER BY at DESC LIMIT 1",
            (zone["name"], seconds),
        ).fetchone()
        coming = self._connection.execute(
            "SELECT * FROM changes WHERE zone = ? AND at > ? ORDER BY at LIMIT 1", (zone["name"], seconds)
        ).fetchone()
        local = at.astimezone(timezone(timedelta(seconds=now["utc_offset"])))
        return {
            "zone": zone["name"],
            "country": zone["country"],
            "country_name": zone["country_name"],
            "at": _utc(seconds),
            "local_time": local.isoformat(),
            **_rules(now),
            "next_transition": None if coming is None else {"at": _utc(coming["at"]), **_rules(coming)},
        }


def _rules(change: sqlite3.Row) -> dict[str, Any]:
    sign, minutes = "-" if change["utc_offset"] < 0 else "+", abs(change["utc_offset"]) // 60
    return {
        "utc_offset": f"{sign}{minutes // 60:02}:{minutes % 60:02}",
        "dst": bool(change["dst"]),
        "abbreviation": change["abbreviation"],
    }


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Rules(NamedTuple):
    """What a zone's clocks show from some moment on."""

    utc_offset: int
    dst: bool
    abbreviation: str


def _rules_at(zone: ZoneInfo, seconds: int) -> Rules:
    local = datetime.fromtimestamp(seconds, zone)
    offset, dst = local.utcoffset(), local.dst()
    assert offset is not None
    return Rules(int(offset.total_seconds()), bool(dst), local.tzname() or "")


def changes(zone: ZoneInfo, first: int, last: int) -> Iterator[tuple[int, Rules]]:
    """The rules at ``first`` and every change before ``last``, as (seconds, what holds from then on).

    Looks once a week and halves the week in which something changed. The shortest spell on record since
    2015 is Morocco's Ramadan, four weeks and more.
    """
    rules = _rules_at(zone, first)
    yield first, rules
    for week in range(first, last, _WEEK):
        known, end = week, min(week + _WEEK, last)
        if _rules_at(zone, end) == rules:
            continue
        while end - known > 1:
            middle = (known + end) // 2
            known, end = (middle, end) if _rules_at(zone, middle) == rules else (known, middle)
        rules = _rules_at(zone, end)
        yield end, rules


def _build(connection: sqlite3.Connection) -> None:
    connection.executescript(_TABLES)
    names = sorted((files("tzdata") / "zones").read_text("utf-8").split())
    countries = _countries()
    connection.executemany(
        "INSERT INTO zones VALUES (?, ?, ?)", ((name, *countries.get(name, (None, None))) for name in names)
    )
    connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?)", _rows(names))


def _countries() -> dict[str, tuple[str, str]]:
    """Zone to country code and name. ``zone.tab`` has one country per zone, ``zone1970.tab`` merges them."""
    names = dict(_table("iso3166.tab", 0, 1))
    return {zone: (code, names[code]) for zone, code in _table("zone.tab", 2, 0)}


def _table(name: str, key: int, value: int) -> Iterator[tuple[str, str]]:
    for line in (files("tzdata") / "zoneinfo" / name).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            columns = line.split("\t")
            yield columns[key], columns[value]


def _rows(names: list[str]) -> Iterator[tuple[str, int, int, bool, str]]:
    first, last = int(FIRST.timestamp()), int(LAST.timestamp())
    seen: dict[bytes, list[tuple[int, Rules]]] = {}  # four zones in ten are another's alias: the same bytes
    for name in names:
        path = files("tzdata").joinpath("zoneinfo", *name.split("/"))
        content = path.read_bytes()
        if content not in seen:
            with path.open("rb") as file:
                seen[content] = list(changes(ZoneInfo.from_file(file), first, last))
        yield from ((name, at, *rules) for at, rules in seen[content])


def create(folder: Path) -> ASGIApp:
    """The service, its data in ``folder``."""
    made_from = f"tzdata {version('tzdata')}, {FIRST:%Y} to {LAST:%Y}, tables 1"
    clocks = Clocks(opened(folder, "clocks", made_from=made_from, build=_build))
    return service([Route("/clocks", clocks.listing), Route("/clocks/{zone:path}", clocks.one)])
