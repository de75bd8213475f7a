"""Bodies on their way into the store while they pass through: each bounded, and all of them together.

A body is gathered only as long as it may still be kept; whoever gives up keeps nothing of it in memory.
"""

from __future__ import annotations

from bff.services.cachestore import CacheStore

SHARE = 4
"""All bodies that are gathered at a time may take this fraction of the store: many large downloads at once shall not
double what the gateway takes."""


class Room:
    """What all gatherings of a store take together. Mutable state: ``taken`` bytes."""

    def __init__(self, store: CacheStore) -> None:
        self._store = store
        self.taken = 0

    def begin(self, length: int | None) -> Gathering | None:
        """One more, of ``length`` bytes if that is known; None where it could not be kept anyway."""
        gathering = Gathering(self)
        return gathering if length is None or gathering.may_grow(length) else None

    def has(self, size: int, more: int) -> bool:
        """Whether a body of ``size`` bytes may be kept, and there is room for ``more`` of them."""
        return self._store.fits(size) and (self.taken + more) * SHARE <= self._store.max_bytes

    def __repr__(self) -> str:
        return f"<Room: {self.taken} bytes gathered>"


class Gathering:
    """One body. Mutable state: its ``_pieces`` and their ``_size``, and whether it ``is_given_up``."""

    __slots__ = ("_pieces", "_room", "_size", "is_given_up")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._pieces: list[bytes] = []
        self._size = 0
        self.is_given_up = False

    def may_grow(self, more: int) -> bool:
        """Whether so many bytes would still find room."""
        return self._room.has(self._size + more, more)

    def add(self, piece: bytes) -> None:
        """Some of the body; too much of it ends the gathering."""
        if self.is_given_up:
            return
        if not self.may_grow(len(piece)):
            self.give_up()
            return
        self._pieces.append(piece)
        self._size += len(piece)
        self._room.taken += len(piece)

    def whole(self) -> bytes | None:
        """All of it; None where it was given up."""
        return None if self.is_given_up else b"".join(self._pieces)

    def give_up(self) -> None:
        """Let go of what was gathered."""
        self._room.taken -= self._size
        self._pieces, self._size, self.is_given_up = [], 0, True
