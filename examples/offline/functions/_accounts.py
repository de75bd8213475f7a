"""The accounts: a table of the shop's own."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACE = Path("accounts.db")


@contextmanager
def accounts() -> Iterator[sqlite3.Connection]:
    """A transaction."""
    connection = sqlite3.connect(PLACE, timeout=10)
    try:
        with connection:
            yield connection
    finally:
        connection.close()
