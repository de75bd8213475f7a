"""Messages between the gateway and one process instance: a JSON head and raw bytes, never a pickle.

Each frame is ``head length, body length`` (two big-endian 32-bit numbers), the head as a JSON object with
its kind under ``t``, and the body as it is. JSON is the standard library's: it alone carries half a
surrogate pair and an infinity there and back.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

Head = dict[str, Any]
Hear = Callable[[str, Head, bytes], None]

MAX_HEAD = 64 * 1024 * 1024
MAX_BODY = 512 * 1024 * 1024
"""Most bytes one frame carries: a request, an answer, or a function's files."""
_SIZES = struct.Struct("!II")


class ChannelClosed(Exception):
    """The other side is gone, or sent what is no frame."""


class FrameTooLarge(ValueError):
    """What should be sent is larger than a frame may be."""


def encoded(kind: str, head: Head, body: bytes) -> bytes:
    """One frame as bytes.

    Raises:
        FrameTooLarge: it is.

    """
    text = json.dumps({"t": kind, **head}, separators=(",", ":")).encode("ascii")
    if len(text) > MAX_HEAD or len(body) > MAX_BODY:
        raise FrameTooLarge(f"a frame of {len(text)} + {len(body)} bytes")
    return b"".join((_SIZES.pack(len(text), len(body)), text, body))


class Frames:
    """Cuts a stream of bytes into frames. Mutable state: ``_waiting``, what is not a whole frame yet."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def add(self, data: bytes) -> list[tuple[str, Head, bytes]]:
        """The frames that these bytes complete.

        Raises:
            ValueError: they are no frames.

        """
        self._waiting += data
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> tuple[str, Head, bytes] | None:
        waiting = self._waiting
        if len(waiting) < _SIZES.size:
            return None
        head_size, body_size = _SIZES.unpack_from(waiting)
        if head_size > MAX_HEAD or body_size > MAX_BODY:
            raise ValueError(f"a frame of {head_size} + {body_size} bytes")
        begin = _SIZES.size + head_size
        end = begin + body_size
        if len(waiting) < end:
            return None
        head = json.loads(waiting[_SIZES.size : begin])
        body = bytes(memoryview(waiting)[begin:end])
        del waiting[:end]
        return head.pop("t"), head, body


class Channel(asyncio.Protocol):
    """The gateway's end: sends without waiting, hears on the loop. Mutable state: ``_transport``."""

    def __init__(self, hear: Hear, lost: Callable[[], None]) -> None:
        self._hear = hear
        self._lost = lost
        self._frames = Frames()
        self._transport: asyncio.WriteTransport | None = None

    async def open(self, sock: socket.socket) -> None:
        """Speak over this socket, which is the channel's from now on."""
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass of asyncio's

    def data_received(self, data: bytes) -> None:
        try:
            for kind, head, body in self._frames.add(data):
                self._hear(kind, head, body)
        except (ValueError, KeyError, TypeError):  # no frame of ours: whoever says so is not trusted further
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._lost()

    def post(self, kind: str, head: Head, body: bytes = b"") -> None:
        """Send a frame, sooner or later; nothing happens on a closed channel."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encoded(kind, head, body))

    def close(self) -> None:
        """Hang up, at once."""
        if self._transport is not None:
            self._transport.abort()


class BlockingChannel(Channel):
    """The process's end: hears on its loop, but whoever sends waits until it is on its way.

    So what a handler said before it crashed is heard, and any thread may speak. The gateway always reads;
    it never waits for a process in turn.
    """

    async def open(self, sock: socket.socket) -> None:
        self._speaking = threading.Lock()
        self._out = sock.dup()
        self._room = select.poll()
        self._room.register(self._out, select.POLLOUT)
        await super().open(sock)

    def post(self, kind: str, head: Head, body: bytes = b"") -> None:
        frame = memoryview(encoded(kind, head, body))
        with self._speaking:
            while frame:
                try:
                    frame = frame[self._out.send(frame) :]
                except BlockingIOError:
                    self._room.poll()
                except OSError:  # the gateway is gone, and so are we in a moment
                    return
