"""The store on PostgreSQL, by psycopg 3: for several machines on one state. Our tables live in the schema ``bff``.

The driver is imported with the first connection: it takes 0.3 s and 19 MB, which only those pay who name
such a database. ``synchronous_commit`` is asked for, whatever the server's default is: what was acknowledged is
on its disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, LiteralString

from bff.revisions.store import database
from bff.revisions.store.database import Row, Session
from bff.revisions.store.failures import StoreBroken, StoreUnavailable

if TYPE_CHECKING:
    import psycopg

SCHEMA = "bff"
CONNECT_TIMEOUT = 3
"""Whole seconds that libpq waits for one address of the server."""
STATEMENT_TIMEOUT = 5_000
"""Milliseconds after which the server gives up a sentence, waiting for locks included."""
MIGRATION_LOCK = 0x6266665F  # "bff_": pg_advisory_xact_lock takes a number

_OPTIONS = {
    "connect_timeout": CONNECT_TIMEOUT,
    "application_name": "bff",
    # A server whose machine died says nothing: without these, the first sentence after waits for minutes.
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}

# Of what waits there may be nothing for days and then a hundred thousand rows, which statistics know too late: a plan that
# sorts what "few" rows are found would sort all of them for the first ten. Whatever is asked in an order has an index.
_IN_ORDER = " -c enable_bitmapscan=off -c enable_sort=off"


class Postgres:
    """Mutable state: ``_connection``, opened with the first call and again when it is lost; ``_began``, when the
    transaction of now did. The address holds a password, perhaps: it is never shown.
    """

    def __init__(
        self, url: str, *, now: Callable[[], float], statement_timeout: int = STATEMENT_TIMEOUT
    ) -> None:
        self._url = url
        self._statement_timeout = statement_timeout
        self._now = now
        self._began = 0.0
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """READ COMMITTED; verbs lock the rows that they decide on."""
        with self._transaction("BEGIN ISOLATION LEVEL READ COMMITTED") as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One state of everything."""
        with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as session:
            yield session

    def wall(self, session: Session) -> float:
        """The server's, which all gateways share: when this transaction began."""
        return self._began

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    @contextmanager
    def _transaction(self, begin: LiteralString) -> Iterator[Session]:
        session = self._begun(begin)
        try:
            # What returns nothing is not waited for: it is sent with the next sentence that does, or with the end.
            with self._translated(), session.pipeline():
                yield session
                session.rows("COMMIT")
        except BaseException:
            self._undo()
            raise

    def _begun(self, begin: LiteralString) -> _Sentences:
        """A connection that was lost while nobody asked is found out by BEGIN, and made again once."""
        with self._translated():
            if self._connection is not None:
                try:
                    session = _Sentences(self._connection)
                    self._began = session.begin(begin)
                except self._driver().OperationalError:
                    self.close()
                else:
                    return session
            session = _Sentences(self._open())
            self._began = session.begin(begin)
            return session

    def _undo(self) -> None:
        connection = self._connection
        if connection is not None:
            try:
                connection.execute("ROLLBACK")
            except Exception:  # then it is lost, and the server undoes it by itself
                self.close()

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        self._driver()
        connection = connected(self._url, self._statement_timeout)
        try:
            self._migrate(_Sentences(connection))
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _migrate(self, session: Session) -> None:
        (is_there,) = session.rows("SELECT to_regclass(?) IS NOT NULL", f"{SCHEMA}.migrations")[0]
        if is_there:
            (at,) = session.rows("SELECT COALESCE(MAX(version), 0) FROM migrations")[0]
            if database.check(at):
                return
        session.rows("BEGIN")
        session.rows("SELECT pg_advisory_xact_lock(?)", MIGRATION_LOCK)  # others wait, and then find it done
        session.rows(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        database.migrate(session, self._now())
        session.rows("COMMIT")

    @staticmethod
    def _driver() -> Any:
        try:
            import psycopg
        except ImportError:
            raise StoreUnavailable(
                "needs PostgreSQL's driver, which is not installed",
                remedy="pip install 'bff-gateway[postgres]'",
            ) from None
        return psycopg

    @contextmanager
    def _translated(self) -> Iterator[None]:
        driver = self._driver()
        try:
            yield
        except driver.Error as error:
            state = error.sqlstate or ""
            if isinstance(error, driver.OperationalError) and not state:
                self.close()
            raise _told(state) from error

    def __repr__(self) -> str:
        return "<Postgres>"


def connected(url: str, limit: int = STATEMENT_TIMEOUT) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection with our limits, of which ``limit`` is a sentence's in milliseconds. Raises what the driver does."""
    import psycopg

    settings = f"-c search_path={SCHEMA} -c synchronous_commit=on -c statement_timeout={limit}"
    settings += _IN_ORDER
    settings += f" -c lock_timeout={limit} -c idle_in_transaction_session_timeout={2 * limit}"
    options: dict[str, Any] = {**_OPTIONS, "tcp_user_timeout": limit, "options": settings}
    return psycopg.connect(url, autocommit=True, **options)


_SAID: dict[str, tuple[str, str]] = {
    # By SQLSTATE or its class (PostgreSQL's documentation, appendix A).
    "28": ("does not let this user in", "look at user and password under `state`"),
    "3D": ("names a database that does not exist", "create it, or look at its name under `state`"),
    "42501": (
        "does not allow this user to write",
        f"grant it CREATE on the database, or the schema {SCHEMA}",
    ),
    "25006": ("is read-only", "name the primary under `state`, not a standby"),
    "53100": ("is full", "make room on its disk"),
    "53300": ("takes no more connections", "raise max_connections, or end what holds them"),
    "55P03": ("is locked by somebody else", "look at pg_stat_activity"),
    "57014": ("did not answer in time", "look at pg_stat_activity"),
    "57P": ("is shutting down or starting", "wait for it"),
    "58": ("cannot read or write its disk", "look at the server's log"),
    "XX001": ("is damaged", "look at the server's log"),
    "XX002": ("is damaged", "look at the server's log"),
}


def _told(state: str) -> StoreUnavailable:
    """What to say; the driver's own words may hold the address, and are for the cause."""
    for length in (5, 3, 2):
        if state[:length] in _SAID:
            why, remedy = _SAID[state[:length]]
            kind = StoreBroken if state.startswith("XX") else StoreUnavailable
            return kind(f"on PostgreSQL {why}", remedy=remedy)
    if not state:
        return StoreUnavailable("on PostgreSQL cannot be reached", remedy="look at its address under `state`")
    return StoreUnavailable(f"on PostgreSQL failed (SQLSTATE {state})")


@lru_cache(maxsize=256)
def _dialect(sql: LiteralString) -> LiteralString:
    return sql.replace("%", "%%").replace("?", "%s")


@lru_cache(maxsize=256)
def _returns(sql: str) -> bool:
    """Whether a sentence gives rows; what a notification gives is nothing."""
    return "RETURNING" in sql or (sql.startswith("SELECT") and not sql.startswith("SELECT pg_notify"))


_CLOCK: LiteralString = "; SELECT EXTRACT(EPOCH FROM clock_timestamp())::double precision"


class _Sentences:
    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def begin(self, sql: LiteralString) -> float:
        """Begin a transaction, and give the server's time: both with one round trip."""
        cursor = self._connection.execute(sql + _CLOCK)
        cursor.nextset()
        found = cursor.fetchone()
        assert found is not None
        return float(found[0])

    def rows(self, sql: str, *values: object) -> list[Row]:
        cursor = self._connection.execute(_dialect(sql), values)
        return list(cursor.fetchall()) if _returns(sql) else []

    def many(self, sql: str, values: Sequence[Sequence[object]]) -> list[list[Row]]:
        sent = [self._connection.execute(_dialect(sql), each) for each in values]
        return [list(cursor.fetchall()) for cursor in sent] if _returns(sql) else [[] for _ in sent]

    def pipeline(self) -> AbstractContextManager[object]:
        """Inside, sentences are sent without waiting for those before; what was wrong with one is raised by a later one
        or at the end (libpq's pipeline mode).
        """
        return self._connection.pipeline()
