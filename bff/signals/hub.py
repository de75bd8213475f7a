"""The hub that carries what happened sideways.

Rooms emit; telemetry and the console listen. Nobody who emits knows who listens, and a listener that
fails never fails the one who emitted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any


class Signal:
    """The root of everything that can be emitted."""

    __slots__ = ()


Listener = Callable[[Any], None]


class Signals:
    """Delivers each signal to the listeners of its type, at once and in the order they were added."""

    def __init__(self) -> None:
        # Mutable: grows while app composes the house, then only read.
        self._listeners: dict[type[Signal], tuple[Listener, ...]] = {}

    def listen(self, kind: type[Signal], listener: Listener) -> None:
        """Call ``listener`` with every signal of exactly that type."""
        self._listeners[kind] = (*self._listeners.get(kind, ()), listener)

    def emit(self, signal: Signal) -> None:
        """Tell everybody who listens; a listener's failure is printed and goes no further."""
        for listener in self._listeners.get(type(signal), ()):
            try:
                listener(signal)
            except Exception:
                print(f"listener {listener!r} failed on {type(signal).__name__}", file=sys.stderr)  # noqa: T201
                traceback.print_exc()
