"""Which of the remembered invocations somebody wants to see. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from bff.config.units import parse_duration
from bff.frozen import frozen
from bff.telemetry.entry import Entry

_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)")


@frozen
class Sought:
    """Everything that is said has to be so. ``statuses`` are the least and the greatest one; ``since`` is clock
    seconds, by the end of the call.
    """

    function: str | None = None
    route: str | None = None
    revision: str | None = None
    statuses: tuple[int, int] | None = None
    slow: bool = False
    errors: bool = False
    since: float | None = None
    request_id: str | None = None

    def fits(self, entry: Entry) -> bool:
        """Whether it is one of those."""
        return (
            (self.function is None or entry.function == self.function)
            and (self.route is None or entry.route == self.route)
            and (self.revision is None or entry.revision == self.revision)
            and (self.request_id is None or entry.request_id == self.request_id)
            and (self.statuses is None or self.statuses[0] <= entry.status <= self.statuses[1])
            and (not (self.slow or self.errors) or self._is_notable(entry))
            and (self.since is None or entry.ended >= self.since)
        )

    def _is_notable(self, entry: Entry) -> bool:
        """Slow or an error; both where both are asked for, as somebody who looks for trouble means it."""
        return (self.slow and entry.is_slow) or (self.errors and entry.is_error)

    def among(self, entries: Iterable[Entry]) -> Iterable[Entry]:
        """Those that fit, in their order; ends with the first one before ``since``, for they come newest first."""
        for entry in entries:
            if self.since is not None and entry.ended < self.since:
                return
            if self.fits(entry):
                yield entry


def statuses_of(text: str) -> tuple[int, int]:
    """The statuses that ``404`` or ``5xx`` means.

    Raises:
        ValueError: it is neither.

    """
    if not _STATUS.fullmatch(text):
        raise ValueError("is a status such as 404, or a class of them such as 5xx")
    if text.endswith("xx"):
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    return int(text), int(text)


def moment_of(text: str, *, now: float, wall: float) -> float:
    """Clock seconds of ``15m`` ago, or of an instant such as ``2026-11-23T01:54:22Z``; ``now`` is the clock's time
    and ``wall`` Unix time, both at the present.

    Raises:
        ValueError: it is neither.

    """
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is a duration such as 15m, or an instant such as 2026-11-23T01:54:22Z") from None
    return now - (wall - (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp())
