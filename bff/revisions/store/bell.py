"""Who shares a store tells the others at once that there is something to do, so that none of them has to look often.

A bell that is not heard costs time and nothing else: everybody looks at the store now and then as well.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from bff.clock import Clock
from bff.config import Place
from bff.revisions.store.database import Session

Heard = Callable[[], object]


class Bell(Protocol):
    """How processes on one store wake each other."""

    def note(self, session: Session) -> None:
        """Ring with the end of this transaction, where the database can do that; it is one of its sentences."""

    def ring(self) -> None:
        """Ring after a transaction, where the database cannot."""

    def listening(self, heard: Heard) -> AbstractAsyncContextManager[object]:
        """Inside the block ``heard`` is called, on the loop, whenever another process rings; its own do not count."""


class Silent:
    """Nobody shares the store."""

    def note(self, session: Session) -> None:
        """See :class:`Bell`."""

    def ring(self) -> None:
        """See :class:`Bell`."""

    def listening(self, heard: Heard) -> AbstractAsyncContextManager[object]:
        """See :class:`Bell`."""
        return nullcontext()


def bell_of(place: Place, clock: Clock) -> Bell:
    """The bell of a ``state`` address."""
    if place.postgres:
        from bff.revisions.store.notifying import Notifying

        return Notifying(place.postgres, clock=clock)
    if place.file is None:
        return Silent()
    from bff.revisions.store.pipes import Pipes

    return Pipes(place.file.with_name(f"{place.file.name}-bells"))
