"""How much is logged: changed at run time by whoever is on call, and read by every line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from bff.frozen import frozen

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_NAMES = {number: name for name, number in LEVELS.items()}
_WHOLE = 2**32


@frozen
class Said:
    """What is wanted, in words: a ``level``, one for some ``functions``, and the share of good requests told."""

    level: str
    sample: float = 1.0
    functions: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the admin API."""
        return {"level": self.level, "sample": self.sample, "functions": dict(self.functions)}


class Verbosity:
    """Mutable state: ``level`` and ``sample``, ``_functions`` by name, ``_listeners`` who hear of a change."""

    __slots__ = ("_functions", "_listeners", "level", "sample")

    def __init__(self, said: Said) -> None:
        self._listeners: list[Callable[[], object]] = []
        self.obey(said)

    def obey(self, said: Said) -> None:
        """From the next line on."""
        self.level = LEVELS[said.level]
        self.sample = said.sample
        self._functions = {name: LEVELS[level] for name, level in said.functions.items()}
        for each in self._listeners:
            each()

    def on_change(self, listener: Callable[[], object]) -> None:
        """Call this after every change."""
        self._listeners.append(listener)

    def said(self) -> Said:
        """What holds now."""
        functions = {name: _NAMES[level] for name, level in self._functions.items()}
        return Said(level=_NAMES[self.level], sample=self.sample, functions=functions)

    @property
    def least(self) -> int:
        """The number of the least level that anybody is wanted to write."""
        return min((self.level, *self._functions.values()))

    def wants(self, level: str, function: object = "") -> bool:
        """Whether a line of this level is written, of a function or of none."""
        least = self._functions.get(function, self.level) if self._functions else self.level  # type: ignore[call-overload]
        return LEVELS[level] >= least

    def samples(self, trace_id: str) -> bool:
        """Whether the line of a request that went well is written: by its trace, whose low digits are random (W3C Trace
        Context level 2 §3.2.2.3), so that gateways that see the same one agree.
        """
        return self.sample >= 1.0 or int(trace_id[-8:], 16) < self.sample * _WHOLE

    def __repr__(self) -> str:
        return f"<Verbosity {self.said()}>"
