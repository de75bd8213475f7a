"""Failures grouped by what caused them, with how often and since when; a bounded number of groups."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from hashlib import blake2s

from bff.errors import Fault
from bff.telemetry.entry import Entry
from bff.telemetry.failure import Failure

MOST_GROUPS = 200
"""Groups that are kept; the one that was met longest ago goes first."""
MOST_EXAMPLES = 5
"""Invocations that one group names: the last ones."""
MOST_REVISIONS = 10
"""Revisions that one group names: the last ones."""


class Cause:
    """One group: failures of one function with the same code, cause, service and line.

    Mutable state: ``count``, ``last`` (clock seconds), ``newest`` (the last one's words), ``examples`` (request id and
    number of some, the last one at the end), ``revisions``.
    """

    __slots__ = ("count", "examples", "first", "function", "id", "last", "newest", "revisions")

    def __init__(self, key: tuple[str, ...], function: str, entry: Entry, failure: Failure) -> None:
        self.id = blake2s("\0".join(key).encode("utf-8", "replace"), digest_size=6).hexdigest()
        self.function = function
        self.count = 0
        self.first = entry.ended
        self.revisions: dict[str, None] = {}
        self.examples: deque[tuple[str, int]] = deque(maxlen=MOST_EXAMPLES)
        self.newest = failure
        self.meet(entry, failure)

    def meet(self, entry: Entry, failure: Failure) -> None:
        """It has happened once more."""
        self.count += 1
        self.last, self.newest = entry.ended, failure
        self.examples.append((entry.request_id, entry.number))
        if entry.revision and entry.revision not in self.revisions:
            self.revisions[entry.revision] = None
            if len(self.revisions) > MOST_REVISIONS:
                del self.revisions[next(iter(self.revisions))]

    @property
    def fault(self) -> Fault:
        """Whose it is."""
        return self.newest.fault


class Causes:
    """Mutable state: ``_groups``, the one that was met last at the end."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, ...], Cause] = {}

    def count(self, entry: Entry) -> None:
        """Put a failure into its group. What no route has is nobody's function's, and is left out: anybody could
        ask for anything.
        """
        failure = entry.failure
        if failure is None or not entry.route:
            return
        key = (entry.function or entry.route, failure.code, failure.kind, failure.service, failure.place)
        found = self._groups.pop(key, None)
        if found is None:
            found = Cause(key, entry.function, entry, failure)
            if len(self._groups) >= MOST_GROUPS:
                del self._groups[next(iter(self._groups))]
        else:
            found.meet(entry, failure)
        self._groups[key] = found

    def groups(self) -> Iterable[Cause]:
        """All of them, the one that was met last first."""
        return list(reversed(self._groups.values()))
