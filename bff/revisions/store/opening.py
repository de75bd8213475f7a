"""Which database is behind a ``state`` address."""

from __future__ import annotations

from bff.clock import Clock
from bff.config import Place
from bff.revisions.store.database import Database
from bff.revisions.store.sqlite import SQLite


def database_of(place: Place, clock: Clock) -> Database:
    """The database at a place; PostgreSQL's driver is imported where it is asked for only."""
    if place.postgres:
        from bff.revisions.store.postgres import Postgres

        return Postgres(place.postgres, now=clock.wall)
    return SQLite(place.file, wall=clock.wall)
