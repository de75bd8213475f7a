"""What a connection of the public or the admin listener may take."""

from __future__ import annotations

from dataclasses import dataclass

STALLED = 30.0
"""Seconds a caller may take nothing of an answer that waits for it (nginx send_timeout, which is 60)."""


@dataclass(slots=True)
class HeadLimits:
    """Bytes and seconds a request's head may take, and seconds an answer may wait for a caller who does not
    read. One object per listener; app changes it on reload.
    """

    size: int
    seconds: float
    stalled: float = STALLED
