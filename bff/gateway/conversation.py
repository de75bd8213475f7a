"""A WebSocket between a caller and a function: ASGI's messages on one side, frames of RFC 6455 on the other.

Frames are the websockets library's, without its I/O; limits, pings, idleness and the end are ours, on our clock.
The head of the request was read, routed and authenticated like any other before this begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.exceptions import WebSocketException
from starlette.websockets import WebSocketDisconnect

from bff.clock import Clock, Deadline, Expiry
from bff.errors import CallerLeft, FunctionFailed
from bff.gateway import closing, handshake, interim
from bff.gateway.foreign import checked
from bff.gateway.frames import Frames
from bff.gateway.protocol import LimitedProtocol
from bff.gateway.target import Target
from bff.sdk.failures import Problem
from bff.sdk.farewells import Farewells
from bff.sdk.invocation import Invocation
from bff.sdk.reply import Answer
from bff.services import memo
from bff.services.duplex import LINGER, Duplex

if TYPE_CHECKING:
    from bff.gateway.sender import Sender

Message = MutableMapping[str, Any]

PARTING = 5.0
"""Seconds a handler may go on after its WebSocket is closed; then it is cancelled where it waits."""

_OF_LEAVING = (TimeoutError, OSError, WebSocketDisconnect)
"""What a handler is told, or meets, when its WebSocket is closed; nobody's failure."""


