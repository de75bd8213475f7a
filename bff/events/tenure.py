"""A name that one process has at a time, of all that share the store.

Who has a name can begin again anywhere and take up at once what it was doing, since nobody else of this name can be
alive. So two processes under one name have to be refused: a lease in the store is the name, and is renewed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bff.clock import Clock
from bff.events.takeover import gone
from bff.revisions.store import releasing
from bff.revisions.store.database import Session, row
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.store import Store
from bff.sdk.eventfailures import NameTaken

LEASE = 15.0
"""Seconds a name stays with a process that says nothing."""
RENEWS_EVERY = LEASE / 3


@dataclass(frozen=True, slots=True)
class Seen:
    """Who has the name, and until when."""

    holder: str
    until: float


class Tenure:
    """Immutable; the lease is in the store."""

    def __init__(self, store: Store, *, holder: str, clock: Clock) -> None:
        """``holder`` is written ``machine/pid/name``."""
        self._store = store
        self._holder = holder
        self._name = holder.rpartition("/")[2]
        self._clock = clock

    async def begin(self) -> None:
        """Return once the name is ours: at once, or when the lease of one that died without a word has ended.

        Raises:
            NameTaken: its holder goes on to renew it.
            StoreUnavailable: nobody can tell.

        """
        first = seen = await self._ask()
        while seen is not None and first is not None:
            if seen.holder != first.holder or seen.until > first.until:
                raise NameTaken(self._name, seen.holder)
            await self._clock.sleep(RENEWS_EVERY / 5)
            seen = await self._ask()

    async def hold(self, lost: Callable[[], object]) -> None:
        """Renew it until cancelled; ``lost`` is called when somebody else has it, and that is the end."""
        while True:
            await self._clock.sleep(RENEWS_EVERY)
            try:
                seen = await self._ask()
            except StoreUnavailable:
                continue  # nobody else can have it then
            if seen is not None:
                lost()
                return

    async def end(self) -> None:
        """Give it back."""
        await self._store.leave(self._lease, self._holder)

    async def _ask(self) -> Seen | None:
        """None: it is ours for so long; else whose it is."""
        return await self._store.write(self._asked)

    @property
    def _lease(self) -> str:
        return f"process/{self._name}"

    def _asked(self, session: Session, now: float) -> Seen | None:
        found = row(session, "SELECT holder, until FROM leases WHERE name = ?", self._lease)
        if found is not None and gone([found[0]], self._holder):
            releasing.leave(session, self._lease, found[0])
        if releasing.lease(session, self._lease, self._holder, LEASE, now):
            return None
        assert found is not None
        return Seen(str(found[0]), float(found[1]))
