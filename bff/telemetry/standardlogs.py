"""What the standard library's loggers say, in the same lines: uvicorn, warnings, libraries, and functions that use
``logging`` themselves, whose lines carry what every line of the invocation carries.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

from bff.sdk.invocation import current
from bff.telemetry.functionlogs import Sink
from bff.telemetry.identity import Callers, beside, identity_of
from bff.telemetry.verbosity import LEVELS

_QUIET = ("uvicorn", "httpx", "httpcore", "watchfiles")
"""Libraries that tell of each request or change what our own lines tell."""
_OF_LOGGING = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class StandardLogs(logging.Handler):
    """Takes in every record between ``with`` and its end. Debug records of libraries never come through."""

    def __init__(self, lines: Sink, callers: Callers | None = None) -> None:
        super().__init__()
        self._lines = lines
        self._callers = callers or Callers()

    def __enter__(self) -> StandardLogs:
        logging.getLogger().addHandler(self)
        self._obey()
        self._lines.wanted.on_change(self._obey)
        logging.captureWarnings(True)
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
        return self

    def _obey(self) -> None:
        logging.getLogger().setLevel(max(self._lines.wanted.least, logging.INFO))

    def __exit__(self, *_: object) -> None:
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as a line; one that cannot be put into words as what is known of it."""
        level = next((name for name, number in reversed(LEVELS.items()) if record.levelno >= number), "debug")
        fields = {name: value for name, value in vars(record).items() if name not in _OF_LOGGING}
        if record.exc_info and record.exc_info[1] is not None:
            fields["traceback"] = traceback.format_exception(record.exc_info[1])
        try:
            text = record.getMessage()
        except Exception as error:
            text = str(record.msg)
            fields["unreadable"] = f"{type(error).__name__}: {error}"
        self._lines.write(level, text, beside(fields, self._known(record)))

    def _known(self, record: logging.LogRecord) -> dict[str, Any]:
        invocation = current.get(None)
        known: dict[str, Any] = {"logger": record.name}
        return known if invocation is None else known | identity_of(invocation, self._callers)
