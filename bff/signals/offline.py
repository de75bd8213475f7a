"""What happens to events."""

from __future__ import annotations

from dataclasses import dataclass

from bff.signals.hub import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAccepted(Signal):
    """So many events were stored that were not known before."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSettled(Signal):
    """An attempt to deliver an event has ended: ``outcome`` is ``delivered``, ``waiting`` (it is tried again) or
    ``dead``; the revision is empty where none was reached.
    """

    trigger: str
    function: str
    revision: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDied(Signal):
    """An event could not be delivered: after so many attempts, or because no further one could end better."""

    event: str
    trigger: str
    function: str
    attempts: int
    why: str
