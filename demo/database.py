"""One SQLite file per service: built from a package's data on the first start, reused afterwards.

A file is written beside its final name and renamed into place, so that no one ever sees half of one, and is
never changed again. What is in the tables is each service's own business.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

Build = Callable[[sqlite3.Connection], None]


def opened(folder: Path, name: str, *, made_from: str, build: Build) -> sqlite3.Connection:
    """A read-only connection to ``folder/name.db``, built first unless the file is ``made_from`` the same.

    ``made_from`` names everything the content depends on: the package's version, the shape of the tables.
    """
    path = folder / f"{name}.db"
    if not _is_made_from(path, made_from):
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, made_from, build)
    return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    # immutable: a finished file is replaced, never changed, so SQLite need not lock it.
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def _is_made_from(path: Path, made_from: str) -> bool:
    if not path.exists():
        return False
    try:
        with contextlib.closing(_connect(path)) as connection:
            row = connection.execute("SELECT made_from FROM about").fetchone()
    except sqlite3.DatabaseError:  # not ours, or not whole: it is replaced
        return False
    return row is not None and row["made_from"] == made_from


def _write(path: Path, made_from: str, build: Build) -> None:
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    os.close(descriptor)
    try:
        with contextlib.closing(sqlite3.connect(draft)) as connection:
            connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            connection.execute("CREATE TABLE about (made_from TEXT NOT NULL)")
            connection.execute("INSERT INTO about VALUES (?)", (made_from,))
            build(connection)
            connection.commit()
        os.replace(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)
