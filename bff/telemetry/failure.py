"""Why an invocation failed, as a few facts that outlive it: no exception, no frame, nothing that holds memory."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from types import TracebackType
from typing import Any

from bff.errors import BffError, Fault, FunctionNotLoaded
from bff.frozen import frozen
from bff.sdk.invocation import Invocation

LONGEST = 500
"""Characters kept of a sentence or of an exception's words."""
AROUND = 2
"""Lines of the text that are kept on either side of the one that failed."""
MOST_KNOWN = 1000
"""Places, and frames, that are remembered."""
LONGEST_LINE = 160
"""Characters kept of each."""

OwnPlace = Callable[[str, str], str | None]
"""``functions/home.py`` for the module and the file name of a function's own code; None for anybody else's."""


@frozen
class Frame:
    """A line of a function's own code, and the function it is in. ``excerpt`` is that line among its neighbours as
    they were when it ran, of which the one at the top has the number ``first``; empty where the text is not known.
    """

    file: str
    line: int
    function: str
    first: int = 0
    excerpt: tuple[str, ...] = ()


@frozen
class Failure:
    """``code`` and ``sentence`` are what the caller got. ``cause`` is the exception behind it (``ValueError: no such
    room``), empty where there is none; ``service`` the one whose failure it was; ``frame`` the innermost line of the
    function's own.
    """

    code: str
    fault: Fault
    sentence: str
    cause: str = ""
    service: str = ""
    frame: Frame | None = None
    where: str = ""

    @property
    def place(self) -> str:
        """``functions/home.py:12``, of the function's own code; empty where none was involved."""
        return f"{self.frame.file}:{self.frame.line}" if self.frame is not None else self.where

    @property
    def kind(self) -> str:
        """The class of the cause, without its words, which differ from call to call."""
        return self.cause.partition(":")[0]

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        shown = sum(map(len, self.frame.excerpt)) if self.frame is not None else 0
        return 400 + 2 * (len(self.sentence) + len(self.cause) + shown)


class Witness:
    """Tells why invocations failed; ``discreet`` takes secrets out of what exceptions say.

    Where a service is down, every call fails in the same place. Mutable state: ``_places`` of code by module and file,
    and ``_frames`` by revision, place, line and function, which no revision ever changes.
    """

    def __init__(self, own_place: OwnPlace, discreet: Callable[[str], str] = str) -> None:
        self._own_place = own_place
        self._discreet = discreet
        self._places: dict[tuple[Any, str], str | None] = {}
        self._frames: dict[tuple[str, str, int, str], Frame] = {}

    def failure_of(self, invocation: Invocation) -> Failure | None:
        """The facts of the invocation's error; None where there was none."""
        error = invocation.error
        if error is None:
            return None
        fault = invocation.fault or Fault.GATEWAY
        if isinstance(error, FunctionNotLoaded):
            return _facts(error, fault, self._discreet(_short(error.why)))
        if (
            fault is Fault.CALLER
        ):  # anybody can cause these, as often as they like: the facts that cost nothing
            return _facts(error, fault)
        cause = error.__cause__ if isinstance(error, BffError) else error
        words = "" if cause is None else self._discreet(_short(_words(cause)))
        return _facts(error, fault, words, self._innermost(error, invocation.revision))

    def _innermost(self, error: BaseException, revision: str) -> Frame | None:
        """The last line of the function's own on the way to the error, or to what caused it."""
        places = self._places
        for each in (error.__cause__, error):
            found, trace = None, each.__traceback__ if each is not None else None
            while trace is not None:
                frame = trace.tb_frame
                key = (frame.f_globals.get("__name__", ""), frame.f_code.co_filename)
                place = places[key] if key in places else self._place(key)
                if place is not None:
                    found = place, trace
                trace = trace.tb_next
            if found is not None:
                return self._frame(*found, revision)
        return None

    def _place(self, key: tuple[Any, str]) -> str | None:
        place = self._own_place(str(key[0]), key[1])
        if len(self._places) < MOST_KNOWN:
            self._places[key] = place
        return place

    def _frame(self, place: str, trace: TracebackType, revision: str) -> Frame:
        key = (revision, place, trace.tb_lineno, trace.tb_frame.f_code.co_qualname)
        found = self._frames.get(key)
        if found is None:
            found = _frame(place, trace)
            if len(self._frames) >= MOST_KNOWN:
                self._frames.clear()
            if revision:
                self._frames[key] = found
        return found


def _facts(error: BaseException, fault: Fault, cause: str = "", frame: Frame | None = None) -> Failure:
    code, service = getattr(error, "code", "internal-error"), str(getattr(error, "service", ""))
    if isinstance(error, FunctionNotLoaded):
        return Failure(code=code, fault=fault, sentence=_short(str(error)), cause=cause, where=error.where)
    return Failure(
        code=code, fault=fault, sentence=_short(str(error)), cause=cause, service=service, frame=frame
    )


def _words(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:  # a class of the function's own may do anything here
        said = "its own text fails"
    return f"{type(error).__qualname__}: {said}" if said else type(error).__qualname__


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _frame(place: str, trace: TracebackType) -> Frame:
    code, line = trace.tb_frame.f_code, trace.tb_lineno
    linecache.checkcache(code.co_filename)  # a file that dev loads from is read again once it was saved
    lines = linecache.getlines(code.co_filename, trace.tb_frame.f_globals)
    first = max(1, line - AROUND)
    excerpt = tuple(each.rstrip()[:LONGEST_LINE] for each in lines[first - 1 : line + AROUND])
    return Frame(file=place, line=line, function=code.co_qualname, first=first, excerpt=excerpt)
