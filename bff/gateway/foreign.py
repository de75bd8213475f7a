"""Answers that are ASGI applications: an ``app`` function, or a Starlette response a handler returned.

They get the caller's own scope, body and send, with the route's limits still kept: bytes of the body, the
deadline until the head is sent, and the stream's time after that.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from bff.clock import Clock, Deadline, Expiry
from bff.errors import BodyTooLarge, CallerLeft, FunctionFailed
from bff.sdk.invocation import Incoming, Invocation
from bff.sdk.reply import Answer, HeaderPairs

if TYPE_CHECKING:
    from bff.gateway.sender import Sender
    from bff.gateway.target import Target

Message = MutableMapping[str, Any]
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2
_NOT_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5
_OURS = frozenset({b"date", b"x-request-id", b"server", b"bff-revision", b"bff-complete", b"bff-missing"})
_BODILESS = frozenset({204, 304})


class Foreign:
    """One run of one application. Mutable state: ``_received``, ``_is_too_large``, ``_is_page``, ``_has_left``,
    ``_expiry``.
    """

    __slots__ = (
        "_clock",
        "_expiry",
        "_has_left",
        "_incoming",
        "_invocation",
        "_is_page",
        "_is_too_large",
        "_received",
        "_send",
        "_sender",
        "_target",
    )

    def __init__(self, sender: Sender, invocation: Invocation, target: Target, clock: Clock) -> None:
        assert invocation.incoming is not None
        self._sender = sender
        self._invocation = invocation
        self._incoming: Incoming = invocation.incoming
        self._target = target
        self._clock = clock
        self._received = 0
        self._is_too_large = False
        self._is_page = False
        self._has_left = False

    async def run(
        self,
        app: Callable[..., Awaitable[None]],
        scope: Message,
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Let the application answer.

        Raises:
            BodyTooLarge: the body is over the route's limit and nothing was sent yet.
            FunctionFailed: it ended too early, or answered what is not HTTP.
            TimeoutError: its time ran out.

        """
        self._incoming.refuse_announced_excess()
        self._send = send
        scope = {**scope, "path_params": dict(self._incoming.path_params)}
        if self._target.mount:
            scope["root_path"] = scope.get("root_path", "") + self._target.mount
        self._expiry = Expiry(self._clock, self._invocation.deadline.at)
        try:
            with self._expiry:
                await app(scope, self._receive, self._forward)
        except Exception:
            self._raise_callers_fault()
            raise
        self._raise_callers_fault()
        if not self._is_page:
            how = "in the middle of its answer" if self._sender.started else "without an answer"
            raise FunctionFailed(self._invocation.function, f"ended {how}")

    def _raise_callers_fault(self) -> None:
        """However the application took it: a body too large or a caller who left is not its failure."""
        if self._has_left:
            raise CallerLeft from None
        if self._is_too_large and not self._sender.started:
            raise BodyTooLarge(self._incoming.max_body) from None

    async def _receive(self) -> Message:
        message: Message = await self._incoming.hear()
        self._has_left = message["type"] == "http.disconnect" and not self._is_page
        self._received += len(message.get("body", b""))
        if self._received > self._incoming.max_body:
            self._is_too_large = True
            return {"type": "http.disconnect"}
        return message

    async def _forward(self, message: Message) -> None:
        if self._is_too_large and not self._sender.started:
            return  # whatever it makes of the cut body, the caller is told 413
        if message["type"] != "http.response.start":
            self._is_page = not message.get("more_body", False)
            await self._send(message)
            return
        status, fields = self._checked(message)
        allowed = self._target.stream_timeout
        self._invocation.deadline = Deadline(self._clock.now() + allowed, allowed)
        self._expiry.move(self._invocation.deadline.at)
        # Without a length it is a stream, and nobody knows yet what will be missing at its end.
        is_whole = status in _BODILESS or any(name == b"content-length" for name, _ in fields)
        self._sender.add_own(fields, is_page=is_whole)
        await self._sender.head(status, fields)

    def _checked(self, message: Message) -> tuple[int, HeaderPairs]:
        return checked(message["status"], message.get("headers", ()), self._invocation.function)


def checked(status: int, headers: Iterable[tuple[bytes, bytes]], function: str) -> tuple[int, HeaderPairs]:
    """Status and fields, once the connection is sure to take them: a bad one may not break it, and above all
    may not begin another field or answer.

    Raises:
        FunctionFailed: they are no HTTP.

    """
    if not 200 <= status <= 599:
        raise FunctionFailed(function, f"answered {status}, which is no HTTP status")
    fields = [(bytes(name).lower(), bytes(value)) for name, value in headers]
    for name, value in fields:
        if not _NAME.fullmatch(name) or _NOT_IN_VALUE.search(value):
            raise FunctionFailed(function, f"answered a malformed header field {name.decode('latin-1')!r}")
        if name == b"content-length" and not value.isdigit():
            raise FunctionFailed(function, "answered a Content-Length that is no number")
    return status, [pair for pair in fields if pair[0] not in _OURS]


def as_whole(answer: Answer, function: str) -> Answer | None:
    """A Starlette response that is nothing but a body, as an answer like any other; None for one that streams,
    reads a file, or does something afterwards.

    Raises:
        FunctionFailed: its head is no HTTP.

    """
    response = answer.response
    if not isinstance(response, Response) or type(response).__call__ is not Response.__call__:
        return None
    if response.background is not None or not isinstance(response.body, bytes):
        return None
    status, fields = checked(response.status_code, response.raw_headers, function)
    if any(name == b"content-length" and int(value) != len(response.body) for name, value in fields):
        return None  # what it says of its length is for the connection to judge
    return Answer(status, [pair for pair in fields if pair[0] != b"content-length"], response.body)
