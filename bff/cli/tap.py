"""An ASGI application as seen by someone who watches its answer leave, piece by piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bff.errors import CallerLeft

Message = MutableMapping[str, Any]
Application = Callable[[Message, Any, Callable[[Message], Awaitable[None]]], Awaitable[None]]


class BrokenOff(Exception):
    """The application ended before its answer did."""


class Tap:
    """Hands every piece of a streamed answer to ``on_piece`` when it comes; whole answers pass untouched.

    Mutable state: ``_is_stream``, ``_is_whole``.
    """

    def __init__(self, app: Application, on_piece: Callable[[bytes], None]) -> None:
        self._app = app
        self._on_piece = on_piece
        self._is_stream = False
        self._is_whole = False

    async def __call__(
        self, scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]
    ) -> None:
        async def tapped(message: Message) -> None:
            await send(self._seen(message))

        await self._app(scope, receive, tapped)
        if not self._is_whole:
            raise BrokenOff

    def _seen(self, message: Message) -> Message:
        if message["type"] != "http.response.body":
            return message
        more = bool(message.get("more_body", False))
        self._is_stream = self._is_stream or more
        self._is_whole = not more
        if not self._is_stream:
            return message
        try:
            self._on_piece(message.get("body", b""))
        except OSError:  # the reader of our output is gone, and with it the caller
            raise CallerLeft from None
        return {"type": "http.response.body", "body": b"", "more_body": more}
