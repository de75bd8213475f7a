"""Questions and answers over a channel, both ways: each question is answered once, and one that nobody waits
for any more is dropped, upon which its answer tells that the work on it has really ended.

=========  ======================================================
frame      means
=========  ======================================================
``ask``    a question ``q`` of some ``kind``
``drop``   nobody waits for the answer to ``q``: stop working on it
``reply``  the answer to ``q``, a failure, or the end of a dropped one
``note``   something to know, without an answer
=========  ======================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bff.errors import BffError
from bff.runtime.isolation.failures import described, rebuilt
from bff.runtime.isolation.frames import Channel, ChannelClosed, FrameTooLarge, Head


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``after`` runs once it is sent; what then asked ``q`` is told by a note ``done``."""

    head: Head = field(default_factory=dict)
    body: bytes = b""
    after: Callable[[], Awaitable[object]] | None = None


class Question:
    """One that was asked. Await ``reply``; who does not wait any more drops it."""

    __slots__ = ("_exchange", "number", "reply")

    def __init__(self, exchange: Exchange, number: int, reply: asyncio.Future[Reply]) -> None:
        self._exchange = exchange
        self.number = number
        self.reply = reply

    def drop(self, ended: Callable[[], None]) -> None:
        """Nobody waits any more; ``ended`` is called when the work on it has ended (not if it never does)."""
        self._exchange.drop(self.number, ended)


class Exchange:
    """Mutable state: ``_asked`` (answers that are out), ``_dropped`` (ends that are out), ``_answering``
    (what we work on), ``_count``, ``_is_closed``.
    """

    def __init__(
        self,
        channel: type[Channel],
        *,
        answer: Callable[[int, str, Head, bytes], Awaitable[Reply]],
        note: Callable[[str, Head], None],
        lost: Callable[[], None],
        loader: Any = None,
    ) -> None:
        self.channel = channel(self._hear, self._lost)
        self._answer = answer
        self._note = note
        self._on_lost = lost
        self._loader = loader
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._dropped: dict[int, Callable[[], None]] = {}
        self._answering: dict[int, asyncio.Task[Reply]] = {}
        self._count = 0
        self._is_closed = False

    def question(self, kind: str, head: Head, body: bytes = b"") -> Question:
        """Ask; the answer comes as ``question.reply``, as does ChannelClosed."""
        self._count += 1
        number = self._count
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        reply.add_done_callback(_heard)
        if self._is_closed:
            reply.set_exception(ChannelClosed())
        else:
            self.channel.post("ask", {"q": number, "kind": kind, **head}, body)
            self._asked[number] = reply
        return Question(self, number, reply)

    async def ask(self, kind: str, head: Head | None = None, body: bytes = b"") -> Reply:
        """Ask and wait.

        Raises:
            ChannelClosed: no answer will come.
            BffError: the answer is this failure.

        """
        question = self.question(kind, head or {}, body)
        try:
            return await question.reply
        except asyncio.CancelledError:
            question.drop(_nothing)
            raise

    def drop(self, number: int, ended: Callable[[], None]) -> None:
        """See :meth:`Question.drop`."""
        if self._asked.pop(number, None) is None or self._is_closed:
            ended()
            return
        self._dropped[number] = ended
        self.channel.post("drop", {"q": number})

    def note(self, kind: str, head: Head) -> None:
        """Tell something."""
        self.channel.post("note", {"kind": kind, **head})

    def _hear(self, frame: str, head: Head, body: bytes) -> None:
        if frame == "reply":
            self._hear_reply(head.pop("q"), head, body)
        elif frame == "ask":
            number = head.pop("q")
            task = asyncio.get_running_loop().create_task(
                self._answered(number, head.pop("kind"), head, body)
            )
            self._answering[number] = task
            task.add_done_callback(partial(self._reply, number))
        elif frame == "drop":
            answering = self._answering.get(head["q"])
            if answering is not None:
                answering.cancel()
        elif frame == "note":
            self._note(head.pop("kind"), head)
        else:
            raise ValueError(f"a frame of kind {frame!r}")

    async def _answered(self, number: int, kind: str, head: Head, body: bytes) -> Reply:
        return await self._answer(number, kind, head, body)

    def _hear_reply(self, number: int, head: Head, body: bytes) -> None:
        ended = self._dropped.pop(number, None)
        if ended is not None:
            ended()
        reply = self._asked.pop(number, None)
        if reply is None or reply.done():
            return
        if "error" in head:
            reply.set_exception(rebuilt(head["error"], self._loader))
        elif "dropped" in head:
            reply.cancel()
        else:
            reply.set_result(Reply(head, body))

    def _reply(self, number: int, task: asyncio.Task[Reply]) -> None:
        if task.cancelled():
            self._end(number, {"dropped": True})
            return
        error = task.exception()
        if error is not None:
            self._end(number, {"error": described(_blamed(error))})
            return
        reply = task.result()
        try:
            self.channel.post("reply", {"q": number, **reply.head}, reply.body)
        except FrameTooLarge as large:
            self._end(number, {"error": described(_blamed(large))})
            return
        if reply.after is None:
            self._answering.pop(number, None)
            return
        after = asyncio.ensure_future(reply.after())
        self._answering[number] = after  # type: ignore[assignment]
        after.add_done_callback(partial(self._after, number))

    def _end(self, number: int, head: Head) -> None:
        self._answering.pop(number, None)
        self.channel.post("reply", {"q": number, **head})

    def _after(self, number: int, after: asyncio.Future[Any]) -> None:
        self._answering.pop(number, None)
        error = None if after.cancelled() else after.exception()
        self.note("done", {"q": number, **({"error": described(_blamed(error))} if error else {})})

    async def settle(self, within: float, *, but: int) -> None:
        """Return when all work is done but that on question ``but``, or the time is over."""
        others = [task for number, task in self._answering.items() if number != but]
        if others:
            await asyncio.wait(others, timeout=within)

    def cancel_work(self, number: int) -> None:
        """Stop working on what the other side asks."""
        task = self._answering.get(number)
        if task is not None:
            task.cancel()

    def _lost(self) -> None:
        self._is_closed = True
        asked, self._asked = self._asked, {}
        self._dropped.clear()
        for reply in asked.values():
            if not reply.done():
                reply.set_exception(ChannelClosed())
        for task in list(self._answering.values()):
            task.cancel()
        self._on_lost()


def _blamed(error: BaseException) -> BffError:
    if isinstance(error, BffError):
        return error
    failure = BffError("The gateway failed.")
    failure.__cause__ = error
    return failure


def _heard(reply: asyncio.Future[Reply]) -> None:
    """Perhaps nobody waits any more when it fails."""
    if not reply.cancelled():
        reply.exception()


def _nothing() -> None: ...
