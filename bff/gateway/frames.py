"""Messages made of frames and frames of messages (RFC 6455 §5), on the websockets library's protocol without I/O.

It keeps the rules: masks, fragments, sizes, UTF-8, the closing handshake, an answer to every ping.
"""

from __future__ import annotations

import logging
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

_SILENT = logging.Logger("bff.websocket", logging.CRITICAL)  # the access log tells of connections
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Frames:
    """One end of an open WebSocket. Mutable state: the library's ``_protocol``, and ``_parts`` of a message that is
    not whole yet, which is ``_is_text``.
    """

    __slots__ = ("_is_text", "_parts", "_protocol")

    def __init__(self, max_message: int, max_frame: int) -> None:
        self._protocol = Protocol(SERVER, max_size=(max_message, max_frame), logger=_SILENT)
        self._parts: list[bytes] = []
        self._is_text = False

    def heard(self, data: bytes) -> list[dict[str, Any]]:
        """The whole messages in what came: ``{"text": …}`` or ``{"bytes": …}`` each."""
        self._protocol.receive_data(data)
        messages = []
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in _DATA:
                message = self._taken(frame)
                if message is not None:
                    messages.append(message)
        return messages

    def _taken(self, frame: Frame) -> dict[str, Any] | None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        whole = b"".join(self._parts)
        self._parts.clear()
        if not self._is_text:
            return {"bytes": whole}
        try:
            return {"text": whole.decode()}
        except UnicodeDecodeError:
            self._protocol.fail(1007, "text that is not UTF-8")
            return None

    def say(self, message: str | bytes) -> None:
        """Send a message, in one frame."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode("utf-8", "replace"))
        else:
            self._protocol.send_binary(message)

    def ping(self) -> None:
        """Ask whether the other end is there."""
        if self._protocol.state is OPEN:
            self._protocol.send_ping(b"")

    def close(self, code: int, reason: str) -> None:
        """Begin to close, unless that has begun."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)

    def written(self) -> tuple[bytes, bool]:
        """What is to be sent now, and whether it is the last."""
        parts = self._protocol.data_to_send()
        return b"".join(parts), b"" in parts

    @property
    def is_open(self) -> bool:
        """Whether messages may be sent."""
        return self._protocol.state is OPEN

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will be heard: the other end has closed it, or broken its rules."""
        return self._protocol.eof_sent

    @property
    def ended(self) -> tuple[int, str]:
        """The code and reason it ended with: the other end's, else ours, else 1006 for none."""
        said = self._protocol.close_rcvd or self._protocol.close_sent
        return (1006, "") if said is None else (int(said.code), said.reason)
