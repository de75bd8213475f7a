"""What happened, as values, and the hub that carries them sideways.

Rooms emit; telemetry and the console listen. Nobody who emits knows who listens, and a listener that
fails never fails the one who emitted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class Signal:
    """The root of everything that can be emitted."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionReady(Signal):
    """A revision was loaded and now gets the function's traffic."""

    function: str
    revision: str
    digest: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailed(Signal):
    """A save or a first call brought code that cannot serve; ``serving`` is the revision that goes on."""

    function: str
    report: str
    serving: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmedUp(Signal):
    """An instance became warm. ``phases`` are seconds by phase, in the order they ran."""

    function: str
    revision: str
    phases: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUpFailed(Signal):
    """An instance could not be made."""

    function: str
    revision: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted(Signal):
    """An instance is gone and its modules are dropped."""

    function: str
    revision: str
    stop_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigApplied(Signal):
    """A changed routes.yaml is live."""

    routes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRejected(Signal):
    """A changed routes.yaml has mistakes; the last good one goes on."""

    mistakes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexpected(Signal):
    """A failure that is ours, with its traceback for the log."""

    where: str
    error: BaseException


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
