"""Stores on real databases: a file, memory, and a PostgreSQL server of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bff.clock import SystemClock
from bff.revisions.store import sqlite
from bff.revisions.store.database import Database
from bff.revisions.store.postgres import Postgres
from bff.revisions.store.records import Candidate
from bff.revisions.store.sqlite import SQLite
from bff.revisions.store.store import Store
from bff.runtime.threads import Threads

Open = Callable[..., Store]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes waits for the others longer than a machine stalls; tests of the wait itself say how long."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 60.0)


@pytest.fixture(params=["file", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """What two gateways can share."""
    if request.param == "file":
        return tmp_path / ".bff/state.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def database_at(where: Path | str | None) -> Database:
    if isinstance(where, str):
        return Postgres(where, now=SystemClock.wall, statement_timeout=60_000)
    return SQLite(where, wall=SystemClock.wall)


@pytest.fixture
async def open_store(where: Path | str) -> AsyncIterator[Open]:
    """``open_store()``: a gateway's store; every call is another gateway on the same one."""
    opened: list[tuple[Store, Threads]] = []

    def start(*, is_ephemeral: bool = False) -> Store:
        thread = Threads("bff-store", 1)
        store = Store(database_at(where), thread=thread, clock=SystemClock(), is_ephemeral=is_ephemeral)
        opened.append((store, thread))
        return store

    yield start
    for store, thread in opened:
        await store.close()
        thread.close()


@pytest.fixture
def store(open_store: Open) -> Store:
    return open_store()


def candidate(
    digest: str, function: str = "home", *, name: str = "", folder: str = "", note: str = ""
) -> Candidate:
    return Candidate(
        function=function,
        digest=digest,
        archive=digest.encode() * 10,
        settings='{"timeout": 10.0}',
        name=name,
        author="ann",
        folder=folder,
        note=note,
    )
