"""Bearer tokens: how they are made, what is kept of them, and whose a token is.

A token is 256 random bits, so one round of SHA-256 keeps it as safe as a slow hash keeps a password: there
is nothing to guess (OWASP ASVS 5.0 §6.5.2 demands slow hashes below 112 bits only).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bff.clock import Clock
from bff.config.admin import AdminConfig
from bff.frozen import frozen
from bff.revisions.store.access import hashed
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import Token

NOTED_EVERY = 60.0
"""Seconds after which it is noted again that a token is used: each note is a write to the disk."""


class Scope(StrEnum):
    """What a token may do; who may write may read."""

    READ = "read"
    WRITE = "write"


@frozen
class Who:
    """Somebody who asks: the name that history and audit log show, and what they may do."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether the scope is theirs."""
        return scope in self.scopes or (scope is Scope.READ and Scope.WRITE in self.scopes)


ANYBODY = Who(name="anybody", scopes=frozenset({Scope.READ}))
"""Who asks on loopback without a token."""


class TokenBook(Protocol):
    """Where tokens are kept: the store."""

    async def find_token(self, secret: str) -> Token | None:
        """The token with this secret."""

    async def touch_token(self, token_id: str) -> None:
        """The token was used now."""

    async def tokens(self) -> Sequence[Token]:
        """All that may be used."""


@dataclass(frozen=True, slots=True)
class Key:
    """A token that no store keeps: the one made at start, or one of routes.yaml."""

    hashed: str
    who: Who


class Keyring:
    """Whose a token is. ``fixed`` gives the keys that work when the store is away too.

    Mutable state: ``_tried``, when the use of each token was last noted, or tried to be.
    """

    def __init__(self, book: TokenBook, fixed: Callable[[], Iterable[Key]], *, clock: Clock) -> None:
        self._book = book
        self._fixed = fixed
        self._clock = clock
        self._tried: dict[str, float] = {}

    async def holder(self, token: str) -> Who | None:
        """Whose it is, or None.

        Raises:
            StoreUnavailable: no fixed key is it, and the store cannot be asked.

        """
        asked = hashed(token)
        found = None
        for key in self._fixed():  # all of them: how long it takes says nothing about which was close
            if hmac.compare_digest(key.hashed, asked):
                found = key.who
        if found is not None:
            return found
        # By its hash, of which nobody can choose even the first byte: what an index reveals is of no use.
        kept = await self._book.find_token(token)
        if kept is None:
            return None
        now = self._clock.wall()
        if now - max(kept.used, self._tried.get(kept.id, 0.0)) > NOTED_EVERY:
            self._tried[kept.id] = now
            with suppress(StoreUnavailable):  # whoever only reads needs no store that can be written
                await self._book.touch_token(kept.id)
        return Who(name=kept.name, scopes=kept.scopes)

    async def is_configured(self) -> bool:
        """Whether anybody but this machine's own user has a token."""
        return any(key.who.name != LOCAL for key in self._fixed()) or bool(await self._book.tokens())


LOCAL = "local"
"""The name of whoever holds the token that lies in the state folder."""


def configured_keys(config: AdminConfig) -> list[Key]:
    """The keys of routes.yaml."""
    return [
        Key(hashed(each.token.get_secret_value()), Who(name=name, scopes=frozenset(each.scopes)))
        for name, each in config.tokens.items()
    ]


def local_key(token: str) -> Key:
    """The key of the token made at start."""
    return Key(hashed(token), Who(name=LOCAL, scopes=frozenset(Scope)))
