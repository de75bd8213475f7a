"""Invocations that fit what somebody looks for, followed as they come: who looks again pays for what is new only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from cachetools import LRUCache

from bff.telemetry.entry import Entry
from bff.telemetry.recorder import Recorder
from bff.telemetry.seeking import statuses_of

MOST_ROWS = 50
MOST_LOOKOUTS = 32
"""Searches whose results are kept; the one that was asked for longest ago goes."""

KINDS: Mapping[str, tuple[str, Callable[[Entry], bool]]] = {
    "errors": ("Errors", lambda entry: entry.is_error),
    "slow": ("Slow", lambda entry: entry.is_slow),
    "incomplete": ("Incomplete", lambda entry: bool(entry.missing)),
    "cold": ("Cold starts", lambda entry: entry.phases is not None),
}
"""What one may look for besides names: the word of the filter, and what is so."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``text`` is a part of a function's, route's or revision's name, or of a request id; ``kind`` is one of KINDS;
    ``status`` is as the admin API takes it. Empty ones let everything through.
    """

    text: str = ""
    kind: str = ""
    status: str = ""

    def fits(self) -> Callable[[Entry], bool]:
        """Whether an entry is meant.

        Raises:
            ValueError: ``status`` is none.

        """
        text, is_kind = self.text.lower(), KINDS[self.kind][1] if self.kind in KINDS else None
        low, high = statuses_of(self.status) if self.status else (0, 999)

        def fits(entry: Entry) -> bool:
            if not low <= entry.status <= high or (is_kind is not None and not is_kind(entry)):
                return False
            return not text or any(
                text in each.lower()
                for each in (entry.function, entry.route, entry.revision, entry.request_id)
            )

        return fits


class Lookout:
    """Mutable state: ``_found``, the newest at the end, and ``_seen``, up to which invocation was looked."""

    def __init__(self, recorder: Recorder, fits: Callable[[Entry], bool]) -> None:
        self._recorder = recorder
        self._fits = fits
        self._found: deque[Entry] = deque(maxlen=MOST_ROWS)
        self._seen = 0

    def look(self) -> list[Entry]:
        """The newest ones, the newest first."""
        fresh = filter(self._fits, self._recorder.newest(self._seen))
        newest = list(islice(fresh, MOST_ROWS))
        self._seen = self._recorder.last
        self._found.extend(reversed(newest))
        return list(reversed(self._found))


class Lookouts:
    """Mutable state: those that are kept, by what is wanted."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: LRUCache[Wanted, Lookout] = LRUCache(MOST_LOOKOUTS)

    def look(self, wanted: Wanted) -> list[Entry]:
        """The newest ones that are wanted, the newest first; raises as :meth:`Wanted.fits`."""
        found = self._kept.get(wanted)
        if found is None:
            found = self._kept[wanted] = Lookout(self._recorder, wanted.fits())
        return found.look()


def line_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """An invocation as a row shows it: what the API tells of it, and what is unusual about it in words."""
    marks = []
    if told["cold"]:
        marks.append(("cold start", "accent"))
    if told["slow"]:
        marks.append(("slow", "warn"))
    if told["missing"]:
        marks.append((f"without {', '.join(told['missing'][:3])}", "warn"))
    if told["error"]:
        marks.append((told["error"].replace("-", " "), "bad" if told["fault"] != "caller" else ""))
    return {**told, "marks": marks}
