"""Revisions by their names: from memory while a function has them, else out of the store's archives."""

from __future__ import annotations

from pathlib import Path

from bff.revisions import archive
from bff.revisions.archive import ArchiveInvalid
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.failures import StoreBroken
from bff.revisions.store.records import TrafficState
from bff.revisions.store.store import Runner, Store
from bff.runtime.function import Function


class Shelf:
    """Immutable. Packing and unpacking take their time on the reader's thread, where parsing belongs."""

    def __init__(self, store: Store, *, root: Path, thread: Runner) -> None:
        self._store = store
        self._root = root
        self._thread = thread

    @staticmethod
    def at_hand(function: Function, name: str) -> Revision | None:
        """A revision that the function has in memory."""
        live = function.lives.get(name)
        if live is not None:
            return live.revision
        return function.routing.revisions.get(name) if function.routing is not None else None

    async def revision(
        self, function: Function, name: str, state: TrafficState, taken: Snapshot | None = None
    ) -> Revision:
        """A revision of a function; ``taken`` is the folder's text, which the latest one often has.

        Raises:
            NoSuchRevision: it is not kept, or no longer.
            StoreUnavailable: it would have to be fetched, and cannot be.
            FunctionNotLoaded: this Python cannot parse it.

        """
        known = self.at_hand(function, name)
        if known is not None:
            return known
        if taken is not None and name == state.latest and taken.digest == state.digest:
            return Revision(name, function.name, taken, state.created)
        return await self._fetched(function.name, name)

    async def _fetched(self, function: str, name: str) -> Revision:
        published, packed = await self._store.archive(function, name)
        try:
            taken = await self._thread.run(lambda: archive.unpacked(packed, self._root))
        except ArchiveInvalid as error:
            raise StoreBroken(f"holds a damaged archive of {name}", remedy="deploy it again") from error
        return Revision(name, function, taken, published.created)

    async def unpacked(self, packed: bytes, function: Function) -> Snapshot:
        """The snapshot in an archive that somebody sent, under the settings that the function has here.

        Raises:
            ArchiveInvalid: it is none, or another function's.
            FunctionNotLoaded: this Python cannot parse it.

        """
        taken = await self._thread.run(lambda: archive.unpacked(packed, self._root))
        if taken.function != function.name:
            raise ArchiveInvalid(f"is of function {taken.function[:80]}, not of {function.name}")
        return taken.under(function.settings.frozen())

    async def packed(self, taken: Snapshot) -> bytes:
        """The archive of a snapshot."""
        return await self._thread.run(lambda: archive.packed(taken))
