"""W3C Trace Context level 2, ``tracestate`` (§3.3): a list of members, each a key and a value, carried on. Pure.

We add none of our own; what came goes on in its order, unless it cannot be read or is too much to carry.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_MEMBERS = 32
"""§3.3.1.1: a list with more is invalid."""
MOST_CHARACTERS = 512
"""§3.3.1.5: what every vendor should be able to carry; we carry no more."""
LONG = 128
"""§3.3.1.5: longer members go first where it is too much."""

# §3.3.1.3.1 and §3.3.1.3.2; a value may hold spaces, but not end in one.
_MEMBER = re.compile(
    r"([a-z0-9][a-z0-9_\-*/@]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)


def carried(fields: Sequence[bytes]) -> str:
    """What to send on of these fields, which are one list together (RFC 9110 §5.3); empty where there is nothing, or
    nothing that can be read.

    Of a key that stands twice the first one stays: the leftmost is the newest (§3.3.1.1).
    """
    members: dict[str, str] = {}
    for text in b",".join(fields).decode("latin-1").split(","):
        member = text.strip(" \t")
        if not member:  # empty ones are allowed, "to ease generation"
            continue
        found = _MEMBER.fullmatch(member)
        if found is None:
            return ""
        members.setdefault(found[1], member)
    return "" if len(members) > MOST_MEMBERS else _shortened(list(members.values()))


def _shortened(members: list[str]) -> str:
    """No longer than it may be: long members go first, then those at the end, which are the oldest."""
    if _length(members) > MOST_CHARACTERS:
        members = [member for member in members if len(member) <= LONG]
    while _length(members) > MOST_CHARACTERS:
        members.pop()
    return ",".join(members)


def _length(members: Sequence[str]) -> int:
    return sum(map(len, members)) + max(0, len(members) - 1)
