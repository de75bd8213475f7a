"""Answers that come piece by piece out of a handler's generator: no faster than the caller takes them, no longer
silent or open than their times allow. Server-sent events have heartbeats in their silences.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from bff.clock import Clock, Deadline, Expiry
from bff.gateway.target import Target
from bff.sdk import accept, framing
from bff.sdk.farewells import Farewells
from bff.sdk.invocation import Invocation
from bff.sdk.reply import Answer, StreamedItems
from bff.sdk.serversent import HEARTBEAT

if TYPE_CHECKING:
    from bff.gateway.sender import Sender

TURN = 32
"""Pieces a stream may send in a row: a generator that never waits must not stop the loop."""

GRACE = 1.0
"""Seconds declared server-sent events may take to their first one, or to a failure with a status of its own,
before the head goes out without it: until then the page's ``EventSource`` does not know that it is connected."""

NO_STORE = (b"cache-control", b"no-store")


class Streaming:
    """One such answer. Mutable state: ``_ends``, when it is over; ``_waiting``, the wait for the next event."""

    __slots__ = ("_clock", "_ends", "_invocation", "_sender", "_target", "_waiting")

    def __init__(self, sender: Sender, invocation: Invocation, target: Target, clock: Clock) -> None:
        self._sender = sender
        self._invocation = invocation
        self._target = target
        self._clock = clock
        self._ends = float("inf")
        self._waiting: Expiry | None = None

    async def run(self, answer: Answer, farewells: Farewells) -> None:
        """Send all of it, and close the generator whatever happens.

        Raises:
            TimeoutError: the first item, or a later piece, did not come or go in time.

        """
        items = answer.stream
        assert isinstance(items, StreamedItems)
        try:
            if items.framing is not framing.EVENTS:
                with Expiry(self._clock, self._invocation.deadline.at):
                    first = await items.first(prefers_events=self._prefers_events())
                if items.framing is not framing.EVENTS:
                    await self._lines(answer, items, first)
                    return
            else:
                first = None
            with farewells.told(self._end):
                await self._events(answer, items, first)
        finally:
            await items.aclose()

    def _prefers_events(self) -> bool:
        incoming = self._invocation.incoming
        return incoming is not None and accept.streamed(incoming.scope["headers"]) == accept.EVENTS

    async def _lines(self, answer: Answer, items: StreamedItems, first: bytes | None) -> None:
        await self._head(answer, items)
        if first is not None and self._invocation.method != "HEAD":
            with Expiry(self._clock, self._began()):
                await self._pieces(first, items, self._target.stream_idle_timeout)
        # Its caller may have stopped reading: the last piece waits no longer than any other.
        await self._piece(b"", more=False)

    async def _head(self, answer: Answer, items: StreamedItems) -> None:
        said = () if items.framing is None else items.framing.fields
        fields = [*answer.headers, *said, NO_STORE]
        self._sender.add_own(fields, is_page=False)
        await self._sender.head(answer.status, fields)

    def _began(self) -> float:
        """The answer has begun: from here on the stream's own time counts, for its calls too."""
        now, allowed = self._clock.now(), self._target.stream_timeout
        self._invocation.deadline = Deadline(now + allowed, allowed)
        return now + allowed

    async def _pieces(self, piece: bytes, items: StreamedItems, idle: float) -> None:
        for number in count(1):
            if number % TURN == 0:
                await asyncio.sleep(0)
            with Expiry(self._clock, self._clock.now() + idle):
                await self._sender.piece(piece, more=True)
                try:
                    piece = await anext(items)
                except StopAsyncIteration:
                    return

    # Server-sent events: the generator runs beside, so that its silences can be filled.

    async def _events(self, answer: Answer, items: StreamedItems, first: bytes | None) -> None:
        ahead = Ahead(items)
        try:
            piece = first
            if piece is None:
                piece = await self._next(ahead, min(self._clock.now() + GRACE, self._invocation.deadline.at))
            await self._head(answer, items)
            if self._invocation.method != "HEAD":
                self._ends = min(self._ends, self._began())
                await self._until_the_end(ahead, piece)
            await self._piece(b"", more=False)
        finally:
            await ahead.aclose()

    async def _until_the_end(self, ahead: Ahead, piece: bytes | None) -> None:
        """To the generator's end, or the stream's: its browser then comes back, and says how far it was."""
        for number in count(1):
            if piece is None:
                return
            if number % TURN == 0:
                await asyncio.sleep(0)
            await self._piece(piece, more=True)
            now = self._clock.now()
            if now >= self._ends:
                return
            piece = await self._next(ahead, min(now + self._target.stream_heartbeat, self._ends))

    async def _next(self, ahead: Ahead, until: float) -> bytes | None:
        """The next event, or a heartbeat where none has come by then; None at the end."""
        taken: bytes | BaseException | None = HEARTBEAT
        with suppress(TimeoutError), Expiry(self._clock, until) as self._waiting:
            taken = await ahead.slot.get()
        self._waiting = None
        if isinstance(
            taken, BaseException
        ):  # not raised above: it may be a TimeoutError of the handler's own
            raise taken
        return taken

    async def _piece(self, piece: bytes, *, more: bool) -> None:
        """Send it; a caller who takes nothing for too long is given up."""
        with Expiry(self._clock, self._clock.now() + self._target.stream_idle_timeout):
            await self._sender.piece(piece, more=more)

    def _end(self) -> None:
        """It is over, now."""
        self._ends = self._clock.now()
        if self._waiting is not None:
            self._waiting.move(self._ends)


class Ahead:
    """Pieces of a generator fetched by a task of its own, one ahead, so that whoever waits for the next can stop
    waiting without stopping the generator. ``slot`` holds the next piece; at the end None, or what was raised.
    Mutable state: that, and ``_is_closing``.
    """

    __slots__ = ("_is_closing", "_items", "_task", "slot")

    def __init__(self, items: StreamedItems) -> None:
        self._items = items
        self.slot: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(1)
        self._is_closing = False
        self._task = asyncio.create_task(self._fetch())

    async def _fetch(self) -> BaseException | None:
        """To the end. A failure is handed over like a piece: SystemExit in a task would end the loop."""
        outcome: BaseException | None = None
        try:
            async for piece in self._items:
                if self._is_closing:
                    break  # it has swallowed the cancellation
                await self.slot.put(piece)
        except BaseException as failure:
            outcome = failure
        try:
            if not self._is_closing:
                await self.slot.put(outcome)
            await self._items.aclose()
        except BaseException as failure:
            outcome = failure
        return outcome

    async def aclose(self) -> None:
        """End the generator where it is, and wait until it has ended.

        Raises:
            BaseException: what it raised on its way out.

        """
        self._is_closing = True
        if self._task.done():
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        failure = None if self._task.cancelled() else self._task.result()
        if failure is not None and not isinstance(failure, asyncio.CancelledError):
            raise failure
