"""Names and keeps the revisions of every function, newest last.

In dev a save makes an ephemeral ``home-dev-7``; otherwise revisions are ``home-00001`` and on. A snapshot
with the digest of a kept revision is that revision, not a new one.
"""

from __future__ import annotations

from bff.clock import Clock
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot

KEPT = 10
"""Revisions remembered per function; older ones go when a new one comes."""


class Registry:
    """Mutable state: ``_revisions`` and ``_counts``, by function."""

    def __init__(self, *, dev: bool, clock: Clock) -> None:
        self._dev = dev
        self._clock = clock
        self._revisions: dict[str, list[Revision]] = {}
        self._counts: dict[str, int] = {}

    def publish(self, snapshot: Snapshot) -> Revision:
        """The revision for a snapshot: the kept one with its digest, or a new one with the next name."""
        kept = self._revisions.setdefault(snapshot.function, [])
        for revision in kept:
            if revision.digest == snapshot.digest:
                return revision
        number = self._counts[snapshot.function] = self._counts.get(snapshot.function, 0) + 1
        name = f"{snapshot.function}-dev-{number}" if self._dev else f"{snapshot.function}-{number:05d}"
        revision = Revision(name, snapshot.function, snapshot, self._clock.wall())
        kept.append(revision)
        del kept[:-KEPT]
        return revision

    def of(self, function: str) -> tuple[Revision, ...]:
        """The kept revisions of a function, newest last."""
        return tuple(self._revisions.get(function, ()))
