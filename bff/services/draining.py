"""The half of a protocol that waits: a transport says when its buffer is full, and when it takes more."""

from __future__ import annotations

import asyncio


class Draining(asyncio.Protocol):
    """Mutable state: ``_drained``, there while the buffer is full."""

    __slots__ = ("_drained", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._drained: asyncio.Future[None] | None = None

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
