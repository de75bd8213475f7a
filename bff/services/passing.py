"""Requests that pass through to a service unread: what goes out, what comes back, and by which way.

A caller's head and body are written anew here, framed by what was parsed, never by what was received. It
knows nothing of callers, deadlines or records: those are the gateway's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from bff.services.duplex import Duplex

Fields = list[tuple[bytes, bytes]]
"""Field names, in lower case, and values as they are on the wire."""

Inform = Callable[[int, Fields], None]
"""Hears of an interim answer (1xx): its status and fields."""

Went = Callable[[str, int, float | None], None]
"""Hears where a request went, how often it was sent there, and when last, in clock seconds (None: not known)."""


def unheard(*_: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """One request as it goes on. ``path`` is what stands below the service's URL, with its query, byte for byte.

    ``fields`` hold neither ``host`` nor what frames the message: ``parts`` is None where no body follows, and
    ``length`` None where its length is not known, which makes it chunked. ``is_late`` tells, once it is cancelled,
    whether that was because the service took too long; ``until`` (clock seconds) is when that will be. ``fault`` is one
    that the caller asked for in dev, ``flag`` hears what was done to the request on the way, and ``went`` of each endpoint
    it was on its way to, whether or not an answer came of it.
    """

    method: str
    path: bytes
    fields: Fields
    parts: AsyncIterator[bytes] | None = None
    length: int | None = None
    inform: Inform | None = None
    upgrade: bytes = b""
    is_late: Callable[[], bool] = lambda: False
    until: float = float("inf")
    fault: str = ""
    flag: Callable[[str], None] = unheard
    went: Went = unheard


class Exchange(Protocol):
    """A service's answer as it comes in. Whoever opened it closes it."""

    status: int
    fields: Fields
    endpoint: str
    duplex: Duplex | None
    """The bare connection, where the service agreed to the upgrade (101)."""

    def whole(self) -> bytes | None:
        """The body, if all of it is here already."""

    def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes, read no faster than it is asked for.

        Raises:
            ServiceConnectionLost: it broke off.

        """

    async def aclose(self) -> None:
        """Let go of the connection; one whose answer is not read to its end is closed."""


class Way(Protocol):
    """Opens exchanges with one service."""

    async def open(self, onward: Onward) -> Exchange:
        """The answer's head. While its body is read, the rest of the request's goes on being sent.

        Raises:
            ServiceUnreachable: no connection could be made.
            ServiceConnectionLost: it broke, or what came was not HTTP.
            Exception: what ``parts`` raised.

        """
