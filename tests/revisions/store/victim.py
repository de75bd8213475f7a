"""A gateway's store in a process of its own, for tests that kill it: ``python victim.py PATH-OR-URL VERB …``.

Prints one line for each call that was acknowledged. ``die K …`` kills itself with the K-th sentence it hands to
the database inside a transaction of the verb. ``as USER …`` becomes the user of that number first, once everything
is imported: the interpreter itself may lie where that user cannot look.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bff.clock import SystemClock
from bff.revisions.store import sqlite
from bff.revisions.store.database import Database, Row, Session
from bff.revisions.store.postgres import Postgres
from bff.revisions.store.records import Candidate, Change
from bff.revisions.store.sqlite import SQLite
from bff.revisions.store.store import Store
from bff.revisions.traffic import Target, Traffic
from bff.runtime.threads import Threads

sqlite.BUSY_TIMEOUT = 60.0  # who writes waits for the others longer than a machine stalls


class Dying:
    """A database whose process is killed with the ``sentence``-th sentence of a write."""

    def __init__(self, database: Database, sentence: int) -> None:
        self._database = database
        self.left = sentence

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with self._database.writing() as session:
            yield _Counting(self, session)
            self.passed()  # before the COMMIT

    def reading(self) -> AbstractContextManager[Session]:
        return self._database.reading()

    def wall(self, session: Session) -> float:
        return SystemClock.wall()

    def close(self) -> None:
        self._database.close()

    def passed(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class _Counting:
    def __init__(self, owner: Dying, session: Session) -> None:
        self._owner = owner
        self._session = session

    def rows(self, sql: str, *values: object) -> list[Row]:
        found = self._session.rows(sql, *values)
        self._owner.passed()
        return found

    def many(self, sql: str, values: Sequence[Sequence[object]]) -> list[list[Row]]:
        return [self.rows(sql, *each) for each in values]


def say(word: str) -> None:
    print(word, flush=True)


async def publish(store: Store, names: list[str]) -> None:
    for name in names:
        digest = f"{name}-{os.getpid()}"
        made = await store.publish(
            [Candidate(function="home", digest=digest, archive=digest.encode() * 1000)]
        )
        say(f"{made[0].name} {digest}")


async def move(store: Store, percents: list[str]) -> None:
    for percent in percents:
        targets = (
            Target(revision="home-00001", percent=int(percent)),
            Target(revision="home-00002", percent=100 - int(percent)),
        )
        state = await store.move(Change(function="home", what="traffic", who="ann", traffic=Traffic(targets)))
        say(f"{state.version} {percent}")


async def hold(database: Database) -> None:
    """A write that does not end before a line comes in."""
    with database.writing() as session:
        session.rows("UPDATE sequence SET at = at + 1 WHERE id = 1")
        say("held")
        sys.stdin.readline()


async def main(where: str, verb: str, *words: str) -> None:
    if verb == "as":
        os.setuid(int(words[0]))
        verb, *words = words[1:]  # type: ignore[assignment]
    wall = SystemClock.wall
    database: Database
    if "://" in where:
        database = Postgres(where, now=wall, statement_timeout=60_000)
    else:
        database = SQLite(Path(where), wall=wall)
    if verb == "die":
        sentence, verb, *words = words  # type: ignore[assignment]
        database = Dying(database, int(sentence))
    if verb == "hold":
        await hold(database)
        return
    store = Store(database, thread=Threads("bff-store", 1), clock=SystemClock())
    await {"publish": publish, "move": move}[verb](store, list(words))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
