"""The record of one service call: where it went, how often, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bff.sdk.attempt import Attempt

MAX_TRIES = 16
"""Sendings of one service call that its record keeps."""


@dataclass(init=False)
class CallRecord:
    """One service call as it went. Times are clock seconds; ``status`` is None when no answer came.

    ``endpoint`` is the address it went to and ``attempts`` how often it was sent; 0 when it never was, as for
    an answer from a cache (``cached`` then says how: ``hit``, ``stale``; ``revalidated`` was asked about) or one shared with another call
    (``coalesced``). ``sent`` is when the last attempt had a connection and was written, ``bytes_in`` the bytes
    of the body as they came.

    ``until`` is when its time is over, ``fault`` one that the caller asked for in dev. ``flags`` are Envoy's, joined
    by commas, for what went wrong on the way even if an answer came in the end. ``patience`` is known once one of two
    attempts has won: the seconds after which the other one is slow.

    ``span_id`` is the one that its last sending carried; ``tries`` is each sending, in the order in which they ended,
    where one of them failed or there were several.
    """

    service: str
    method: str
    path: str
    started: float
    ended: float | None = None
    status: int | None = None
    error: str | None = None
    endpoint: str = ""
    attempts: int = 0
    sent: float | None = None
    bytes_in: int = 0
    cached: str = ""
    coalesced: bool = False
    flight: Any = field(default=None, repr=False, compare=False)  # who else waits, while it is under way
    joined: Any = field(default=None, repr=False, compare=False)  # the flight that it has waited for already
    underway: Any = field(
        default=None, repr=False, compare=False
    )  # what was sent before its layers were asked
    until: float = float("inf")
    flags: str = ""
    fault: str = ""
    patience: float = float("inf")
    span_id: str = ""
    tries: list[Attempt] | None = None

    def tried(self, attempt: Attempt) -> None:
        """Keep how one sending went, of the last MAX_TRIES."""
        if self.tries is None:
            self.tries = []
        elif len(self.tries) >= MAX_TRIES:
            del self.tries[0]
        self.tries.append(attempt)

    # Defaults stay on the class, as the invocation's do.
    def __init__(self, service: str, method: str, path: str, started: float, **known: Any) -> None:
        self.service = service
        self.method = method
        self.path = path
        self.started = started
        if known:
            self.__dict__.update(known)

    def flag(self, flag: str) -> None:
        """Add one of Envoy's response flags, once."""
        if flag and flag not in self.flags.split(","):
            self.flags = f"{self.flags},{flag}" if self.flags else flag

    def how(self) -> str:
        """What was unusual about it, in a few words: ``"2 attempts"``, ``"cache hit, shared"``; mostly nothing."""
        if self.attempts < 2 and not self.cached and not self.coalesced:
            return ""
        said = []
        if self.cached:
            said.append(f"cache {self.cached}")
        if self.coalesced:
            said.append("shared")
        if self.attempts > 1:
            said.append(f"{self.attempts} attempts")
        return ", ".join(said)
