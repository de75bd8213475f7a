"""Whether a ``Host`` field can be one (RFC 9112 §3.2, RFC 3986 §3.2.2)."""

from __future__ import annotations

import re

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Za-z:.]+\])(?::[0-9]{0,5})?")
_MOST = 256
LONGEST = 261
"""Bytes of one that is remembered: a name of DNS and a port."""

TWO = b"//"
"""Stands for several fields, which are none."""


class Hosts:
    """Remembers those that were looked at: a gateway is called by few names. Mutable state: ``_known``."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def knows(self, host: bytes | None, version: str) -> bool:
        """Whether it names a host, with or without a port; an empty one names none, and may. None, for no such
        field, will do for HTTP/1.0.
        """
        if host in self._known:
            return True
        if host is None:
            return version == "1.0"
        if _HOST.fullmatch(host) is None:
            return False
        if len(self._known) < _MOST and len(host) <= LONGEST:
            self._known.add(host)
        return True
