"""What the head of an answer says, found out once for all answers of a pool that have the same one.

Within a second most heads of a service differ in nothing, and llhttp has read their framing in any case. What may be
remembered is bounded, in number and in size.
"""

from __future__ import annotations

from typing import NamedTuple

from bff.services import http1

_MOST = 256
"""Heads of a pool; then it begins anew, as the next second does."""
_LONGEST = 1024
"""Bytes of a head that is remembered."""
_USUAL_VARY = b"\nvary: accept-encoding\r\n"


class Found(NamedTuple):
    """Whether there is a Content-Encoding, and whether it says nothing that caches or pages would have to know."""

    is_encoded: bool
    is_silent: bool


class Heads:
    """Mutable state: ``known``, what is remembered by head."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[bytes, Found] = {}

    def read(self, head: bytes) -> Found:
        """What a head says that is not :attr:`known`.

        Raises:
            http1.NotHttp: it could be read in two ways.

        """
        found = Found(http1.check(head), says_nothing(head))
        if len(head) <= _LONGEST:
            if len(self.known) >= _MOST:
                self.known.clear()
            self.known[head] = found
        return found


def says_nothing(head: bytes) -> bool:
    """Whether it says nothing of caching, seen without reading a field."""
    head = head.lower()
    if b"\ncache-control:" in head or b"\nexpires:" in head or b"\nset-cookie:" in head:
        return False
    return b"\nvary:" not in head or b"\nvary:" not in head.replace(_USUAL_VARY, b"\n")
