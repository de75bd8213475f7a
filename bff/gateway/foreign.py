"""Answers that are ASGI applications: an ``app`` function, or a Starlette response a handler returned.

They get the caller's own scope, body and send, with the route's limits still kept: bytes of the body, the
deadline until the head is sent, and the stream's time after that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from bff.clock import Clock, Deadline, Expiry
from bff.errors import BodyTooLarge
from bff.gateway.target import Target
from bff.sdk.invocation import Incoming, Invocation

if TYPE_CHECKING:
    from bff.gateway.sender import Sender

Message = MutableMapping[str, Any]
_OURS = frozenset({b"date", b"x-request-id", b"server"})


class Foreign:
    """One run of one application. Mutable state: ``_received``, ``_is_too_large``, ``_expiry``."""

    __slots__ = (
        "_clock",
        "_expiry",
        "_incoming",
        "_invocation",
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

    async def run(
        self,
        app: Callable[..., Awaitable[None]],
        scope: Message,
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Let the application answer.

        Raises:
            BodyTooLarge: the body is over the route's limit and nothing was sent yet.
            TimeoutError: its time ran out.

        """
        self._incoming.refuse_announced_excess()
        self._send = send
        scope = {**scope, "path_params": dict(self._incoming.path_params)}
        if self._target.mount:
            scope["root_path"] = scope.get("root_path", "") + self._target.mount
        self._expiry = Expiry(self._clock, self._invocation.deadline.at)
        with self._expiry:
            await app(scope, self._receive, self._forward)
        if self._is_too_large and not self._sender.started:
            raise BodyTooLarge(self._incoming.max_body)

    async def _receive(self) -> Message:
        message: Message = await self._incoming.receive()
        self._received += len(message.get("body", b""))
        if self._received > self._incoming.max_body:
            self._is_too_large = True
            return {"type": "http.disconnect"}
        return message

    async def _forward(self, message: Message) -> None:
        if self._is_too_large and not self._sender.started:
            return  # whatever it makes of the cut body, the caller is told 413
        if message["type"] != "http.response.start":
            await self._send(message)
            return
        allowed = self._target.stream_timeout
        self._invocation.deadline = Deadline(self._clock.now() + allowed, allowed)
        self._expiry.move(self._invocation.deadline.at)
        fields = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
        fields = [pair for pair in fields if pair[0] not in _OURS]
        self._sender.add_own(fields, is_whole=False)
        await self._sender.head(message["status"], fields)
