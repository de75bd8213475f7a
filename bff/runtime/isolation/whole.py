"""Starlette responses across the channel: run to their end in the process, sent again in the gateway."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import Response, StreamingResponse

from bff.errors import FunctionFailed
from bff.runtime.isolation.exchange import Reply
from bff.runtime.isolation.frames import Head
from bff.sdk.invocation import Incoming
from bff.sdk.reply import Answer

Message = MutableMapping[str, Any]
_STREAMED = "returned a stream, which a function with `isolation: process` cannot send"


async def replied(answer: Answer, incoming: Incoming | None, function: str) -> Reply:
    """The answer as a reply.

    Raises:
        FunctionFailed: it is a stream, or no answer at all.

    """
    if answer.stream is not None:
        close = getattr(answer.stream, "aclose", None)
        if close is not None:
            await close()
        raise FunctionFailed(function, _STREAMED)
    if answer.response is None:
        return Reply({"status": answer.status, "headers": texts(answer.headers)}, answer.body)
    if isinstance(answer.response, StreamingResponse) or incoming is None:
        raise FunctionFailed(function, _STREAMED)
    return await _ran(answer.response, incoming, function)


async def _ran(response: Callable[..., Any], incoming: Incoming, function: str) -> Reply:
    background = response.background if isinstance(response, Response) else None
    if background is not None:  # it runs once the answer is on its way, as ever; the response may be shared
        response = copy.copy(response)
        response.background = None  # type: ignore[attr-defined]
    sent: list[Message] = []
    scope = {**incoming.scope, "path_params": dict(incoming.path_params)}
    await response(scope, incoming.receive, _into(sent))
    starts = [each for each in sent if each["type"] == "http.response.start"]
    if not starts:
        raise FunctionFailed(function, "ended without an answer")
    body = b"".join(each.get("body", b"") for each in sent if each["type"] == "http.response.body")
    head = {"status": starts[0]["status"], "headers": texts(starts[0].get("headers", ())), "sends": True}
    return Reply({**head, "goes_on": background is not None}, body, background)


def _into(sent: list[Message]) -> Callable[[Message], Awaitable[None]]:
    async def send(message: Message) -> None:
        sent.append(message)

    return send


def texts(fields: Any) -> list[list[str]]:
    """Header fields as JSON has them."""
    return [[bytes(name).decode("latin-1"), bytes(value).decode("latin-1")] for name, value in fields]


def octets(fields: list[list[str]]) -> list[tuple[bytes, bytes]]:
    """The same back again."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]


class Sent:
    """What a response sent in the process, sent again. ``after`` ends with its background task."""

    def __init__(self, head: Head, body: bytes, after: Awaitable[None] | None) -> None:
        self._head = head
        self._body = body
        self._after = after

    async def __call__(self, _scope: Any, _receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        """Send it, as an ASGI application does."""
        status, fields = self._head["status"], octets(self._head["headers"])
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": self._body})
        if self._after is not None:
            await self._after


def answered(reply: Reply, after: Awaitable[None] | None) -> Answer:
    """The answer that :func:`replied` told of."""
    head = reply.head
    if "sends" in head:
        return Answer(head["status"], response=Sent(head, reply.body, after))
    return Answer(head["status"], octets(head["headers"]), reply.body)
