"""The keep-alive connections to one endpoint: which is used next, who waits for one, which are too old.

They outlive calls, functions and revisions. A connection is made for whoever waits, but belongs to the pool:
who gives up waiting leaves it to the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from bff.clock import Clock, Timer
from bff.services import upload
from bff.services.connection import Answer, Connection, Home, Watcher
from bff.services.heads import Heads
from bff.services.quota import Quota
from bff.services.upload import Upload

MAX_WAITING = 1024
"""Requests that may wait for a connection (Envoy, ``max_pending_requests``)."""

NO_LIMIT = 2**62
"""Bytes that no body has."""

MAX_ATTEMPTS = 3
"""How often a request goes out at most, each time onto a connection that turns out to be dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one pool may take. ``keep_alive`` is the seconds an idle connection is kept."""

    max_connections: int = 100
    max_waiting: int = MAX_WAITING
    keep_alive: float = 4.0


class Outgoing:
    """One request as it goes onto a wire: its head, and its body in one or in parts.

    ``length`` is what the head says of a body in parts; None means chunked. ``is_replayable`` says that
    sending it twice does no harm and is possible. ``wait``, ``pace`` and ``silence`` are the seconds it may take to get a
    connection, to have it take more of a body in parts, and to hear something on it, for who has no deadline of its
    own. ``watcher`` hears of interim
    answers. Mutable: ``attempts``, how often it was sent, and when it was ``sent`` last, in clock seconds. ``flight``
    tells whether somebody else still wants the answer when who asked is cancelled; then it is left in ``rest``.
    """

    __slots__ = (
        "attempts",
        "body",
        "flight",
        "head",
        "is_head",
        "is_replayable",
        "is_whole",
        "length",
        "limit",
        "pace",
        "parts",
        "rest",
        "sent",
        "silence",
        "wait",
        "watcher",
    )

    def __init__(
        self, head: bytes, body: bytes = b"", *, is_head: bool = False, is_replayable: bool = False
    ) -> None:
        self.head = head
        self.body = body
        self.is_head = is_head
        self.is_replayable = is_replayable
        self.is_whole = True
        self.parts: AsyncIterable[bytes] | None = None
        self.length: int | None = None
        self.limit = NO_LIMIT
        self.wait: float | None = None
        self.silence: float | None = None
        self.pace: float | None = None
        self.watcher: Watcher | None = None
        self.attempts = 0
        self.flight: Any = None
        self.rest: tuple[Connection, asyncio.Future[Answer]] | None = None
        self.sent: float | None = None

    def upload(self, parts: AsyncIterable[bytes]) -> Upload:
        """Its body in parts, with its limits."""
        return Upload(parts=parts, length=self.length, pace=self.pace, silence=self.silence)


Asked = tuple[Connection, "asyncio.Future[Answer]"]
"""A connection, and the answer that is to come on it."""


class Opens(Protocol):
    """Makes connections to ``endpoint``; see :class:`bff.services.dialing.Dialer`."""

    endpoint: Any

    async def dial(self, home: Home) -> Connection:
        """A new connection, or an httpx.ConnectError."""


class Connections:
    """Mutable state: ``_open`` connections, of which ``_idle`` ones (the one used last at the end); ``_switched``
    ones, which speak another protocol and take no place; ``_dialing`` tasks; ``_waiting`` futures in line; the ``_sweep`` to come; ``_is_closed``.
    """

    def __init__(self, dialer: Opens, *, clock: Clock, limits: Limits, quota: Quota | None = None) -> None:
        self.endpoint = str(dialer.endpoint)
        self._quota = quota
        if quota is not None:
            quota.join(self)
        self._dialer = dialer
        self._clock = clock
        self._limits = limits
        self._open: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._switched: set[Connection] = set()
        self._dialing: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[Connection]] = deque()
        self._sweep: Timer | None = None
        self._is_closed = False
        self.heads = Heads()

    async def request(self, outgoing: Outgoing, asked: Asked | None = None) -> Answer:
        """Send it and give its answer: whole, or with its head if a stream is wanted. ``asked`` is where and what, if
        it has been sent once already.

        Up to the first wait everything happens at once: where a connection is idle, the request is written
        before this gives way.

        Raises:
            httpx.TransportError: no connection, or it broke, or what came was not HTTP.

        """
        while True:
            if asked is None:
                is_fresh = outgoing.attempts > 0
                connection = (None if is_fresh else self.take()) or await self._in_line(outgoing.wait)
                outgoing.attempts += 1
                outgoing.sent = self._clock.now()
                asked = connection, self._ask(connection, outgoing)
            (connection, answer), asked = asked, None
            try:
                return await self._exchange(connection, answer, outgoing)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                # RFC 9112 §9.3.1: it had been used before and said nothing now, so it died while it was idle.
                died_idle = connection.served > 0 and not connection.has_heard
                if not (died_idle and outgoing.is_replayable and outgoing.attempts < MAX_ATTEMPTS):
                    raise

    @staticmethod
    def _ask(connection: Connection, outgoing: Outgoing) -> asyncio.Future[Answer]:
        asked = connection.ask(
            outgoing.head + outgoing.body if outgoing.body else outgoing.head,
            is_head=outgoing.is_head,
            limit=outgoing.limit,
            whole=outgoing.is_whole,
            more=outgoing.parts is not None,
        )
        connection.watcher = outgoing.watcher
        return asked

    @staticmethod
    async def _exchange(connection: Connection, asked: asyncio.Future[Answer], outgoing: Outgoing) -> Answer:
        if outgoing.parts is not None:
            return await upload.exchange(connection, asked, outgoing.upload(outgoing.parts))
        try:
            return await asked if outgoing.silence is None else await upload.within(outgoing.silence, asked)
        except (asyncio.CancelledError, httpx.ReadTimeout):
            if outgoing.flight is not None and outgoing.flight.is_wanted:
                still = connection.still_asked(asked)
                outgoing.rest = None if still is None else (connection, still)
            else:
                connection.give_up(asked)
            raise

    # Which connection.

    def take(self) -> Connection | None:
        """The idle connection used last, which whoever takes it asks something at once; none, where others wait."""
        return self._idle.pop() if self.has_idle(self._clock.now()) else None

    def pop_idle(self) -> Connection:
        """The same at once, for who knows that this :meth:`has_idle`."""
        return self._idle.pop()

    def has_idle(self, now: float) -> bool:
        """Whether there is one to take. What is too old by now, or closed, goes."""
        if self._waiting:
            return False
        oldest = now - self._limits.keep_alive
        idle = self._idle
        while idle:
            connection = idle[-1]
            if connection.is_open and connection.idle_since > oldest:
                return True
            idle.pop()
            connection.close()
        return False

    async def _in_line(self, wait: float | None) -> Connection:
        try:
            async with asyncio.timeout(wait):
                while not (connection := await self._next()).is_open:
                    pass  # it was lost after it had been handed over
                return connection
        except TimeoutError:
            raise (
                httpx.ConnectTimeout("no connection in time")
                if self._dialing
                else httpx.PoolTimeout("no connection became free in time")
            ) from None

    async def _next(self) -> Connection:
        if self._is_closed:
            raise httpx.ConnectError("the pool is closed")
        if self._room() <= 0 and len(self._waiting) - len(self._dialing) >= self._limits.max_waiting:
            raise httpx.PoolTimeout("too many wait for a connection already")
        place: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._serve_line()
        try:
            return await place
        except asyncio.CancelledError:
            self._leave_line(place)
            raise

    def _leave_line(self, place: asyncio.Future[Connection]) -> None:
        if not place.done() or place.cancelled():
            if place in self._waiting:
                self._waiting.remove(place)
        elif place.exception() is None and place.result().is_open:
            self.freed(place.result())

    def _room(self) -> int:
        return self._limits.max_connections - self.taken

    def _serve_line(self) -> None:
        for _ in range(min(self._room(), len(self._waiting) - len(self._dialing))):
            if self._quota is not None and not self._quota.grant(self):
                break
            task = asyncio.get_running_loop().create_task(self._dial())
            self._dialing.add(task)
        while self._idle and len(self._waiting) > len(self._dialing):  # who wanted a fresh one takes any
            self._hand_over(self._idle.pop())

    async def _dial(self) -> None:
        me: Any = asyncio.current_task()
        try:
            connection = await self._dialer.dial(self)
        except httpx.TransportError as error:
            self._dialing.discard(me)
            self._tell_first_in_line(error)
            self._serve_line()
            self._give_back()
        else:
            self._dialing.discard(me)
            if self._is_closed:
                connection.abort()
            elif connection.is_open:
                self._open.add(connection)
                self.freed(connection)
            else:
                self._tell_first_in_line(httpx.ConnectError("the connection was closed at once"))
                self._give_back()
        finally:
            self._dialing.discard(me)

    def _tell_first_in_line(self, error: Exception) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(error)
                return

    # What connections tell.

    def freed(self, connection: Connection) -> None:
        """To the first in line, or among the idle ones."""
        if self._is_closed:
            connection.abort()
            return
        is_wanted = self._quota is not None and bool(self._quota.hungry)  # by another endpoint's callers
        if is_wanted and self._quota is not None and self._quota.wants(self):
            connection.close()
            return
        if self._waiting and self._hand_over(connection):
            return
        if is_wanted:
            connection.close()
            return
        connection.idle_since = self._clock.now()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self._clock.call_at(connection.idle_since + self._limits.keep_alive, self._swept)

    def _hand_over(self, connection: Connection) -> bool:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(connection)
                return True
        return False

    def switched(self, connection: Connection) -> None:
        """It is no longer one of those for requests: its place is free for another."""
        self.lost(connection)
        self._switched.add(connection)

    def lost(self, connection: Connection) -> None:
        """Its place is free for another."""
        self._open.discard(connection)
        self._switched.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        waits = bool(self._waiting) and not self._is_closed
        if self._quota is not None:
            self._quota.lost(self, waits=waits)
        elif waits:
            self._serve_line()

    # What the quota asks; see :class:`bff.services.quota.Pool`.

    @property
    def taken(self) -> int:
        """Connections it has, or is making."""
        return len(self._open) + len(self._dialing)

    def close_idle(self) -> bool:
        """Close the one that was idle longest; False where none is."""
        if not self._idle:
            return False
        self._idle[0].close()  # which takes it off the list
        return True

    def serve(self) -> None:
        """There is room again for whoever waits."""
        if not self._is_closed:
            self._serve_line()

    def _give_back(self) -> None:
        if self._quota is not None:
            self._quota.given_back()

    def _swept(self) -> None:
        """Close what has been idle for too long, and come again when the next one will have been."""
        self._sweep = None
        oldest = self._clock.now() - self._limits.keep_alive
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle[0].close()  # which takes it off the list
        if self._idle:
            when = self._idle[0].idle_since + self._limits.keep_alive
            self._sweep = self._clock.call_at(when, self._swept)

    async def aclose(self) -> None:
        """Close all of them; what is under way fails."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in (*self._open, *self._switched):
            connection.abort()
        while self._waiting:
            self._tell_first_in_line(httpx.ConnectError("the pool was closed"))
        dialing = set(self._dialing)
        for task in dialing:
            task.cancel()
        if dialing:
            await asyncio.wait(dialing)
        if self._quota is not None:
            quota, self._quota = self._quota, None
            quota.leave(self)

    def __repr__(self) -> str:
        busy = len(self._open) - len(self._idle)
        return f"<Connections: {busy} busy, {len(self._idle)} idle, {len(self._waiting)} waiting>"
