"""What all requests of one route, method, status, function and revision share, found once for all who listen.

Most requests are like the one before: the beginning of their log line and their series are made once, and found by one
look into one table, whoever of the listeners asks first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bff.config.names import METHODS
from bff.sdk.invocation import Invocation

if TYPE_CHECKING:
    from bff.telemetry.families import Count, Durations

MOST_KNOWN = 10_000
"""Label sets that are remembered."""
USUAL = frozenset(METHODS)
"""Methods that a route may name. Anybody could make up others, and label sets with them: those are not remembered."""

Key = tuple[str, str, int, str, str]


class LabelSet:
    """Mutable state: what the listeners remember here of their own: the ``beginning`` of a log line, and the series of
    requests that went well, ``count`` and ``durations``.
    """

    __slots__ = (
        *("route", "method", "status", "function", "revision"),
        *("beginning", "count", "durations"),
    )

    def __init__(self, key: Key) -> None:
        self.route, self.method, self.status, self.function, self.revision = key
        self.beginning = b""
        self.count: Count | None = None
        self.durations: Durations | None = None


class LabelSets:
    """Mutable state: ``_known`` by what they are of."""

    def __init__(self) -> None:
        self._known: dict[Key, LabelSet] = {}

    def of(self, invocation: Invocation) -> LabelSet:
        """The one of an invocation that has ended, which remembers it for whoever asks next."""
        of = invocation
        key = (of.route, of.method, of.status, of.function, of.revision)
        found = self._known.get(key)
        if found is None:
            found = self._made(key)
        invocation.labels = found
        return found

    def _made(self, key: Key) -> LabelSet:
        made = LabelSet(key)
        if made.method in USUAL:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = made
        return made

    def forget(self) -> None:
        """Remember nothing: series that are known here may have gone."""
        self._known.clear()
