"""Whether the body of a request goes on arriving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class BodyWatch:
    """One connection's. Mutable state: ``is_heard``, whether something came since it was last looked at, and
    ``is_left``, whether somebody else minds this body; ``_timer``. It costs nothing as long as bodies come whole.
    """

    __slots__ = ("_expired", "_loop", "_timer", "is_heard", "is_left")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], bool]) -> None:
        self._loop = loop
        self._expired = expired  # tells whether to go on watching
        self._timer: asyncio.TimerHandle | None = None
        self.is_heard = self.is_left = False

    def begin(self, seconds: float) -> None:
        """Look in so many seconds, and then again and again: silence is noticed within twice that time."""
        if self._timer is None and not self.is_left:
            self.is_heard = False
            self._timer = self._loop.call_later(seconds, self._look, seconds)

    def _look(self, seconds: float) -> None:
        self._timer = None
        if self.is_heard or self._expired():
            self.begin(seconds)

    def done(self) -> None:
        """The body is whole: the next one is another's."""
        self.is_left = False
        if self._timer is not None:
            self.stop()

    def stop(self) -> None:
        """Nothing more is to come, or its connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
