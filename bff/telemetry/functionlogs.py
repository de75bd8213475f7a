"""``ctx.log``: a structlog logger whose lines carry what every line of the invocation carries."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from bff.sdk.invocation import Invocation
from bff.telemetry.identity import Callers, beside, identity_of

if TYPE_CHECKING:
    from bff.telemetry.verbosity import Verbosity


NOTHING: Mapping[str, str] = MappingProxyType({})


class Sink(Protocol):
    """Where lines go: :class:`bff.telemetry.lines.Lines`, or from a process to the gateway's."""

    wanted: Verbosity

    def write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Write one."""


class FunctionLogs:
    """Makes ``ctx.log``. structlog loads when one is asked for. Immutable."""

    def __init__(self, lines: Sink, callers: Callers | None = None) -> None:
        self._lines = lines
        self._callers = callers or Callers()

    def __call__(self, invocation: Invocation, also: Mapping[str, str] = NOTHING) -> Any:
        """A logger for the invocation, whose lines have ``also`` these fields."""
        import structlog

        sink = _OfOne(self._lines, {**identity_of(invocation, self._callers), **also})
        return structlog.wrap_logger(
            sink,
            processors=[sink.drop_unwanted, _traceback, _positional],
            # Everything goes through, for what is wanted may change while a handler runs for hours.
            wrapper_class=structlog.make_filtering_bound_logger(0),
            context_class=dict,
        )


class _OfOne:
    """The lines of one invocation. Immutable."""

    def __init__(self, lines: Sink, identity: Mapping[str, Any]) -> None:
        self._lines = lines
        self._identity = identity

    def drop_unwanted(self, _logger: Any, method: str, event: Any) -> Any:
        """A processor of structlog's: what is not wanted costs nothing more."""
        import structlog

        level = "error" if method in ("critical", "exception", "fatal") else method
        if not self._lines.wanted.wants(level, self._identity["function"]):
            raise structlog.DropEvent
        return event

    def _write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        self._lines.write(level, event, beside(fields, self._identity))

    def debug(self, event: str, fields: dict[str, Any]) -> None:
        """A line from a function."""
        self._write("debug", event, fields)

    def info(self, event: str, fields: dict[str, Any]) -> None:
        """A line from a function."""
        self._write("info", event, fields)

    def warning(self, event: str, fields: dict[str, Any]) -> None:
        """A line from a function."""
        self._write("warning", event, fields)

    def error(self, event: str, fields: dict[str, Any]) -> None:
        """A line from a function."""
        self._write("error", event, fields)

    critical = exception = error


def _traceback(_logger: Any, _method: str, event: Any) -> Any:
    """``exc_info`` as the lines of a traceback, like everywhere else in the log."""
    import sys

    given = event.pop("exc_info", None)
    if not given:
        return event
    error = given[1] if isinstance(given, tuple) else given
    if not isinstance(error, BaseException):
        error = sys.exc_info()[1]
    if error is not None:
        event["traceback"] = traceback.format_exception(error)
    return event


def _positional(_logger: Any, _method: str, event: Any) -> tuple[tuple[str, dict[str, Any]], dict[str, Any]]:
    text = str(event.pop("event", ""))
    return (text, dict(event)), {}
