"""Paths below a service's URL, and whether they stay there. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_DOTS = frozenset({b".", b".."})
_SEGMENT = r"[\w~!$&'()*+,;=:@-]+"
_PLAIN = re.compile(rf"/(?:{_SEGMENT}/)*(?:{_SEGMENT})?(?:\?[\w~!$&'()*+,;=:@/?.%-]*)?", re.ASCII)

is_plain = _PLAIN.fullmatch
"""Whether its segments have neither dots nor escapes, as most have none: it stays where it is, and is written as it is."""


def climbs(path: bytes) -> bool:
    """Whether a server could read a ``.`` or ``..`` segment in it: decoded, backslashes as slashes, no
    ;parameters.
    """
    if b"." not in path and b"%" not in path:
        return False
    segments = unquote_to_bytes(path).replace(b"\\", b"/").split(b"/")
    return any(segment.partition(b";")[0] in _DOTS for segment in segments)
