"""A bare connection after an upgrade: bytes both ways, read and written no faster than the other end goes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from bff.services.draining import Draining

HIGH = 64 * 1024
"""Bytes that may wait to be read before the socket is read no further."""

LINGER = 5.0
"""Seconds the other end may take for what is still to be sent when it is closed (as for unwanted bodies)."""


class Duplex(Draining):
    """One end. It takes over the transport of whoever spoke HTTP on it before, who hears by ``on_lost`` when the
    connection is gone.

    Mutable state: ``_parts`` and their ``_size``, ``_is_held``, ``_has_ended``, ``_is_lost``; ``_reader``, the
    future of who waits for more.
    """

    def __init__(self, transport: Any, held: bytes, on_lost: Callable[[Exception | None], object]) -> None:
        super().__init__(asyncio.get_running_loop())
        self._transport = transport
        self._on_lost = on_lost
        self._parts: deque[bytes] = deque([held] if held else [])
        self._size = len(held)
        self._is_held = self._has_ended = self._is_lost = False
        self._reader: asyncio.Future[None] | None = None
        transport.set_protocol(self)
        transport.resume_reading()

    async def read(self) -> bytes:
        """What came next; empty at the end."""
        while not self._parts:
            if self._has_ended:
                return b""
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if self._is_held and not self._is_lost:
            self._is_held = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send it; returns when the socket takes yet more. Nothing happens where nobody is left to hear it."""
        if self._is_lost:
            return
        self._transport.write(data)
        if self._drained is not None:
            await self._drained

    def say(self, data: bytes) -> None:
        """Send a little without waiting for anybody."""
        if data and not self._is_lost:
            self._transport.write(data)

    def finish(self) -> None:
        """Nothing more will be written; the other end may still speak."""
        if not self._is_lost and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Close it once what is written has left, which may take ``LINGER`` seconds."""
        if not self._is_lost:
            self._transport.close()
            self._loop.call_later(LINGER, self._transport.abort)

    # What the loop tells.

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > HIGH and not self._is_held:
            self._is_held = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._has_ended = True
        self._wake()
        return bool(self._transport.can_write_eof())  # our own side stays open, where there can be one side

    def connection_lost(self, error: Exception | None) -> None:
        self._has_ended = self._is_lost = True
        self._wake()
        self.resume_writing()
        self._on_lost(error)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
