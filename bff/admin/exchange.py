"""One request to an ASGI application of this process, and its answer as far as it is kept.

There is no socket: what the listener's protocol refuses of a head is refused by whoever makes the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from bff.clock import Clock, Expiry

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Message]], Send], Awaitable[None]]
Pairs = list[tuple[bytes, bytes]]

LETS_GO_WITHIN = 5.0
"""Seconds an application has to end once it was cancelled."""


@dataclass(slots=True, kw_only=True)
class Answered:
    """What came. ``status`` is None where nothing did; ``cut`` says why it is not whole: ``size``, ``time``, or
    ``broken``, for an application that ended before its answer. Everything here changes until the exchange has ended.
    """

    status: int | None = None
    fields: Pairs = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    cut: str = ""


class Exchange:
    """Mutable state: ``answered``, whether the answer ``_ended``, and whether its caller has ``_left``."""

    def __init__(self, body: bytes, *, most: int) -> None:
        self.answered = Answered()
        self._body: bytes | None = body
        self._most = most
        self._ended = False
        self._left = asyncio.Event()

    async def run(self, app: Application, scope: Message, *, clock: Clock, within: float) -> Answered:
        """Ask and wait for the end of the answer, for so many bytes of it, or so many seconds. Whoever still answers
        then is cancelled, as by a caller that leaves.
        """
        running = asyncio.ensure_future(app(scope, self._receive, self._send))
        left = asyncio.ensure_future(self._left.wait())
        try:
            with Expiry(clock, clock.now() + within):
                await asyncio.wait({running, left}, return_when=asyncio.FIRST_COMPLETED)
                if not self.answered.cut:
                    await asyncio.wait({running})  # what it does after its answer
        except TimeoutError:
            self._leave("time")
        finally:
            left.cancel()
            running.cancel()
        await asyncio.wait({running}, timeout=LETS_GO_WITHIN)
        if running.done() and not running.cancelled():
            running.result()
        if not self._ended and not self.answered.cut:
            self.answered.cut = "broken"
        return self.answered

    def _leave(self, why: str) -> None:
        if not self._ended:
            self.answered.cut = self.answered.cut or why
        self._left.set()

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._left.is_set():
            return  # as a server does whose caller has left
        answered = self.answered
        if message["type"] == "http.response.start":
            answered.status, answered.fields = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            answered.body += message.get("body", b"")
            self._ended = not message.get("more_body", False)
            if len(answered.body) > self._most:
                del answered.body[self._most :]
                self._ended = False
                self._leave("size")
            elif self._ended:
                self._left.set()


def scope_of(method: str, target: str, fields: Pairs) -> Message:
    """The scope of a request over HTTP/1.1 from no address; ``target`` is its path with its query, percent-encoded."""
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": None,
        "client": None,
        "scheme": "http",
        "root_path": "",
        "headers": fields,
        "method": method,
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
    }
