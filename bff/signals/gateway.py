"""What happens to the gateway as a whole: its configuration, and what it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bff.frozen import frozen
from bff.signals.hub import Signal


@frozen
class ConfigApplied(Signal):
    """A changed routes.yaml is live: so many ``routes``; these ``services``, of which those ``replaced`` are others
    than before.
    """

    routes: int
    services: frozenset[str] | None = None
    replaced: frozenset[str] = frozenset()


@frozen
class ConfigRejected(Signal):
    """A changed routes.yaml has mistakes; the last good one goes on."""

    mistakes: tuple[str, ...]


@frozen
class AdminWrite(Signal):
    """Somebody changed something through the admin listener, or tried: ``what`` is the operation, ``status``
    how it was answered. ``who`` is empty when no token was known; ``unrecorded`` says why the store has no
    record of it, if it has none.
    """

    who: str
    what: str
    target: str
    status: int
    detail: Mapping[str, Any]
    unrecorded: str = ""


@frozen
class NoLocalToken(Signal):
    """The token for this machine's own commands could not be made; everything else works."""

    why: str


@frozen
class StoreLost(Signal):
    """The state store cannot be used; traffic flows on as it was, and changes are refused."""

    why: str


@frozen
class StoreReturned(Signal):
    """The state store can be used again."""


@frozen
class NameLost(Signal):
    """A process was silent for too long, and another one has its name by now."""

    name: str


@frozen
class LimitsLost(Signal):
    """Calls cannot be counted where several gateways count them; ``lets_in`` tells what happens to them."""

    why: str
    lets_in: bool


@frozen
class LimitsReturned(Signal):
    """Calls are counted again."""


@frozen
class TracesLost(Signal):
    """The collector takes no spans. Emitted by the thread that sends them, once; calls go on as ever."""

    why: str


@frozen
class TracesReturned(Signal):
    """The collector takes spans again; those of so many calls are gone meanwhile. Emitted by that thread."""

    gone: int


@frozen
class TracesLeftOut(Signal):
    """Spans of so many calls were not sent, for they were more than may be. Emitted by that thread."""

    count: int


@frozen
class Unexpected(Signal):
    """A failure that is ours, with its traceback for the log."""

    where: str
    error: BaseException
