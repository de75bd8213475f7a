"""What the look at the functions folder after the start has found, for the first calls that come later (ADR 96)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bff.frozen import frozen
from bff.revisions.snapshot import Snapshot

MOST = 256 * 1024
"""Bytes of text that are kept for first calls, of all functions together. They are kept parsed, as some forty times as
much: 10 MB at most, for functions that nobody may ever call.
"""


@frozen
class Unwritten:
    """What was new at the start (``taken``; None: the settings only), and what was the latest revision then."""

    taken: Snapshot | None
    latest: str


class FirstLook:
    """Mutable state: ``settled``, functions whose folder was published, or was found to be; ``unwritten``, what the
    store did not take; ``_texts`` of some that had no call yet, and the ``_room`` for more of them.
    """

    __slots__ = ("_room", "_texts", "settled", "unwritten")

    def __init__(self, most: int | None = None) -> None:
        """With room for ``most`` bytes, :data:`MOST` if it is None."""
        self.settled: set[str] = set()
        self.unwritten: dict[str, Unwritten] = {}
        self._texts: dict[str, Snapshot] = {}
        self._room = MOST if most is None else most

    def keep(self, taken: Snapshot) -> None:
        """A function's text for its first call, which then reads nothing; not where it is too large."""
        self.text(taken.function)
        size = _size(taken)
        if size <= self._room:
            self._room -= size
            self._texts[taken.function] = replace(taken, waited=0.0, took=0.0)

    def text(self, function: str) -> Snapshot | None:
        """What was kept, once."""
        taken = self._texts.pop(function, None)
        if taken is not None:
            self._room += _size(taken)
        return taken

    def settle(self, functions: Iterable[str]) -> None:
        """Their folder waits for the next start, or for who watches it."""
        self.settled.update(functions)

    def put_off(self, function: str, taken: Snapshot | None, latest: str) -> None:
        """Until the store takes it; what is settled is not of the start any more."""
        if function not in self.settled:
            self.unwritten[function] = Unwritten(taken=taken, latest=latest)

    def __repr__(self) -> str:
        return (
            f"<FirstLook: {len(self.settled)} settled, {len(self.unwritten)} unwritten, "
            f"{len(self._texts)} texts, room for {self._room} bytes>"
        )


def _size(taken: Snapshot) -> int:
    return sum(map(len, taken.files.values()))
