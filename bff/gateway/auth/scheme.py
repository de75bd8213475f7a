"""What every way of showing who one is has in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bff.sdk.caller import Caller

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request can tell who sent it. ``is_vouched``: the peer is a trusted proxy."""

    headers: Headers
    is_vouched: bool

    def the_one(self, name: bytes) -> bytes | None:
        """The value of a field that must not stand twice; None when it is absent.

        Raises:
            Rejected: it stands twice: two readers could believe two different ones.

        """
        values = [value for field, value in self.headers if field == name]
        if len(values) > 1:
            raise Rejected(f"{name.decode()} stands twice")
        return values[0] if values else None


class Rejected(Exception):
    """A credential was shown and is no good. The sentence never quotes it."""


class Scheme(Protocol):
    """One way for a caller to show who it is."""

    challenge: str
    """What ``WWW-Authenticate`` says of it (RFC 9110 §11.6.1); empty if HTTP has no word for it."""

    def known(self, request: Request) -> Caller | None:
        """Who it is, told at once; None where nothing was shown for this scheme.

        Raises:
            Rejected: what was shown is no good.
            Unsure: it takes a look elsewhere first; see :meth:`look`.

        """

    async def look(self, request: Request) -> Caller | None:
        """The same, after that look.

        Raises:
            Rejected: what was shown is no good.
            KeysUnavailable: there is nothing to check it by.

        """


class Unsure(Exception):
    """It cannot be told without waiting."""
