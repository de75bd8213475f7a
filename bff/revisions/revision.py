"""One immutable version of a function."""

from __future__ import annotations

from dataclasses import dataclass

from bff.revisions.snapshot import Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class Revision:
    """A named snapshot. ``created`` is Unix time."""

    name: str
    function: str
    snapshot: Snapshot
    created: float

    @property
    def digest(self) -> str:
        """SHA-256 over the source closure and frozen settings, in hex."""
        return self.snapshot.digest

    def __repr__(self) -> str:
        return f"<Revision {self.name} {self.digest[:12]}>"
