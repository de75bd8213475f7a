"""An answer's body as it arrives, read no faster than it is wanted.

The connection feeds it, a reader takes from it; when the reader is behind, the connection stops reading
from its socket, and the service feels that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

import httpx

HIGH = 64 * 1024
"""Bytes that may wait here before the connection stops reading."""

LOW = 16 * 1024
"""Bytes at which it goes on."""


class Source(Protocol):
    """Where a body comes from."""

    def hold(self, *, full: bool) -> None:
        """Stop reading, or go on."""

    def give_up(self, wanted: object) -> None:
        """Close the connection, if this body is still what it is about."""


class Body(httpx.AsyncByteStream):
    """Single-use. Mutable state: ``_parts`` and their ``_size``; how it ended (``_has_ended``, ``_error``);
    ``_waiting``, the reader; ``_is_held``; ``uploading``, the request's rest when the answer overtook it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._has_ended = self._is_held = False
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None
        self.timeout: float | None = None
        self.uploading: asyncio.Task[None] | None = None

    # The connection's side.

    def feed(self, data: bytes) -> None:
        """Some of it."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > HIGH and not self._is_held:
            self._is_held = True
            self._source.hold(full=True)
        self._wake()

    def end(self) -> None:
        """That was all. The connection may be another's from now on, so it is not held back any longer."""
        self._has_ended = True
        self._let_go()
        self._wake()

    def fail(self, error: Exception) -> None:
        """There will be no more, and it is not whole."""
        if not self._has_ended:
            self._error = error
            self.end()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # The reader's side.

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            if self._parts:
                yield self._next()
            elif self._error is not None:
                raise self._error
            elif self._has_ended:
                return
            else:
                await self._more()

    def _next(self) -> bytes:
        part = self._parts.popleft()
        self._size -= len(part)
        if self._size <= LOW:
            self._let_go()
        return part

    def _let_go(self) -> None:
        if self._is_held:
            self._is_held = False
            self._source.hold(full=False)

    async def _more(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self.timeout):
                await self._waiting
        except TimeoutError:
            raise httpx.ReadTimeout("the answer's body came to a halt") from None
        finally:
            self._waiting = None

    async def aclose(self) -> None:
        """Let go of it. What was not read is not wanted: its connection is closed."""
        if not self._has_ended:
            self._source.give_up(self)
        self._parts.clear()
        self._size = 0
        if self.uploading is not None:
            uploading, self.uploading = self.uploading, None
            uploading.cancel()
            await asyncio.wait({uploading})
