"""What happens to events."""

from __future__ import annotations

from bff.frozen import frozen
from bff.signals.hub import Signal


@frozen
class EventsAccepted(Signal):
    """So many events were stored that were not known before."""

    count: int


@frozen
class EventSettled(Signal):
    """An attempt to deliver an event has ended: ``outcome`` is ``delivered``, ``waiting`` (it is tried again) or
    ``dead``; the revision is empty where none was reached.
    """

    trigger: str
    function: str
    revision: str
    outcome: str


@frozen
class EventDied(Signal):
    """An event could not be delivered: after so many attempts, or because no further one could end better."""

    event: str
    trigger: str
    function: str
    attempts: int
    why: str
