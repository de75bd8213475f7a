"""Remembers the last invocations, in bounded bytes: errors, slow ones and incomplete ones for longer than the rest.

It is told of each once it has ended, and keeps one flat tuple of it, half as long where there is little to tell. Nobody who reads is ever waited for, and what is
not read costs nothing further: a live stream is somebody who asks again and again for what is newer than a number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import merge

from bff.sdk.caller import NOBODY
from bff.sdk.invocation import Invocation
from bff.signals import Signals
from bff.telemetry.bodies import bodies_of
from bff.telemetry.causes import Causes
from bff.telemetry.entry import ENDED, MISSING, STARTED, STATUS, Entry, Kept, plain, request_id_of, taken
from bff.telemetry.failure import Witness
from bff.telemetry.identity import Callers
from bff.telemetry.labelsets import LabelSets

_SHARE = 0.5
"""Of the memory that is for notable ones; errors and slow ones have half of it each, so that a flood of the one does
not wash away the other."""


class Ring:
    """Invocations up to so many bytes, the oldest going first. Mutable state: ``kept`` and their ``weight``."""

    __slots__ = ("kept", "most", "weight")

    def __init__(self, most: int) -> None:
        self.kept: deque[Kept] = deque()
        self.most = most
        self.weight = 0

    def add(self, kept: Kept) -> None:
        """Keep it, and let the oldest go that are too much."""
        mine = self.kept
        mine.append(kept)
        weight = self.weight + kept[1]
        while weight > self.most and mine:
            weight -= mine.popleft()[1]
        self.weight = weight

    def newest(self, after: int) -> Iterator[Entry]:
        """Those with a greater number, the newest first. It holds for as long as nobody adds any."""
        for kept in reversed(self.kept):
            if kept[0] <= after:
                return
            yield Entry.of(kept)

    def find(self, request_id: str, number: int | None) -> Entry | None:
        """The newest one with this id, and this number, if one is said."""
        for kept in reversed(self.kept):
            if request_id_of(kept) == request_id and number in (None, kept[0]):
                return Entry.of(kept)
        return None


class Recorder:
    """Mutable state: ``last``, the number of the newest invocation, the rings, and what was configured last; what
    failed is counted in ``causes``.
    """

    def __init__(
        self,
        witness: Witness,
        callers: Callers,
        *,
        memory: int,
        slow: float,
        bodies: int = 0,
        labelsets: LabelSets | None = None,
    ) -> None:
        """``memory`` are bytes for all of it, ``bodies`` the most that one body may have; 0 keeps none. ``slow`` is
        from how many seconds on a call is.
        """
        self.last = 0
        self.causes = Causes()
        self._witness = witness
        self._callers = callers
        self._labelsets = labelsets or LabelSets()
        self._plain, self._slow, self._errors = Ring(0), Ring(0), Ring(0)
        self.configure(memory=memory, slow=slow, bodies=bodies)

    def configure(self, *, memory: int, slow: float, bodies: int = 0) -> None:
        """Keep so much from the next invocation on."""
        self.slow, self._bodies = slow, bodies
        self._plain.most = int(memory * (1 - _SHARE))
        self._slow.most = self._errors.most = int(memory * _SHARE / 2)

    def listen(self, signals: Signals) -> None:
        """Hear how invocations end."""
        signals.listen(Invocation, self.keep)

    def keep(self, invocation: Invocation) -> None:
        """Remember one that has ended."""
        number = self.last = self.last + 1
        if self._bodies or not _is_plain(invocation, self.slow):
            self._keep_whole(invocation, number)
            return
        labels = invocation.labels or self._labelsets.of(invocation)
        self._plain.add(plain(invocation, number, self.slow, labels))

    def _keep_whole(self, invocation: Invocation, number: int) -> None:
        failure, bodies = None, None
        if invocation.error is not None:
            failure = self._witness.failure_of(invocation)
        if self._bodies:
            bodies = bodies_of(invocation, self._bodies)
        caller = "" if invocation.caller is NOBODY else self._callers.hashed(invocation.caller)
        kept = taken(invocation, number, self.slow, failure, bodies, caller)
        values = kept[6]
        if (
            failure is None
            and values[MISSING] is None
            and values[STATUS] < 500
            and values[ENDED] - values[STARTED] < self.slow
        ):
            self._plain.add(kept)
        else:
            self._ring_of(Entry.of(kept)).add(kept)

    def _ring_of(self, entry: Entry) -> Ring:
        """Where what is no plain one belongs, once it has been counted."""
        if entry.failure is not None:
            self.causes.count(entry)
        if entry.is_error:
            return self._errors
        return self._slow if entry.is_notable else self._plain

    def newest(self, after: int = 0) -> Iterator[Entry]:
        """Every one with a greater number that is still there, the newest first."""
        rings = (ring.newest(after) for ring in (self._plain, self._slow, self._errors))
        return merge(*rings, key=_number, reverse=True)

    def find(self, request_id: str, number: int | None = None) -> Entry | None:
        """The newest one with this id (callers may use one twice), or the one with this number, too."""
        found = [ring.find(request_id, number) for ring in (self._plain, self._slow, self._errors)]
        return max((entry for entry in found if entry is not None), key=_number, default=None)

    @property
    def weight(self) -> int:
        """About how many bytes all of it takes."""
        return sum(ring.weight for ring in (self._plain, self._slow, self._errors))

    def __repr__(self) -> str:
        kept = sum(len(ring.kept) for ring in (self._plain, self._slow, self._errors))
        return f"<Recorder: {kept} of {self.last} kept, {self.weight} bytes>"


def _number(entry: Entry) -> int:
    return entry.number


def _is_plain(invocation: Invocation, slow: float) -> bool:
    """Whether there is nothing to tell of it but when it was."""
    return (
        invocation.error is None
        and invocation.calls is None
        and invocation.missing is None
        and invocation.phases is None
        and invocation.caller is NOBODY
        and invocation.status < 500
        and invocation.ended - invocation.started < slow
        and not (invocation.queued or invocation.lane)
    )
