"""The store in one file, by the standard library's SQLite: the default, for one machine.

WAL, so that readers never wait, and ``synchronous = FULL``: in WAL mode NORMAL would give back a commit
before it is on the disk (https://sqlite.org/pragma.html#pragma_synchronous), and what was acknowledged must
outlive a loss of power. A write then costs one fsync; nobody writes per request.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bff.revisions.store import database
from bff.revisions.store.database import Row, Session
from bff.revisions.store.failures import StoreBroken, StoreUnavailable

BUSY_TIMEOUT = 3.0
"""Seconds to wait for another process's write to end before saying that the store is locked."""

_SAID = {
    sqlite3.SQLITE_BUSY: ("is locked by another process", "find out who holds it: `fuser` names it"),
    sqlite3.SQLITE_LOCKED: ("is locked by another process", "find out who holds it: `fuser` names it"),
    sqlite3.SQLITE_READONLY: ("is read-only", "make its file and its folder writable for this user"),
    sqlite3.SQLITE_PERM: ("is not ours to open", "make its file and its folder writable for this user"),
    sqlite3.SQLITE_FULL: ("is full", "make room on its disk"),
    sqlite3.SQLITE_IOERR: ("cannot be written or read: its disk fails", "look at the disk"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "make its folder writable for this user"),
}
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})


class SQLite:
    """Mutable state: ``_connection`` and ``_file``, what lay at the path when it was opened. ``path`` None is
    a store in memory, which ends with its connection.
    """

    def __init__(self, path: Path | None, *, wall: Callable[[], float]) -> None:
        self._path = path
        self._wall = wall
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """BEGIN IMMEDIATE: one writer at a time."""
        with self._transaction("BEGIN IMMEDIATE") as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A snapshot of the last commit."""
        with self._transaction("BEGIN") as session:
            yield session

    def wall(self, session: Session) -> float:
        """The machine's own: whoever shares the file shares it."""
        return self._wall()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Session]:
        with self._translated(), _transaction(self._opened(), begin) as session:
            yield session

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _BROKEN or code == sqlite3.SQLITE_IOERR:
                self.close()
            if code in _BROKEN:
                raise StoreBroken(
                    f"{self._shown} is damaged: {error}",
                    remedy="put a copy back in its place, or move it away to begin with an empty one",
                ) from error
            why, remedy = _SAID.get(code, (f"failed: {error}", ""))
            raise StoreUnavailable(f"{self._shown} {why}", remedy=remedy) from error
        except OSError as error:
            raise StoreUnavailable(
                f"{self._shown} cannot be opened: {error.strerror or error}",
                remedy="make its folder writable for this user",
            ) from error

    @property
    def _shown(self) -> str:
        return str(self._path) if self._path else "in memory"

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        elif self._path is not None and _identity(self._path) != self._file:
            # SQLite would go on in a file that no longer has a name, and lose what it acknowledges.
            raise StoreUnavailable(
                f"{self._shown} was removed or replaced while in use", remedy="restart the gateway"
            )
        return self._connection

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            return self._connect(":memory:")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            # One at a time: two processes that turn a new file into WAL mode would refuse each other.
            fcntl.flock(folder, fcntl.LOCK_EX)
            _make(self._path, folder)
            connection = self._connect(str(self._path))
            self._file = _identity(self._path)
            return connection
        finally:
            os.close(folder)

    def _connect(self, name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            name, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        has_tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone()
        if has_tables:
            (at,) = connection.execute("SELECT COALESCE(MAX(version), 0) FROM migrations").fetchone()
            if database.check(at):
                return

        with _transaction(connection, "BEGIN IMMEDIATE") as session:
            database.migrate(session, self._wall())

    def __repr__(self) -> str:
        return f"<SQLite {self._shown}>"


class _Sentences:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, *values: object) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def many(self, sql: str, values: Sequence[Sequence[object]]) -> list[list[Row]]:
        return [self._connection.execute(sql, each).fetchall() for each in values]


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[Session]:
    connection.execute(begin)
    try:
        yield _Sentences(connection)
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have undone it already, and then there is nothing to roll back.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _make(path: Path, folder: int) -> None:
    """A file that only its owner can read, and a folder that remembers it: SQLite gives its other two files
    the mode of the first.
    """
    try:
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        with suppress(PermissionError):  # another user's, who sees to it
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
        return
    os.close(made)
    os.fsync(folder)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
