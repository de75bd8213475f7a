"""Failures as plain data and back: one of the house's own classes stays what it is, a function's own subclass
becomes :class:`Told`, and the cause keeps its name, its words and its frames for logs and the dev page.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from types import TracebackType
from typing import Any

from pydantic_core import to_json

from bff import errors
from bff.errors import BffError, Fault
from bff.revisions.loader import words_of
from bff.sdk import eventfailures, failures

FRAMES = 20
"""Innermost frames of a traceback that travel; logs show no more."""
CAUSES = 3
"""How far a chain of causes is followed."""


class Told(BffError):
    """A failure of a class that only the function's own code has: it says all that the original said."""

    told_extras: Mapping[str, Any]
    told_headers: Mapping[str, str]

    def extras(self) -> Mapping[str, Any]:
        return self.told_extras

    def headers(self) -> Mapping[str, str]:
        return self.told_headers


def described(error: BffError) -> dict[str, Any]:
    """A failure as data that JSON can carry."""
    facts: dict[str, Any] = {"words": words_of(error)}
    if _own(type(error).__name__) is type(error):
        facts["kind"] = type(error).__name__
        facts["state"] = {name: plain(value) for name, value in vars(error).items()}
    else:
        facts["state"] = {
            "code": error.code,
            "explained": error.explained,
            "title": error.title,
            "status": error.status,
            "fault": str(error.fault),
            "retryable": error.retryable,
            "told_extras": plain(dict(error.extras())),
            "told_headers": plain(dict(error.headers())),
        }
    if error.__cause__ is not None:
        facts["cause"] = traced(error.__cause__)
    return facts


def rebuilt(facts: Mapping[str, Any], loader: Any = None) -> BffError:
    """The failure that :func:`described` took down; ``loader`` has the sources of its cause's frames."""
    kind = _own(facts.get("kind", "")) or Told
    error: BffError = kind.__new__(kind)
    Exception.__init__(error, facts["words"])
    vars(error).update(facts["state"])
    if "fault" in vars(error):
        error.fault = Fault(error.fault)
    if "cause" in facts:
        error.__cause__ = retraced(facts["cause"], loader)
    return error


def _own(name: str) -> type[BffError] | None:
    """The class of this name among those that both sides have."""
    kind = next((vars(each)[name] for each in (errors, failures, eventfailures) if name in vars(each)), None)
    return kind if isinstance(kind, type) and issubclass(kind, BffError) else None


def plain(value: Any) -> Any:
    """The value as JSON has it, in pydantic's spelling; of what is no tree, nothing."""
    try:
        return json.loads(to_json(value, fallback=str, inf_nan_mode="constants"))
    except ValueError:  # half a surrogate pair, or a circle
        pass
    try:
        return json.loads(json.dumps(value, default=str))
    except (ValueError, TypeError, RecursionError):
        return {} if isinstance(value, Mapping) else None


def traced(error: BaseException, depth: int = CAUSES) -> dict[str, Any]:
    """What logs and the dev page show of any exception, as data."""
    facts: dict[str, Any] = {
        "type": type(error).__qualname__,
        "module": type(error).__module__,
        "words": words_of(error),
        "notes": [str(note) for note in getattr(error, "__notes__", ())],
        "frames": [_place(trace) for trace in _walk(error.__traceback__)][-FRAMES:],
    }
    inner = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if inner is not None and depth > 0:
        facts["inner"] = [error.__cause__ is not None, traced(inner, depth - 1)]
    return facts


def _walk(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _place(trace: TracebackType) -> list[Any]:
    """Module, file, function, line, last line, column and last column of a frame; columns may be 0."""
    code, at = trace.tb_frame.f_code, trace.tb_lasti // 2
    position = next(islice(code.co_positions(), at, None), (None,) * 4)
    if None in position:
        position = (trace.tb_lineno, trace.tb_lineno, 0, 0)
    return [str(trace.tb_frame.f_globals.get("__name__", "")), code.co_filename, code.co_name, *position]


def retraced(facts: Mapping[str, Any], loader: Any = None) -> BaseException:
    """An exception of the same name that says the same, with a traceback of the same frames."""
    name = facts["type"].rpartition(".")[2]
    kind = type(name, (Exception,), {"__module__": facts["module"], "__qualname__": facts["type"]})
    error: BaseException = kind(facts["words"])
    for note in facts["notes"]:
        error.add_note(note)
    trace: TracebackType | None = None
    for module, filename, function, *position in reversed(facts["frames"]):
        frame = _frame(module, filename, function, position, loader)
        trace = TracebackType(trace, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    error.__traceback__ = trace
    if "inner" in facts:
        is_cause, inner = facts["inner"]
        setattr(error, "__cause__" if is_cause else "__context__", retraced(inner, loader))
    return error


def _frame(module: str, filename: str, function: str, position: list[int], loader: Any) -> TracebackType:
    """A frame that claims to be at a place: code is compiled to stand there, and left by an exception."""
    statement = ast.parse("raise E")
    for node in ast.walk(statement):
        if isinstance(node, ast.stmt | ast.expr):
            node.lineno, node.end_lineno, node.col_offset, node.end_col_offset = position
    code = compile(statement, filename, "exec").replace(co_name=function, co_qualname=function)
    trace: TracebackType | None = None
    try:
        exec(code, {"__name__": module, "__loader__": loader, "E": _Elsewhere})  # noqa: S102 - two words of our own
    except _Elsewhere as error:
        trace = error.__traceback__
    assert trace is not None
    assert trace.tb_next is not None
    return trace.tb_next


class _Elsewhere(Exception):
    """Raised to have a frame."""
