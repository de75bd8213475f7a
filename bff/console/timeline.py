"""An invocation as rows of a waterfall: where each bar begins and how long it is, in thousandths of the whole. Pure.

It reads what the admin API tells of one invocation (WholeInvocationShape), as ``bff explain`` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Told = Mapping[str, Any]

WHOLE = 1000
"""Units of the width."""
LEAST = 3
"""Units of the shortest bar: it has to be seen."""
MOST_TICKS = 6
CANCELLED = "cancelled"

TONES = {
    "request": "whole",
    "queue": "wait",
    "warm-up": "wait",
    "phase": "wait",
    "handler": "own",
    "call": "call",
    "attempt": "call",
    "encode": "wait",
    "send": "wait",
}
"""How a kind of span is painted; each row says in words too what it is."""
WORDS = {
    "request": "the page view",
    "queue": "waited for a place",
    "warm-up": "warm-up",
    "phase": "of the warm-up",
    "handler": "the function",
    "call": "service call",
    "attempt": "attempt",
    "encode": "answer encoded",
    "send": "answer sent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One bar. ``x`` and ``width`` are thousandths of the whole; ``depth`` counts from 0; ``tags`` are what is unusual
    about it, in words (``cache hit``, ``2 attempts``); ``detail`` is the path or the address; ``facts`` the rest.
    """

    kind: str
    label: str
    word: str
    tone: str
    depth: int
    x: int
    width: int
    start_ms: float
    ms: float
    service: str = ""
    detail: str = ""
    status: int | None = None
    tags: tuple[str, ...] = ()
    error: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_wrong(self) -> bool:
        """Whether it failed. What lost against a hedge, or was not waited for, did nothing wrong."""
        return bool(self.error) and self.error != CANCELLED

    @property
    def is_brief(self) -> bool:
        """Whether one line says it all."""
        return self.kind in ("phase", "encode", "send", "queue") and not self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark of the axis: where, and the milliseconds since the request came."""

    x: int
    ms: float

    @property
    def label(self) -> str:
        """As short as it can be: ``0``, ``20 ms``, ``1.5 s``."""
        if not self.ms:
            return "0"
        return f"{self.ms / 1000:g} s" if abs(self.ms) >= 1000 else f"{self.ms:g} ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """``missing`` are the parts that did not come; ``dropped`` counts service calls of which nothing is kept."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    missing: tuple[str, ...]
    dropped: int


def timeline_of(told: Told) -> Timeline:
    """The waterfall of one invocation."""
    spans: Sequence[Told] = told["spans"]
    scale = Scale.over(spans)
    return Timeline(
        rows=tuple(_rows(spans, scale)),
        ticks=tuple(scale.ticks()),
        missing=tuple(told["missing"]),
        dropped=told["calls_dropped"],
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Milliseconds to thousandths: from ``begin`` (negative for a warm-up that was under way already) over ``length``."""

    begin: float
    length: float

    @classmethod
    def over(cls, spans: Sequence[Told]) -> Scale:
        """The whole time that is told of."""
        begin = min((span["start_ms"] for span in spans), default=0.0)
        end = max((span["start_ms"] + span["ms"] for span in spans), default=0.0)
        return cls(begin, max(end - begin, 1e-3))

    def bar(self, start: float, ms: float) -> tuple[int, int]:
        """Where a bar begins and how wide it is: within the whole, and never too small to be seen."""
        x = round((start - self.begin) / self.length * WHOLE)
        width = max(LEAST, round((start + ms - self.begin) / self.length * WHOLE) - x)
        return min(x, WHOLE - LEAST), min(width, WHOLE - min(x, WHOLE - LEAST))

    def ticks(self) -> Iterator[Tick]:
        """Marks at round numbers, 1, 2 or 5 times a power of ten apart, at most MOST_TICKS."""
        step = step_of(self.length)
        first = math.ceil(self.begin / step - 1e-9)
        for at in range(first, first + MOST_TICKS + 1):
            x = round((at * step - self.begin) / self.length * WHOLE)
            if x <= WHOLE:
                yield Tick(x=x, ms=round(at * step, 6))


def step_of(length: float) -> float:
    """The least step of 1, 2 or 5 times a power of ten that goes at most MOST_TICKS times into a length."""
    rough = length / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= rough * (1 - 1e-9))


def _rows(spans: Sequence[Told], scale: Scale) -> Iterator[Row]:
    depths: list[int] = []
    for at, span in enumerate(spans):
        depths.append(0 if span["parent"] is None else depths[span["parent"]] + 1)
        if span["kind"] == "attempt" and _is_plain(span, spans):
            continue
        x, width = scale.bar(span["start_ms"], span["ms"])
        facts = span["facts"]
        yield Row(
            kind=span["kind"],
            label=_label(span),
            word=_word(at, spans),
            tone=_tone(span),
            depth=depths[-1],
            x=x,
            width=width,
            start_ms=span["start_ms"],
            ms=span["ms"],
            service=str(facts.get("service") or ""),
            detail=str(facts.get("path") or facts.get("endpoint") or ""),
            status=facts.get("status"),
            tags=tuple(_tags(span, spans)),
            error=_error(span),
            facts=_facts(span),
        )


def _is_plain(attempt: Told, spans: Sequence[Told]) -> bool:
    """The only attempt of a call that went well says nothing that its call does not."""
    return not attempt["error"] and spans[attempt["parent"]]["facts"].get("attempts") == 1


def _label(span: Told) -> str:
    facts = span["facts"]
    return f"{facts['service']} {facts['method']}" if span["kind"] == "call" else str(span["name"])


def _word(at: int, spans: Sequence[Told]) -> str:
    span = spans[at]
    if span["kind"] != "attempt":
        return WORDS.get(span["kind"], str(span["kind"]))
    before = [each for each in spans[:at] if each["kind"] == "attempt" and each["parent"] == span["parent"]]
    if not before:
        return "first attempt"
    # A hedge goes beside an attempt that is still out, a retry after one that has ended.
    is_beside = any(each["start_ms"] + each["ms"] > span["start_ms"] for each in before)
    return "hedge" if is_beside else "retry"


def _tone(span: Told) -> str:
    if span["error"] == CANCELLED:
        return "wait"
    if span["error"] and span["kind"] != "request":  # which failed by what is below it
        return "bad"
    facts = span["facts"]
    is_saved = facts.get("cache") or facts.get("shared")
    return "saved" if is_saved else TONES.get(span["kind"], "wait")


def _tags(span: Told, spans: Sequence[Told]) -> Iterator[str]:
    facts = span["facts"]
    if facts.get("cache"):
        yield f"cache {facts['cache']}"
    if facts.get("shared"):
        yield "shared with another call"
    if facts.get("attempts", 0) > 1:
        yield f"{facts['attempts']} attempts"
    if facts.get("flags"):
        yield str(facts["flags"])


def _error(span: Told) -> str:
    """In words, unless it is the status that is shown anyway."""
    error = str(span["error"])
    return "" if error == str(span["facts"].get("status")) else error.replace("-", " ")


def _facts(span: Told) -> Mapping[str, Any]:
    """What is told of it when it is opened."""
    facts = span["facts"]
    named = {
        "Path": facts.get("path"),
        "Endpoint": facts.get("endpoint"),
        "Status": facts.get("status"),
        "Attempts": facts.get("attempts"),
        "Bytes": facts.get("bytes_in"),
        "Cache": facts.get("cache"),
        "Flags": facts.get("flags"),
        "Span": span["span_id"],
    }
    return {name: value for name, value in named.items() if value not in (None, "", 0)}
