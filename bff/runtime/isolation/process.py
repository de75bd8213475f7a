"""The operating system's process behind an instance: its id, its memory, its end."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from bff.runtime.isolation.limits import private_bytes


class Process:
    """Mutable state: ``pid``, 0 until it is forked; ``code``, how it ended, None until then (negative is a
    signal's number); ``is_lifeless``, set before it is killed because its event loop stood still.
    """

    __slots__ = ("code", "is_lifeless", "pid")

    def __init__(self) -> None:
        self.pid = 0
        self.code: int | None = None
        self.is_lifeless = False

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self.pid and self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def memory(self) -> int:
        """Bytes that only this process has; 0 where nothing tells."""
        return 0 if self.code is not None or not self.pid else private_bytes(self.pid)

    def how(self) -> str:
        """How it ended, in words that go on from "its process"."""
        if self.is_lifeless:
            return "was killed, because a handler held its event loop"
        if self.code is None:
            return "vanished"
        if self.code >= 0:
            return f"exited with code {self.code}"
        with suppress(ValueError):
            return f"was ended by signal {-self.code} ({signal.Signals(-self.code).name})"
        return f"was ended by signal {-self.code}"
