"""The member that this cache adds to ``Cache-Status`` (RFC 9211): what it did with a request. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from bff.services.fields import Pair

NAME = b"bff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What became of a request. ``fwd`` is why it went on: one of RFC 9211 §2.2's words, empty for a hit."""

    hit: bool = False
    fwd: str = ""
    fwd_status: int | None = None
    ttl: float | None = None
    stored: bool = False
    collapsed: bool = False
    detail: str = ""

    @property
    def word(self) -> str:
        """The same in one word: ``hit``, ``collapsed``, or why it went on."""
        return "hit" if self.hit else "collapsed" if self.collapsed else self.fwd

    def written(self) -> bytes:
        """The member as it travels: ``bff; hit; ttl=9``."""
        parts = [NAME]
        if self.hit:
            parts.append(b"hit")
        if self.fwd:
            parts.append(b"fwd=" + self.fwd.encode())
        if self.fwd_status is not None:
            parts.append(b"fwd-status=%d" % self.fwd_status)
        if self.ttl is not None:
            parts.append(b"ttl=%d" % (round(self.ttl) if self.ttl > 0 else floor(self.ttl)))
        if self.stored:
            parts.append(b"stored")
        if self.collapsed:
            parts.append(b"collapsed")
        if self.detail:
            parts.append(b"detail=" + self.detail.encode())
        return b"; ".join(parts)

    def field(self) -> Pair:
        """The field. Those of caches farther away stand before it, as it is added last (§2)."""
        return b"cache-status", self.written()
