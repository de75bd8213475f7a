"""Where log lines go: one JSON object a line, or something pretty on a terminal; never two lines from one.

Lines are gathered and written together, at most ``PATIENCE`` seconds late: a write a request costs more
than everything else about its line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TextIO

import orjson
from pydantic_core import to_json

from bff.sdk.reply import BUILTINS_ONLY

PATIENCE = 0.05
"""Seconds a line may wait for company."""

_COLOURS = {"debug": "\x1b[2m", "info": "\x1b[36m", "warning": "\x1b[33m", "error": "\x1b[31m"}
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Lines:
    """The sink of every log line of the process. Mutable state: ``level``, ``_waiting``, ``_timer``."""

    def __init__(self, stream: TextIO, *, pretty: bool, level: str) -> None:
        self._stream = stream
        self._pretty = pretty
        self._waiting: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self.level = LEVELS[level]

    def write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Write one event, if its level is wanted. Values that are not JSON are written as text."""
        if LEVELS[level] < self.level:
            return
        line = self._pretty_line(level, event, fields) if self._pretty else _json_line(level, event, fields)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a synchronous handler's thread, or no loop at all: nothing to wait with
            self._put([line])
            return
        self._waiting.append(line)
        if self._timer is None:
            self._timer = loop.call_later(0 if self._pretty else PATIENCE, self.flush)

    def flush(self) -> None:
        """Write what waits. A reader that is gone (a closed pipe) is no reason to fail."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._put(waiting)

    def write_out(self) -> None:
        """Write what waits, from any thread: for when the loop cannot."""
        waiting = self._waiting
        lines = waiting[:]
        del waiting[: len(lines)]  # the same list: the loop may be about to append to it
        if lines:
            self._put(lines)

    def _put(self, lines: list[bytes]) -> None:
        try:
            self._stream.write(b"".join(lines).decode("utf-8", "replace"))
            self._stream.flush()
        except (OSError, ValueError):
            return

    def _pretty_line(self, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
        colour = _COLOURS[level]
        clock = time.strftime("%H:%M:%S")
        head, *more = str(event).splitlines() or [""]
        pairs = " ".join(
            f"\x1b[2m{key}=\x1b[0m{_plain(value)}" for key, value in fields.items() if value not in (None, "")
        )
        # Only our own events have several lines (a load failure's report); they are indented.
        rest = "".join(f"\n         {_plain(line)}" for line in more)
        return f"\x1b[2m{clock}\x1b[0m {colour}{_plain(head)}\x1b[0m {pairs}{rest}\n".encode(
            "utf-8", "replace"
        )


def _json_line(level: str, event: str, fields: Mapping[str, Any]) -> bytes:
    milliseconds = int(time.time() * 1000)
    stamp = f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"
    line = {"time": stamp, "level": level, "event": event, **fields}
    try:
        return orjson.dumps(line, option=BUILTINS_ONLY | orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # what only pydantic or repr can write
        return _any_line(line)


@lru_cache(maxsize=1)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _any_line(line: Mapping[str, Any]) -> bytes:
    try:
        return to_json(line, fallback=repr, inf_nan_mode="null") + b"\n"
    except ValueError:  # half a surrogate pair somewhere: no UTF-8 can hold it, and no line may be lost
        return json.dumps(line, default=repr).encode("ascii") + b"\n"


def _plain(value: Any) -> str:
    """Text that cannot end the line or speak to the terminal."""
    text = value if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False)
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def open_lines(*, format: str, level: str, stream: TextIO | None = None) -> Lines:  # noqa: A002 - routes.yaml's word
    """The sink for a ``telemetry`` section: ``auto`` is pretty on a terminal and JSON elsewhere."""
    stream = stream or sys.stdout
    pretty = format == "pretty" or (format == "auto" and stream.isatty())
    return Lines(stream, pretty=pretty, level=level)
