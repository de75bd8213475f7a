"""Steady numbers for texts: the same text always gets the same one, and many texts spread evenly. Pure."""

from __future__ import annotations

from hashlib import blake2b

WHOLE = 2**32
"""Numbers lie below it."""
PERCENT = WHOLE / 100


class Spread:
    """One way to spread; another ``seed`` gives another, independent one. Never changes."""

    __slots__ = ("_seeded",)

    def __init__(self, seed: str) -> None:
        self._seeded = blake2b(seed.encode(), digest_size=4)

    def __call__(self, text: str) -> int:
        """The text's number."""
        hashed = self._seeded.copy()
        hashed.update(text.encode("utf-8", "surrogateescape"))
        return int.from_bytes(hashed.digest(), "big")
