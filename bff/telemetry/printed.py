"""What functions print, as lines of the log: standard output is for those, and whatever else is written there could be
a line that nobody wrote.
"""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack, redirect_stdout
from io import TextIOBase
from typing import Any

from bff.sdk.invocation import current
from bff.telemetry.functionlogs import Sink
from bff.telemetry.identity import Callers, beside, identity_of

LOGGER = "stdout"
"""What such a line has as its logger."""
LONGEST = 16 * 1024
"""Characters without a line break that are a line nevertheless."""


class Printed(TextIOBase):
    """Stands for ``sys.stdout`` between ``with`` and its end. Mutable state: ``_begun``, by thread the text that has no
    line break yet.
    """

    def __init__(self, lines: Sink, callers: Callers) -> None:
        self._lines = lines
        self._callers = callers
        self._behind: Any = sys.stdout
        self._begun: dict[int, str] = {}
        self._undo = ExitStack()

    def __enter__(self) -> Printed:
        self._undo.enter_context(redirect_stdout(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()
        for text in self._begun.values():
            self._say(text)
        self._begun.clear()

    def write(self, text: str, /) -> int:
        """Print; each line that is whole is a line of the log."""
        thread = threading.get_ident()
        *whole, rest = (self._begun.pop(thread, "") + text).split("\n")
        for line in whole:
            self._say(line)
        if len(rest) > LONGEST:
            self._say(rest)
        elif rest:
            self._begun[thread] = rest
        return len(text)

    def _say(self, text: str) -> None:
        if not text.strip():
            return
        invocation = current.get(None)
        known: dict[str, Any] = {"logger": LOGGER}
        if invocation is not None:
            known |= identity_of(invocation, self._callers)
        self._lines.write("info", text.rstrip("\r"), beside({}, known))

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As of the stream behind."""
        return str(getattr(self._behind, "encoding", "utf-8"))

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        """Of the stream behind: what writes there itself knows what it does."""
        return int(self._behind.fileno())