class Conversation:
    """One WebSocket. Mutable state: ``_inbox``, messages for the handler; ``_frames`` and ``_duplex`` once the
    offer is agreed to; ``_has_begun`` and ``_is_over``, what the handler was told of it; ``_refusal``, if it refused;
    ``_tasks``; ``_expiry``, when the handler is cancelled; and when anything was last ``_heard`` and ``_said``.
    """

    def __init__(
        self,
        sender: Sender,
        connection: LimitedProtocol,
        *,
        invocation: Invocation,
        target: Target,
        clock: Clock,
    ) -> None:
        assert invocation.incoming is not None
        self._sender = sender
        self._connection = connection
        self._invocation = invocation
        self._scope: Message = invocation.incoming.scope
        self._target = target
        self._clock = clock
        self._accept = b""
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._room = asyncio.Semaphore(1)  # one message may wait: who does not take them is sent no more
        self._frames: Frames | None = None
        self._duplex: Duplex | None = None
        self._has_begun = self._is_over = False
        self._refusal: Problem | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._goodbyes: Sequence[tuple[Farewells, int, str]] = ()
        self._heard = self._said = self._ends = 0.0

    async def run(self, answer: Answer, house: Farewells) -> None:
        """Let the handler speak until one side has ended.

        Raises:
            BffError: the offer was not agreed to, or the handler failed; then it is closed with what that means.
            TimeoutError: the handler did not agree in time.

        """
        assert answer.response is not None
        assert answer.farewells is not None
        self._accept = handshake.agreed(self._scope["headers"])
        self._expiry = Expiry(self._clock, self._invocation.deadline.at)
        self._goodbyes = (
            (house, closing.GOING_AWAY, "the gateway ends"),
            (answer.farewells, closing.SERVICE_RESTART, "there is a new revision"),
        )
        with ExitStack() as told:
            for farewells, code, reason in self._goodbyes:
                told.enter_context(farewells.told(partial(self._close, code, reason)))
            try:
                with self._expiry:
                    await answer.response(self._as_asgi(), self._receive, self._send)
            except WebSocketException as error:  # how Starlette's handlers close it
                await self._send({"type": "websocket.close", "code": error.code, "reason": error.reason})
            except Exception as error:
                if not self._is_over:
                    self._close(*closing.told(error))
                    raise
                if not isinstance(error, _OF_LEAVING):
                    raise
            finally:
                self._close(closing.NORMAL, "")
                await self._parted()
        if self._duplex is None:
            raise self._refusal or FunctionFailed(
                self._invocation.function, "neither accepted nor refused a WebSocket"
            )

    def _as_asgi(self) -> Message:
        scope = {key: value for key, value in self._scope.items() if key != "method"}
        assert self._invocation.incoming is not None
        return {
            **scope,
            "type": "websocket",
            "scheme": "wss" if scope["scheme"] == "https" else "ws",
            "subprotocols": handshake.subprotocols(scope["headers"]),
            "path_params": dict(self._invocation.incoming.path_params),
            "root_path": scope.get("root_path", "") + self._target.mount,
            "extensions": {},
        }

    # What the handler does.

    async def _receive(self) -> Message:
        if not self._has_begun:
            self._has_begun = True
            return {"type": "websocket.connect"}
        message = await self._inbox.get()
        if message["type"] == "websocket.receive":
            self._room.release()
        return message

    async def _send(self, message: Message) -> None:
        match message["type"]:
            case "websocket.accept":
                await self._agree(message)
            case "websocket.close" if self._frames is None:
                self._refusal = Problem(403, message.get("reason") or "The function refuses this WebSocket.")
            case "websocket.close":
                self._close(message.get("code", closing.NORMAL), message.get("reason") or "")
            case "websocket.send":
                await self._say(message)
            case other:
                raise RuntimeError(f"a WebSocket has no message {other!r}")

    async def _agree(self, message: Message) -> None:
        subprotocol = message.get("subprotocol")
        if subprotocol is not None and subprotocol not in handshake.subprotocols(self._scope["headers"]):
            raise FunctionFailed(self._invocation.function, "chose a subprotocol that was not offered")
        _, own = checked(200, message.get("headers", ()), self._invocation.function)
        fields = handshake.agreement(self._accept, subprotocol, own)
        self._sender.add_own(fields, is_page=False)
        cycle = self._connection.cycle_of(self._scope)
        interim.inform(cycle, 101, fields)
        self._sender.started = True
        self._invocation.status = 101
        memo.end(self._invocation)
        self._duplex = self._connection.take_over(self._scope)
        if self._duplex is None:
            raise CallerLeft
        self._frames = Frames(self._target.max_message, self._target.max_frame)
        now, allowed = self._clock.now(), self._target.stream_timeout
        self._heard = self._said = now
        self._ends = now + allowed
        self._invocation.deadline = Deadline(self._ends, allowed)
        self._expiry.move(self._ends + PARTING)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch())]
        for farewells, code, reason in self._goodbyes:
            if farewells.has_been_said:  # while the handler thought about it
                self._close(code, reason)

    async def _say(self, message: Message) -> None:
        if self._is_over or self._frames is None or self._duplex is None or not self._frames.is_open:
            raise OSError("the WebSocket is closed")  # as the ASGI specification has it
        text = message.get("text")
        self._frames.say(text if text is not None else message["bytes"])
        self._said = self._clock.now()
        data, _ = self._frames.written()
        try:
            with Expiry(self._clock, self._said + self._target.stream_idle_timeout):
                await self._duplex.write(data)
        except TimeoutError:
            self._lost()
            raise OSError("the caller takes nothing any more") from None

    # What the caller does.

    async def _listen(self) -> None:
        """Take what comes, no faster than the handler does; control frames are answered meanwhile."""
        assert self._frames is not None
        assert self._duplex is not None
        try:
            while data := await self._duplex.read():
                self._heard = self._clock.now()
                messages = self._frames.heard(data)
                self._flush()
                for message in messages:
                    self._said = self._heard
                    await self._room.acquire()
                    if not self._is_over:
                        self._inbox.put_nowait({"type": "websocket.receive", **message})
                if self._frames.is_closed:
                    return
        finally:
            self._over(*self._frames.ended)

    async def _watch(self) -> None:
        """Ping in silences, and end what is dead, idle or over its time."""
        ping, pinged = self._target.ping, self._said
        while not self._is_over:
            idle = self._said + self._target.stream_idle_timeout
            await self._clock.sleep(max(0.0, min(pinged + ping, idle, self._ends) - self._clock.now()))
            now = self._clock.now()
            if now >= self._ends:
                self._close(closing.GOING_AWAY, "its time is over")
            elif now >= self._said + self._target.stream_idle_timeout:
                self._close(closing.GOING_AWAY, "idle")
            elif now >= pinged + ping:
                if self._heard < pinged and not self._room.locked():
                    self._lost()
                    return
                pinged = now
                self._ping()

    def _ping(self) -> None:
        if self._frames is not None and not self._is_over:
            self._frames.ping()
            self._flush()

    def _lost(self) -> None:
        """Nothing answers: whoever was there has gone without a word."""
        if self._duplex is not None:
            self._duplex.close()
        self._over(closing.ABNORMAL, "")

    # The end.

    def _close(self, code: int, reason: str) -> None:
        """Say goodbye, if nobody has yet; before the agreement there is nothing to say."""
        if self._frames is None or self._is_over:
            return
        self._frames.close(closing.sendable(code), closing.short(reason))
        self._flush()
        self._over(code, reason)

    def _over(self, code: int, reason: str) -> None:
        """Tell the handler, which then has a little time to leave."""
        if not self._is_over:
            self._is_over = True
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._expiry.move(self._clock.now() + PARTING)

    def _flush(self) -> None:
        """Write what the protocol has to say by itself; it is small, and nobody waits for it."""
        if self._frames is None or self._duplex is None:
            return
        data, is_last = self._frames.written()
        self._duplex.say(data)
        if is_last:
            self._duplex.finish()

    async def _parted(self) -> None:
        """Return when the other end has heard it, or had the time to."""
        if self._duplex is None:
            return
        before, self._room = (
            self._room,
            asyncio.Semaphore(2**30),
        )  # nobody takes messages any more; the close may stand behind some
        before.release()
        listening, watching = self._tasks
        try:
            with suppress(TimeoutError), Expiry(self._clock, self._clock.now() + LINGER):
                await asyncio.wait({listening})
        finally:
            self._duplex.close()
            for task in (listening, watching):
                task.cancel()
            await asyncio.wait({listening, watching})
        for task in (listening, watching):
            if not task.cancelled() and (failure := task.exception()) is not None:
                raise failure
