"""Engines on real databases, and events to put into them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from bff.clock import Clock, SystemClock
from bff.events.broker import Outcome
from bff.events.engine import StoreEngine
from bff.events.records import Claimed, Incoming, Planned, Settled, State, Wanted
from bff.revisions.store.database import Database
from bff.revisions.store.postgres import Postgres
from bff.revisions.store.sqlite import SQLite
from bff.revisions.store.store import Store
from bff.runtime.threads import Threads
from bff.sdk.cloudevent import CloudEvent, document_of

Open = Callable[[], StoreEngine]


@pytest.fixture(params=["file", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """What several gateways can share."""
    if request.param == "file":
        return tmp_path / ".bff/state.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def open_engine(where: Path | str) -> AsyncIterator[Open]:
    """``open_engine()``: a gateway's engine; every call is another gateway on the same store."""
    opened: list[tuple[Store, Threads]] = []

    def start() -> StoreEngine:
        thread = Threads("bff-store", 1)
        database: Database = (
            Postgres(where, now=SystemClock.wall, statement_timeout=60_000)
            if isinstance(where, str)
            else SQLite(where, wall=SystemClock.wall)
        )
        store = Store(database, thread=thread, clock=SystemClock())
        opened.append((store, thread))
        return StoreEngine(store)

    yield start
    for store, thread in opened:
        await store.close()
        thread.close()


class Inline:
    """A store's thread that is none: everything happens at once, on the loop."""

    async def run(self, call: Callable[[], Any]) -> Any:
        return call()


def in_memory(clock: Clock) -> StoreEngine:
    """The engine of a gateway in dev, on a clock that a test may move; what it keeps goes with the test."""
    return StoreEngine(store_in_memory(clock, is_ephemeral=True))


def store_in_memory(clock: Clock, *, is_ephemeral: bool = False) -> Store:
    database = SQLite(None, wall=clock.wall)
    _in_memory.append(database)
    return Store(database, thread=Inline(), clock=clock, is_ephemeral=is_ephemeral)


_in_memory: list[SQLite] = []


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """A connection that the collector closes is a warning from Python 3.13 on."""
    yield
    while _in_memory:
        _in_memory.pop().close()


def incoming(
    number: int = 1, *triggers: str, source: str = "/s", key: str = "", lane: str = "", kind: str = "t"
) -> Incoming:
    """An event with a delivery for each trigger, to the function of the same name."""
    event = CloudEvent(id=str(number), source=source, type=kind, data={"n": number})
    return Incoming(
        key=key or f"k{number:04}",
        event=event,
        document=to_json(document_of(event)),
        triggers="digest",
        deliveries=tuple(Planned(trigger=each, function=each, lane=lane) for each in triggers),
    )


def wanted(holder: str = "a", free: int = 10, lease: float = 60.0, **rooms: int) -> Wanted:
    return Wanted(holder=holder, free=free, lease=lease, rooms=rooms)


def settled(
    claimed: Claimed,
    state: State = State.DELIVERED,
    *,
    holder: str = "a",
    delay: float = 0.0,
    published: tuple[Incoming, ...] = (),
) -> Settled:
    status = 200 if state is State.DELIVERED else 500
    return Settled(
        claimed=claimed,
        holder=holder,
        outcome=Outcome(status=status, code="c", detail="d"),
        state=state,
        delay=delay,
        revision="f-00001",
        published=published,
    )
