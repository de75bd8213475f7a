"""What lately happened to the gateway itself: code that was saved, routes.yaml, instances, endpoints of services.

Nobody who reads is waited for: a live stream is somebody who asks again and again for what is newer than a number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import StrEnum

from bff.clock import Clock
from bff.frozen import frozen
from bff.signals import (
    ConfigApplied,
    ConfigRejected,
    EndpointEjected,
    EndpointReturned,
    InstanceDead,
    LoadFailed,
    ReleaseTurned,
    RevisionReady,
    Signals,
    WarmUpFailed,
)

MOST = 500
"""Entries that are kept; the oldest goes."""
LONGEST = 4000
"""Characters of a report."""


class What(StrEnum):
    """What happened."""

    REVISION_READY = "revision-ready"
    LOAD_FAILED = "load-failed"
    WARM_UP_FAILED = "warm-up-failed"
    INSTANCE_DEAD = "instance-dead"
    CONFIG_APPLIED = "config-applied"
    CONFIG_REJECTED = "config-rejected"
    RELEASE = "release"
    ENDPOINT_EJECTED = "endpoint-ejected"
    ENDPOINT_RETURNED = "endpoint-returned"


@frozen
class Happening:
    """``at`` is clock seconds; ``subject`` the function or the service, empty for the gateway; ``revision`` the one
    that serves from then on, or still. ``said`` is a sentence, ``report`` the place, the cause and the remedy of a
    failure, in lines.
    """

    number: int
    at: float
    what: What
    subject: str
    revision: str
    said: str
    report: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether somebody should look at it."""
        return self.what in _BAD


_BAD = frozenset(
    {
        What.LOAD_FAILED,
        What.WARM_UP_FAILED,
        What.INSTANCE_DEAD,
        What.CONFIG_REJECTED,
        What.ENDPOINT_EJECTED,
    }
)


_REPEATED = (What.LOAD_FAILED, What.WARM_UP_FAILED)


class Journal:
    """Mutable state: ``last``, the number of the newest entry; ``_kept`` entries; ``rejected``, what keeps routes.yaml
    as it is on disk from being live, if it is not; ``suspects``, functions of which a failure was told since a
    revision of theirs became ready.
    """

    def __init__(self, *, clock: Clock) -> None:
        self.last = 0
        self.rejected: Happening | None = None
        self.suspects: dict[str, None] = {}
        self._clock = clock
        self._kept: deque[Happening] = deque(maxlen=MOST)

    def listen(self, signals: Signals) -> None:
        """Hear of everything that is told here."""
        signals.listen(RevisionReady, self._ready)
        signals.listen(LoadFailed, self._not_loaded)
        signals.listen(WarmUpFailed, self._not_warm)
        signals.listen(InstanceDead, self._dead)
        signals.listen(ConfigApplied, self._applied)
        signals.listen(ConfigRejected, self._refused)
        signals.listen(ReleaseTurned, self._turned)
        signals.listen(EndpointEjected, self._ejected)
        signals.listen(EndpointReturned, self._returned)

    def newest(self, after: int = 0) -> Iterator[Happening]:
        """Those with a greater number, the newest first."""
        for each in reversed(self._kept):
            if each.number <= after:
                return
            yield each

    def _write(
        self, what: What, said: str, *, subject: str = "", revision: str = "", report: str = ""
    ) -> Happening:
        if what in _REPEATED and (same := self._same(what, subject, report)) is not None:
            return same  # each call of a function that cannot be loaded fails anew
        self.last += 1
        made = Happening(
            number=self.last,
            at=self._clock.now(),
            what=what,
            subject=subject,
            revision=revision,
            said=said,
            report=report[:LONGEST],
        )
        self._kept.append(made)
        return made

    def _same(self, what: What, subject: str, report: str) -> Happening | None:
        """The last entry about the subject, if it says the same."""
        last = next((each for each in reversed(self._kept) if each.subject == subject), None)
        return last if last is not None and (last.what, last.report) == (what, report[:LONGEST]) else None

    def _ready(self, told: RevisionReady) -> None:
        self.suspects.pop(told.function, None)
        said = f"{told.revision} is live, {told.seconds * 1000:.0f} ms after it was read."
        self._write(What.REVISION_READY, said, subject=told.function, revision=told.revision)

    def _not_loaded(self, told: LoadFailed) -> None:
        self.suspects[told.function] = None
        if len(self.suspects) > MOST:
            del self.suspects[next(iter(self.suspects))]
        goes_on = f"{told.serving} goes on serving." if told.serving else "Nothing of it serves."
        self._write(
            What.LOAD_FAILED,
            f"{told.function} cannot be loaded. {goes_on}",
            subject=told.function,
            revision=told.serving or "",
            report=told.report,
        )

    def _not_warm(self, told: WarmUpFailed) -> None:
        said = f"An instance of {told.revision} could not be made."
        self._write(What.WARM_UP_FAILED, said, subject=told.function, revision=told.revision, report=told.why)

    def _dead(self, told: InstanceDead) -> None:
        said = f"An instance of {told.revision} is not alive and is replaced."
        self._write(What.INSTANCE_DEAD, said, subject=told.function, revision=told.revision, report=told.why)

    def _applied(self, told: ConfigApplied) -> None:
        self.rejected = None
        self._write(What.CONFIG_APPLIED, f"routes.yaml is live, with {told.routes} routes.")

    def _refused(self, told: ConfigRejected) -> None:
        said = "routes.yaml has mistakes; the last good one goes on."
        self.rejected = self._write(What.CONFIG_REJECTED, said, report="\n".join(told.mistakes))

    def _turned(self, told: ReleaseTurned) -> None:
        said = f"{told.canary}: {told.event}, {told.state} at {told.percent} %."
        self._write(
            What.RELEASE,
            f"{said} {told.why}".strip(),
            subject=told.function,
            revision=told.canary,
        )

    def _ejected(self, told: EndpointEjected) -> None:
        said = f"{told.endpoint} is left alone for {round(told.seconds, 1):g} s."
        self._write(What.ENDPOINT_EJECTED, said, subject=told.service)

    def _returned(self, told: EndpointReturned) -> None:
        self._write(What.ENDPOINT_RETURNED, f"{told.endpoint} is called again.", subject=told.service)

    def __repr__(self) -> str:
        return f"<Journal: {len(self._kept)} of {self.last} kept>"
