"""``ctx.log`` and ``logging``: lines of functions and libraries carry what the request's own line carries."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from bff.sdk.caller import Caller
from bff.sdk.invocation import current
from bff.telemetry.functionlogs import FunctionLogs
from bff.telemetry.identity import Callers
from bff.telemetry.lines import Lines
from bff.telemetry.standardlogs import StandardLogs
from bff.telemetry.verbosity import Said
from tests.telemetry.test_accesslog import TRACE, ended

IDENTITY = {
    "function": "home",
    "revision": "home-00001",
    "route": "/users/{id}",
    "request_id": "r-1",
    "trace_id": TRACE,
}


class Log:
    """Lines, read back."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.lines = Lines(self.stream, pretty=False, level="info")
        self.callers = Callers("a key")
        self.ctx = FunctionLogs(self.lines, self.callers)(ended())

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def standard(log: Log) -> Iterator[Log]:
    root, names = logging.getLogger(), ("uvicorn", "httpx", "httpcore", "watchfiles")
    before, levels = root.level, {name: logging.getLogger(name).level for name in names}
    with StandardLogs(log.lines, log.callers):
        yield log
    root.setLevel(before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_a_functions_line_knows_whose_it_is(log: Log) -> None:
    """Function, revision, route, request, trace; and the caller as the request's line has it."""
    log.ctx.info("paid", amount=7)
    ada = Caller(subject="ada", scheme="jwt")
    FunctionLogs(log.lines, log.callers)(ended(caller=ada)).warning("again %s", "ada")
    first, second = log.read()
    assert {name: first[name] for name in (*IDENTITY, "event", "level", "amount")} == {
        **IDENTITY, "event": "paid", "level": "info", "amount": 7,
    }  # fmt: skip
    assert (second["event"], second["caller"]) == ("again ada", log.callers.hashed(ada))


@pytest.mark.parametrize(
    "name", ["time", "level", "function", "revision", "route", "request_id", "trace_id", "caller", "logger"]
)
def test_nothing_can_call_itself_what_only_we_say(log: Log, name: str) -> None:
    """Not even by ``bind``: the field is there under another name, and ours is ours."""
    log.ctx.bind(**{name: "forged"}).info("said", **{name: "forged too"})
    log.ctx.info("said")
    forged, honest = log.read()
    assert forged[f"{name}_"] == "forged too"
    assert {**forged, "time": ""} == {**honest, "time": "", f"{name}_": "forged too"}


def test_levels_change_under_a_handler_that_runs(log: Log) -> None:
    """A logger that was taken before the change hears of it."""
    log.ctx.debug("too quiet")
    log.lines.wanted.obey(Said(level="info", functions={"home": "debug"}))
    log.ctx.debug("heard")
    log.lines.wanted.obey(Said(level="error"))
    log.ctx.warning("too quiet again")
    log.ctx.critical("heard, too")
    assert [(line["level"], line["event"]) for line in log.read()] == [
        ("debug", "heard"),
        ("error", "heard, too"),
    ]


def test_an_exception_is_a_traceback_like_all_others(log: Log) -> None:
    """By ``exception`` or ``exc_info``."""
    try:
        raise ZeroDivisionError("by 0")
    except ZeroDivisionError as error:
        log.ctx.exception("failed")
        log.ctx.error("failed", exc_info=error)
        log.ctx.error("failed", exc_info=sys.exc_info())
    log.ctx.error("failed", exc_info=True)
    *three, last = log.read()
    assert [line["traceback"][-1] for line in three] == ["ZeroDivisionError: by 0\n"] * 3
    assert "traceback" not in last


def test_secrets_of_functions_are_taken_out(log: Log) -> None:
    """In the event and in fields."""
    log.ctx.info("sent Bearer abcdef123456", password="sesame")
    [line] = log.read()
    assert (line["event"], line["password"]) == ("sent Bearer [redacted]", "[redacted]")


def test_what_libraries_log_goes_the_same_way(standard: Log) -> None:
    """uvicorn's, a warning of Python's, any other; with the fields of ``extra``."""
    logging.getLogger("uvicorn.error").warning("odd %s", "request")
    logging.getLogger("shop.stock").info("few left", extra={"article": 7, "function": "forged"})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old API", DeprecationWarning, stacklevel=1)
    one, two, three = standard.read()
    assert (one["logger"], one["event"], one["level"]) == ("uvicorn.error", "odd request", "warning")
    assert (two["logger"], two["article"], two["function_"], "function" in two) == (
        "shop.stock",
        7,
        "forged",
        False,
    )
    assert (three["logger"], three["level"]) == ("py.warnings", "warning")
    assert "old API" in three["event"]


def test_what_a_function_logs_by_logging_carries_the_invocation(standard: Log) -> None:
    """As its ``ctx.log`` does."""
    token = current.set(ended())
    try:
        logging.getLogger("shop").error("out of stock\n{}")
    finally:
        current.reset(token)
    [line] = standard.read()
    assert {name: line[name] for name in IDENTITY} == IDENTITY
    assert (line["event"], line["logger"]) == ("out of stock\n{}", "shop")


def test_a_record_that_cannot_be_put_into_words_is_a_line(log: Log) -> None:
    """Nothing is printed beside the log."""
    record = logging.LogRecord("shop", logging.WARNING, "shop.py", 1, "%d left", ("few",), None)
    StandardLogs(log.lines, log.callers).handle(record)
    [line] = log.read()
    assert line["event"] == "%d left"
    assert line["unreadable"].startswith("TypeError")


def test_the_level_of_libraries_follows_ours_but_never_to_debug(standard: Log) -> None:
    """Their debug records tell of every byte."""
    standard.lines.wanted.obey(Said(level="error"))
    logging.getLogger("shop").warning("too quiet")
    standard.lines.wanted.obey(Said(level="debug"))
    logging.getLogger("shop").debug("far too quiet")
    logging.getLogger("shop").info("heard")
    assert [line["event"] for line in standard.read()] == ["heard"]
