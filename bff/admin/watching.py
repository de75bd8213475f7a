"""Answers that go on while somebody watches: server-sent events (WHATWG HTML §9.2), until the reader or the gateway
leaves. What is told, and how often is looked, is the pages' own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from bff.admin.operation import Asked
from bff.admin.refusals import Busy
from bff.clock import Clock

BEATS_EVERY = 15.0
"""Seconds of silence after which a comment says that we are still there (WHATWG HTML §9.2.7 proposes 15)."""
BEAT = b": still here\n\n"


def event(kind: bytes, number: int, data: bytes) -> bytes:
    """One event, whose id is ``number``; ``data`` has no line breaks, as our JSON has none."""
    return b"event: %b\nid: %d\ndata: %b\n\n" % (kind, number, data)


class Watch:
    """One reader's. Mutable state: ``_said``, when something was last written."""

    def __init__(self, *, clock: Clock, goes_on: Callable[[], bool]) -> None:
        self.goes_on = goes_on
        """Whether the reader is there, and we stay."""
        self._clock = clock
        self._said = clock.now()

    def speaks(self) -> None:
        """Something is written."""
        self._said = self._clock.now()

    def beats(self) -> bool:
        """Whether a comment is due; it counts as written."""
        is_due = self._clock.now() - self._said >= BEATS_EVERY
        if is_due:
            self.speaks()
        return is_due


class Watchers:
    """Those who watch one kind of thing, at most ``most``. Mutable state: ``_count``, how many they are now."""

    def __init__(self, most: int, what: str, *, clock: Clock, is_ready: Callable[[], bool]) -> None:
        self._most = most
        self._what = what
        self._clock = clock
        self._is_ready = is_ready
        self._count = 0

    def admit(self) -> None:
        """Let one more watch.

        Raises:
            Busy: there are too many already.

        """
        if self._count >= self._most:
            raise Busy(f"{self._most} others watch {self._what} already.")

    @asynccontextmanager
    async def watch(self, asked: Asked) -> AsyncIterator[Watch]:
        """One of them, from here to the end of the block."""
        self._count += 1
        left = asyncio.create_task(asked.gone())
        try:
            yield Watch(clock=self._clock, goes_on=lambda: not left.done() and self._is_ready())
        finally:
            self._count -= 1
            left.cancel()
            with suppress(asyncio.CancelledError):
                await left
