"""The one face of the state store. Every call is one short transaction on the store's own thread, never on the
event loop, and is given up after a bounded wait; a call that returned has reached the disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from bff.clock import Clock, Expiry
from bff.revisions.store import access, moving, publishing, releasing
from bff.revisions.store.database import Database, Session
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.publishing import Plan
from bff.revisions.store.records import (
    Audited,
    Back,
    Candidate,
    Change,
    Counted,
    Deployed,
    Entry,
    Planned,
    Published,
    ReleaseState,
    Token,
    TrafficState,
)
from bff.revisions.store.retention import Retention

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds a call may take in all, waiting for the thread included. One that is given up may still happen."""


class Runner(Protocol):
    """A thread to run on, such as :class:`bff.runtime.threads.Threads` of size one."""

    def run(self, call: Callable[[], T]) -> Awaitable[T]:
        """What the call gives, made in the thread."""


class Store:
    """What changes is in the database; here only ``_is_closed`` does.

    Everything here raises StoreUnavailable when the store is away, locked, read-only, full or slow, and
    StoreBroken when its content cannot be used; nothing has changed then, as far as can be told.
    """

    def __init__(
        self, database: Database, *, thread: Runner, clock: Clock, is_ephemeral: bool = False
    ) -> None:
        self._database = database
        self._thread = thread
        self._clock = clock
        self._is_closed = False
        self._form = publishing.EPHEMERAL if is_ephemeral else publishing.NAMED

    async def open(self) -> None:
        """Find out now, rather than with the first call, whether it can be used; tables are made or migrated."""
        await self._read(lambda session: session.rows("SELECT at FROM sequence"))

    async def reserve(self, function: str, digest: str) -> tuple[str, bool]:
        """The name of the revision with this digest, or the next free one; True when the name is new."""
        return await self._write(lambda session, _: publishing.reserve(session, function, digest, self._form))

    async def publish(self, candidates: Iterable[Candidate]) -> list[Published]:
        """Keep revisions, all in one transaction, in the order of their functions; one whose digest is known
        is what it was, with ``is_new`` False. See :func:`publishing.publish` for which becomes the newest.
        """
        return await self._write(
            lambda session, now: publishing.publish(session, candidates, self._form, now)
        )

    async def deploy(self, candidate: Candidate, plan: Plan) -> Deployed:
        """Publish one revision together with what ``plan`` makes of traffic and release, all or nothing.
        ``plan`` runs on the store's thread, inside the transaction.
        """
        return await self._write(
            lambda session, now: publishing.deploy(session, candidate, plan, self._form, now)
        )

    async def approve(self, name: str) -> None:
        """A revision's ``check()`` has agreed to traffic, and need not be asked again."""
        await self._write(lambda session, now: publishing.approve(session, name, now))

    async def holding(self, function: str, digest: str, files: str) -> Published | None:
        """The newest revision with this digest, else with these files under whichever settings; None without."""
        return await self._read(lambda session: publishing.holding(session, function, digest, files))

    async def back(self, function: str) -> Back:
        """What a function can go back to."""
        return await self._read(lambda session: publishing.back(session, function))

    async def versions(self, function: str) -> tuple[Published, ...]:
        """Every kept revision of a function, oldest first."""
        return await self._read(lambda session: publishing.versions(session, function))

    async def archive(self, function: str, name: str) -> tuple[Published, bytes]:
        """A revision and its archive.

        Raises:
            NoSuchRevision: it is not kept, or no longer.

        """
        return await self._read(lambda session: publishing.archive(session, function, name))

    async def collect(
        self, function: str, policy: Retention, in_use: Collection[str] = ()
    ) -> tuple[Published, ...]:
        """Drop the revisions that may go, and say which they were."""
        return await self._write(
            lambda session, now: publishing.collect(session, function, policy, in_use, now)
        )

    async def traffic(self, function: str) -> TrafficState:
        """Who gets a function's calls, and at which version that is."""
        return await self._read(lambda session: moving.state(session, function))

    async def everything(self) -> tuple[int, dict[str, TrafficState]]:
        """The traffic of every function that was ever published, and the number to follow changes from."""
        return await self._read(lambda session: moving.changed_since(session, -1))

    async def changed_since(self, number: int) -> tuple[int, dict[str, TrafficState]]:
        """What changed after a number of the sequence, and the newest number; cheap where nothing did."""
        return await self._read(lambda session: moving.changed_since(session, number))

    async def move(self, change: Change) -> TrafficState:
        """Obey a change, or only note it where it has no traffic, in the function's history.

        Raises:
            Conflict: it is based on another version than the present one.
            NoSuchRevision: a target names a revision that is not kept.

        """
        return await self._write(lambda session, now: moving.move(session, change, now))

    async def history(
        self, function: str, *, limit: int = 50, before: int | None = None
    ) -> tuple[Entry, ...]:
        """The newest lines of a function's history first; ``before`` is the id to go on from."""
        return await self._read(lambda session: moving.history(session, function, limit, before))

    async def release(self, function: str) -> ReleaseState:
        """How far the function's release has come."""
        return await self._read(lambda session: releasing.state(session, function))

    async def releases(self) -> tuple[ReleaseState, ...]:
        """Every release that has not ended."""
        return await self._read(releasing.going_on)

    async def turn(
        self, change: Change, before: ReleaseState, plan: Callable[[TrafficState], Planned]
    ) -> TrafficState | None:
        """Write how far a release has come and the traffic that goes with it, both or neither; None where it
        is no more what it was ``before``. ``plan`` runs on the store's thread, inside the transaction.

        Raises:
            Conflict: the traffic is at another version than the change is based on.
            NoSuchRevision: a target names a revision that is not kept.

        """
        return await self._write(lambda session, now: releasing.turn(session, change, before, plan, now))

    async def count(self, counted: Sequence[Counted]) -> None:
        """What this gateway has counted so far, step by step; saying it again adds nothing."""
        await self._write(lambda session, _: releasing.count(session, counted))

    async def counted(self, function: str, step: str) -> tuple[Counted, ...]:
        """What all gateways have counted in a step of the function's release."""
        return await self._read(lambda session: releasing.counted(session, function, step))

    async def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Whether the lease is the holder's from now on; by the database's clock, where it has one."""
        return await self._write(lambda session, now: releasing.lease(session, name, holder, seconds, now))

    async def leave(self, name: str, holder: str) -> None:
        """Give a lease back before it ends."""
        await self._write(lambda session, _: releasing.leave(session, name, holder))

    async def add_token(self, token: Token, secret: str) -> None:
        """Know a bearer token from now on; only its hash is kept."""
        await self._write(lambda session, _: access.add(session, token, secret))

    async def find_token(self, secret: str) -> Token | None:
        """The token with this secret, or None."""
        return await self._read(lambda session: access.find(session, secret))

    async def tokens(self) -> tuple[Token, ...]:
        """Every token that is known, oldest first."""
        return await self._read(access.tokens)

    async def touch_token(self, token_id: str) -> None:
        """The token was used now."""
        await self._write(lambda session, now: access.touch(session, token_id, now))

    async def revoke_token(self, token_id: str) -> bool:
        """Forget a token; False when there was none."""
        return await self._write(lambda session, _: access.revoke(session, token_id))

    async def audit(
        self, *, who: str, what: str, target: str, status: int, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Remember one write through the admin API, granted or refused."""
        line = Audited(id=0, at=0.0, who=who, what=what, target=target, status=status, detail=detail or {})
        await self._write(lambda session, now: access.audit(session, line, now))

    async def audited(self, *, limit: int = 50, before: int | None = None) -> tuple[Audited, ...]:
        """The newest lines of the audit log first; ``before`` is the id to go on from."""
        return await self._read(lambda session: access.audited(session, limit, before))

    async def look(self, verb: Callable[[Session, float], T]) -> T:
        """What a verb of another room reads, in one transaction, on the store's thread."""
        return await self._read(lambda session: verb(session, self._database.wall(session)))

    async def write(self, verb: Callable[[Session, float], T]) -> T:
        """What a verb of another room does, all or nothing; ``now`` is the time that all gateways share."""
        return await self._write(verb)

    async def close(self) -> None:
        """Let the database go, once what waits has been done."""
        if not self._is_closed:
            self._is_closed = True
            await self._bounded(self._database.close)

    async def _read(self, verb: Callable[[Session], T]) -> T:
        def call() -> T:
            with self._database.reading() as session:
                return verb(session)

        return await self._bounded(call)

    async def _write(self, verb: Callable[[Session, float], T]) -> T:
        def call() -> T:
            with self._database.writing() as session:
                return verb(session, self._database.wall(session))

        return await self._bounded(call)

    async def _bounded(self, call: Callable[[], T]) -> T:
        try:
            with Expiry(self._clock, self._clock.now() + PATIENCE):
                return await self._thread.run(call)
        except TimeoutError:
            raise StoreUnavailable(f"did not answer within {PATIENCE:g} s") from None

    def __repr__(self) -> str:
        return f"<Store {self._database!r}>"
