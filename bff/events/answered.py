"""An answer that nobody is sent: read to its end, for its status and the beginning of its body."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from bff.errors import FunctionFailed
from bff.frozen import frozen
from bff.sdk.invocation import Invocation
from bff.sdk.reply import Answer, HeaderPairs, StreamedItems


@frozen
class Whole:
    """What was answered; ``body`` is cut where it is long, and ``is_cut`` says so."""

    status: int
    headers: HeaderPairs
    body: bytes
    is_cut: bool = False

    def field(self, name: bytes) -> str:
        """A header field; "" where it is not there."""
        return next((value.decode("latin-1") for each, value in self.headers if each.lower() == name), "")


class Kept:
    """The beginning of a body. Mutable state: ``_pieces``, ``_size``, ``is_cut``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: list[bytes] = []
        self._size = 0
        self.is_cut = False

    def add(self, piece: bytes) -> None:
        """Take in what there is room for."""
        room = self._most - self._size
        self.is_cut = self.is_cut or len(piece) > room
        if room > 0:
            self._pieces.append(piece[:room])
            self._size += min(room, len(piece))

    def whole(self, status: int, headers: HeaderPairs) -> Whole:
        """All of it, with the head."""
        return Whole(status=status, headers=headers, body=b"".join(self._pieces), is_cut=self.is_cut)


async def read(answer: Answer, invocation: Invocation, *, most: int) -> Whole:
    """The answer, at most so many bytes of its body.

    Raises:
        FunctionFailed: an application ended without an answer.

    """
    kept = Kept(most)
    if answer.response is not None:
        return await _of_application(answer.response, invocation, kept)
    if answer.stream is not None:
        return await _of_stream(answer, kept)
    kept.add(answer.body)
    return kept.whole(answer.status, answer.headers)


async def _of_stream(answer: Answer, kept: Kept) -> Whole:
    items = answer.stream
    assert isinstance(items, StreamedItems)
    try:
        async for piece in items:
            kept.add(piece)
    finally:
        await items.aclose()
    return kept.whole(answer.status, answer.headers)


async def _of_application(app: Any, invocation: Invocation, kept: Kept) -> Whole:
    incoming = invocation.incoming
    assert incoming is not None
    head: list[tuple[int, HeaderPairs]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            head.append((message["status"], [(bytes(n), bytes(v)) for n, v in message.get("headers", ())]))
        elif message["type"] == "http.response.body":
            kept.add(message.get("body", b""))

    await app({**incoming.scope, "path_params": {}}, incoming.receive, send)
    if not head:
        raise FunctionFailed(invocation.function, "ended without an answer")
    return kept.whole(*head[0])
