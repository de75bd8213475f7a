"""What the two databases have in common: one connection, sentences in one dialect, short transactions.

Everything here blocks, and runs on the store's own thread. The dialect is what SQLite 3.35 and PostgreSQL
both read: ``?`` for values, ``ON CONFLICT``, ``RETURNING``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from bff.revisions.store.failures import StoreBroken
from bff.revisions.store.schema import MIGRATIONS, NOTED

Row = Sequence[Any]


class Session(Protocol):
    """A connection inside a transaction."""

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Run a sentence and give what it returns, nothing for one that returns nothing."""

    def many(self, sql: str, values: Sequence[Sequence[object]]) -> list[list[Row]]:
        """Run a sentence once for each of these, in their order, and give what each returns: over a network that is one
        round trip, not one for each.
        """


class Database(Protocol):
    """A database that is opened when first needed and again when the connection is lost.

    Everything raises StoreUnavailable or StoreBroken, and no error of the driver.
    """

    def writing(self) -> AbstractContextManager[Session]:
        """A transaction that other writers of the same rows wait for. Leaving it commits to the disk;
        an exception undoes it.
        """

    def reading(self) -> AbstractContextManager[Session]:
        """A transaction that sees one state of everything."""

    def wall(self, session: Session) -> float:
        """Unix time, by a clock that all gateways on this database share."""

    def close(self) -> None:
        """Let the connection go."""


def row(session: Session, sql: str, *values: object) -> Row | None:
    """The first row, if there is one."""
    found = session.rows(sql, *values)
    return found[0] if found else None


def migrate(session: Session, now: float) -> None:
    """Bring the tables up to what this version knows; others wait until the transaction ends.

    Raises:
        StoreBroken: a newer version wrote them.

    """
    session.rows(NOTED)
    (at,) = session.rows("SELECT COALESCE(MAX(version), 0) FROM migrations")[0]
    check(at)
    for number, sentences in enumerate(MIGRATIONS[at:], at + 1):
        for sentence in sentences:
            session.rows(sentence)
        session.rows("INSERT INTO migrations (version, applied) VALUES (?, ?)", number, now)


def check(at: int) -> bool:
    """Whether the tables are what this version knows.

    Raises:
        StoreBroken: they are newer.

    """
    if at > len(MIGRATIONS):
        raise StoreBroken(
            f"was written by a newer bff: its schema is {at}, this one knows {len(MIGRATIONS)}",
            remedy="run the newer version, or name another store under `state`",
        )
    return at == len(MIGRATIONS)


def next_number(session: Session) -> int:
    """The next number of the sequence; who has it keeps all others waiting until it commits."""
    return int(session.rows("UPDATE sequence SET at = at + 1 WHERE id = 1 RETURNING at")[0][0])
