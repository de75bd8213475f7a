"""Where log lines go: one JSON object a line, or something pretty on a terminal; never two lines from one.

Lines are gathered and written together, at most ``PATIENCE`` seconds late: a write a request costs more
than everything else about its line.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, BinaryIO, TextIO

import orjson
from pydantic_core import to_json

from bff.sdk.reply import BUILTINS_ONLY
from bff.telemetry.discretion import Discretion
from bff.telemetry.plain import json_line, one_line
from bff.telemetry.verbosity import LEVELS, Said, Verbosity

PATIENCE = 0.05
"""Seconds a line may wait for company."""

_COLOURS = {"debug": "\x1b[2m", "info": "\x1b[36m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_LEVELS = {level: f'"level":"{level}","event":'.encode() for level in LEVELS}
_MILLISECONDS = tuple(b'.%03dZ",' % each for each in range(1000))


class Lines:
    """The sink of every log line of the process. Mutable state: ``wanted``, ``discretion``, ``_waiting``, ``_timer``, and
    how a line begins in this millisecond (``_stamp``, at ``_at``).
    """

    def __init__(self, stream: TextIO, *, pretty: bool, level: str, sample: float = 1.0) -> None:
        self._stream = stream
        self._binary = _binary_of(stream)
        self.is_pretty = pretty
        self.wanted = Verbosity(Said(level=level, sample=sample))
        self.discretion = Discretion()
        self._waiting: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._at, self._stamp = 0, b""
        self._writing = threading.Lock()  # of whole batches: the loop's, and those of threads

    def write(self, level: str, event: str, fields: Mapping[str, Any], *, is_ours: bool = False) -> None:
        """Write one event, if its level is wanted. Values that are not JSON are written as text.

        Only an event that ``is_ours`` may have several lines on a terminal: who reads it there could not tell a
        stranger's second line from a line of the log.
        """
        if not self.wanted.wants(level, fields.get("function")):
            return
        fields = self.discretion.fields(fields)
        event = self.discretion.text(event)
        if self.is_pretty:
            self.put(_pretty_line(level, event, fields, is_ours=is_ours))
        else:
            self.put(
                b"%b%b%b" % (self.stamp(), begun(level), json_line(_json({"event": event, **fields})[9:]))
            )

    def stamp(self) -> bytes:
        """How a JSON line begins that is written now: with its time. Under load a millisecond has many lines."""
        at = int(time.time() * 1000)
        if at != self._at:
            self._at = at
            second, millisecond = divmod(at, 1000)
            self._stamp = _second(second) + _MILLISECONDS[millisecond]
        return self._stamp

    def put_here(self, line: bytes) -> None:
        """The same as :meth:`put`, from where the loop runs."""
        if self._timer is None:
            self.put(line)
        else:
            self._waiting.append(line)

    def put(self, line: bytes) -> None:
        """Write a finished line, soon."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a synchronous handler's thread, or no loop at all: nothing to wait with
            self._put([line])
            return
        self._waiting.append(line)
        if self._timer is None:
            self._timer = loop.call_later(0 if self.is_pretty else PATIENCE, self.flush)

    def say(self, text: str) -> None:
        """Write a line that is none of the log, at once: what the command that serves has to say."""
        self.flush()
        self._put([text.encode() + b"\n"])

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
        whole = b"".join(lines)
        try:
            with self._writing:
                self._stream.flush()  # what others wrote there comes before
                if self._binary is not None:
                    self._binary.write(whole)
                    self._binary.flush()
                else:
                    self._stream.write(whole.decode("utf-8", "replace"))
                    self._stream.flush()
        except (OSError, ValueError):
            return


def _binary_of(stream: TextIO) -> BinaryIO | None:
    """What takes the bytes of lines as they are, below a stream that would encode them again."""
    is_ours = isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() in ("utf-8", "utf8")
    return stream.buffer if is_ours else None


def begun(level: str) -> bytes:
    """What follows the time in a JSON line, up to the event, which follows."""
    return _LEVELS[level]


def ms(seconds: float) -> float:
    """Milliseconds, to the microsecond: as :func:`round` gives them but for halves, at a fifth of its cost."""
    return int(seconds * 1e6 + 0.5) / 1000


@lru_cache(maxsize=1)
def _second(at: int) -> bytes:
    return time.strftime('{"time":"%Y-%m-%dT%H:%M:%S', time.gmtime(at)).encode()


def _json(line: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, option=BUILTINS_ONLY | orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # what only pydantic or repr can write
        pass
    try:
        return to_json(line, fallback=repr, inf_nan_mode="null") + b"\n"
    except ValueError:  # half a surrogate pair somewhere: no UTF-8 can hold it, and no line may be lost
        return json.dumps(line, default=repr, separators=(",", ":")).encode("ascii") + b"\n"


def _pretty_line(level: str, event: str, fields: Mapping[str, Any], *, is_ours: bool) -> bytes:
    head, *more = (event.splitlines() or [""]) if is_ours else [event]
    rest = [*more, *_told(fields.get("traceback"))]
    pairs = " ".join(
        f"\x1b[2m{one_line(key)}=\x1b[0m{_shown(value)}"
        for key, value in fields.items()
        if value not in (None, "") and not (rest and key == "traceback")
    )
    below = "".join(f"\n         {one_line(line)}" for line in rest)
    clock = time.strftime("%H:%M:%S")
    text = f"\x1b[2m{clock}\x1b[0m {_COLOURS[level]}{one_line(head)}\x1b[0m {pairs}{below}\n"
    return text.encode("utf-8", "replace")


def _told(traceback: Any) -> list[str]:
    """The lines of a traceback: each is indented, so that none can pass for a line of the log."""
    if not isinstance(traceback, list):
        return []
    return [line for part in traceback for line in str(part).splitlines()]


def _shown(value: Any) -> str:
    return one_line(value if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False))


def open_lines(
    *,
    format: str,  # noqa: A002 - routes.yaml's word
    level: str,
    sample: float = 1.0,
    stream: TextIO | None = None,
) -> Lines:
    """The sink for a ``telemetry`` section: ``auto`` is pretty on a terminal and JSON elsewhere."""
    stream = stream or sys.stdout
    pretty = format == "pretty" or (format == "auto" and stream.isatty())
    return Lines(stream, pretty=pretty, level=level, sample=sample)
