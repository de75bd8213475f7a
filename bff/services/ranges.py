"""A part of an answer that is kept whole, or of a part that is kept (RFC 9110 §14): one range of bytes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bff.services import httpdate
from bff.services.fields import Pairs, first, joined
from bff.services.validators import is_strong

_HELD = re.compile(rb"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})", re.IGNORECASE)
_ONE = re.compile(rb"bytes=[ \t]*(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ``first`` to ``last``, both counted in, of ``whole``."""

    first: int
    last: int
    whole: int

    @property
    def content_range(self) -> bytes:
        """The ``Content-Range`` that goes with it."""
        return b"bytes %d-%d/%d" % (self.first, self.last, self.whole)


@dataclass(frozen=True, slots=True)
class Unmet:
    """A range of which there is no byte in ``whole`` (416, RFC 9110 §15.5.17)."""

    whole: int

    @property
    def content_range(self) -> bytes:
        """The ``Content-Range`` that goes with it."""
        return b"bytes */%d" % self.whole


def wanted(asked: Pairs, answer: Pairs, length: int, *, wall: float) -> Part | Unmet | None:
    """The one range that was asked for. None for the whole: where none was, or several were, or where ``If-Range``
    tells of another version; and of nothing, as servers do. A server may always send the whole (§14.2).
    """
    value = joined(asked, b"range")
    if value is None or not _is_same(asked, answer, wall):
        return None
    match = _ONE.fullmatch(value)
    if match is None or not length:
        return None
    if match[3] is not None:
        count = min(int(match[3]), length)
        return Part(length - count, length - 1, length) if count else Unmet(length)
    begin, end = int(match[1]), int(match[2] or max(length - 1, int(match[1])))
    if end < begin:
        return None
    if begin >= length:
        return Unmet(length)
    return Part(begin, min(end, length - 1), length)


def held(answer: Pairs) -> Part | None:
    """The part that an answer with 206 is; None where that cannot be told, or only how long the whole is not."""
    match = _HELD.fullmatch(first(answer, b"content-range"))
    if match is None:
        return None
    part = Part(int(match[1]), int(match[2]), int(match[3]))
    return part if part.first <= part.last < part.whole else None


def within(asked: Pairs, answer: Pairs, *, wall: float) -> Part | None:
    """The range that was asked for, where all of it lies within the part that is kept (RFC 9111 §3.3)."""
    part = held(answer)
    wish = None if part is None else wanted(asked, answer, part.whole, wall=wall)
    if part is None or not isinstance(wish, Part):
        return None
    return wish if part.first <= wish.first and wish.last <= part.last else None


def _is_same(asked: Pairs, answer: Pairs, wall: float) -> bool:
    """``If-Range`` (§13.1.5): the same strong entity tag, or exactly the same date."""
    condition = joined(asked, b"if-range")
    if condition is None:
        return True
    if is_strong(condition):
        return condition == first(answer, b"etag")
    when = httpdate.parse(condition, wall)
    return when is not None and when == _strong_date(answer, wall)


def _strong_date(answer: Pairs, wall: float) -> float | None:
    """``Last-Modified``, where nothing can have changed after it within the same second (§8.8.2.2)."""
    changed = httpdate.parse(first(answer, b"last-modified"), wall)
    made = httpdate.parse(first(answer, b"date"), wall)
    return changed if changed is not None and made is not None and changed < made else None
