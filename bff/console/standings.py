"""How all functions stand, asked for as often as their number allows: ten thousand of them cost a watcher what five
hundred do.
"""

from __future__ import annotations

from typing import Any

from bff.admin.desk import Functions
from bff.clock import Clock

OFTEN = 1.0
"""Seconds between two looks at up to 500 functions; at more, longer."""

Standing = dict[str, Any]


class Standings:
    """Mutable state: ``_kept``, and when they were ``_asked`` for."""

    def __init__(self, functions: Functions, clock: Clock) -> None:
        self._functions = functions
        self._clock = clock
        self._kept: list[Standing] = []
        self._asked = float("-inf")

    def all(self) -> list[Standing]:
        """What ``/v1/functions`` tells, by name; maybe a moment ago."""
        now, functions = self._clock.now(), self._functions()
        if now - self._asked >= max(OFTEN, len(functions) / 500) or len(functions) != len(self._kept):
            self._kept = [dict(functions[name].status()) for name in sorted(functions)]
            self._asked = now
        return self._kept


def condition(standing: Standing) -> str:
    """``failing``, or the state of its instance."""
    return "failing" if standing["failure"] else str(standing["state"])
