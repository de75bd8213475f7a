"""Answers made smaller: whole ones before they are sent, streams piece by piece while they are.

An answer that has a coding already, that says ``no-transform``, that is a part of something (206), or that is no
text, is left alone. Where the coding depends on the caller, the answer says ``Vary: Accept-Encoding``; its strong
entity tag becomes a weak one, since other bytes are no longer the same representation (RFC 9110 §8.8.3.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from bff.gateway.door import codings
from bff.gateway.door.codings import Compression, Writer
from bff.sdk.reply import Answer, HeaderPairs

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

VARY = (b"vary", b"Accept-Encoding")
OFF_THE_LOOP = 64 * 2**10
"""Bytes from which a body is compressed in a thread: below that the loop stops for about a millisecond at most."""

_BODILESS = frozenset({204, 206, 304})


async def whole(answer: Answer, compression: Compression, asked: Headers) -> None:
    """Make a whole answer smaller, in place, if the caller takes that."""
    if answer.status == 304:
        answer.headers = _unchanged(answer.headers, asked)
        return
    if len(answer.body) < compression.min_size or not _may_be(answer.status, answer.headers):
        return
    answer.headers.append(VARY)
    coding = compression.coding(asked)
    if coding is None:
        return
    if len(answer.body) < OFF_THE_LOOP:
        body = codings.compressed(answer.body, coding)
    else:
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(None, codings.compressed, answer.body, coding)
    if len(body) < len(answer.body):
        answer.body = body
        answer.headers = [*map(_weakened, answer.headers), (b"content-encoding", coding.encode())]


def _may_be(status: int, fields: Headers) -> bool:
    if status in _BODILESS:
        return False
    is_text = False
    for name, value in fields:
        if name == b"content-encoding" or (name == b"cache-control" and b"no-transform" in value.lower()):
            return False
        if name == b"content-type":
            is_text = codings.is_text(value)
    return is_text


def _weakened(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return (b"etag", b"W/" + pair[1]) if pair[0] == b"etag" and pair[1].startswith(b'"') else pair


def _unchanged(fields: HeaderPairs, asked: Headers) -> HeaderPairs:
    """A 304 has the tag of what the caller keeps: a cache finds that by it (RFC 9111 §4.3.4)."""
    held = b",".join(value for name, value in asked if name == b"if-none-match")
    kept = [_weakened(pair) if b"W/" + pair[1] in held else pair for pair in fields]
    return [*kept, VARY]


class Flushed:
    """A ``send`` that makes a stream smaller without holding anything back. Mutable state: ``_writer``, once the
    head has gone out with a coding.
    """

    def __init__(self, send: Send, compression: Compression, *, asked: Headers, method: str) -> None:
        self._send = send
        self._compression = compression
        self._asked = asked
        self._method = method
        self._writer: Writer | None = None

    async def __call__(self, message: Message) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.start":
            message = {**message, "headers": self._head(message["status"], list(message["headers"]))}
        elif message["type"] == "http.response.body" and self._writer is not None:
            is_more = message.get("more_body", False)
            piece = self._writer.piece(message["body"]) if message.get("body") else b""
            message = {**message, "body": piece if is_more else piece + self._writer.end()}
        await self._send(message)

    def _head(self, status: int, fields: HeaderPairs) -> HeaderPairs:
        length = next((int(value) for name, value in fields if name == b"content-length"), None)
        if length is not None and length < self._compression.min_size:
            return fields
        if not _may_be(status, fields):
            return fields
        fields.append(VARY)
        coding = self._compression.coding(self._asked)
        if coding is None:
            return fields
        if self._method != "HEAD":  # which has the fields of its GET (RFC 9110 §9.3.2), and no body
            self._writer = codings.writer(coding)
        kept = [_weakened(pair) for pair in fields if pair[0] != b"content-length"]
        return [*kept, (b"content-encoding", coding.encode())]
