"""One sending of a service call, for calls that were sent more than once, or not with success."""

from __future__ import annotations

from bff.frozen import frozen


@frozen
class Attempt:
    """How one sending went. Times are clock seconds; ``status`` is None when no answer came, and ``error`` then says
    why: a failure's code, or ``cancelled`` for one that another attempt or the deadline made useless. ``span_id`` is
    the one it carried as its parent id (W3C Trace Context §3.2.2.4).
    """

    started: float
    ended: float
    endpoint: str
    span_id: str = ""
    status: int | None = None
    error: str | None = None
