"""Answers to HTTP/1.0: a body whose length nobody knows ends with the connection, because such a caller knows no
chunks (RFC 9112 §7.1), which uvicorn would send it all the same.
"""

from __future__ import annotations

import sys
from typing import Any

from bff.gateway.cycle import Cycle


class UndelimitedCycle(Cycle):
    """uvicorn's cycle for a request of HTTP/1.0; it keeps no connection anyway. Mutable state: ``_has_no_end``."""

    _has_no_end = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            if not any(name.lower() == b"content-length" for name, _ in message.get("headers", ())):
                self._has_no_end, self.chunked_encoding = True, False
                self.expected_content_length = sys.maxsize
        elif self._has_no_end and not message.get("more_body", False):
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
