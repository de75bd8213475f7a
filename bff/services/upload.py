"""A request's body that comes in parts: framed, and sent no faster than the service takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import Any

import httpx

from bff.services.connection import Answer, Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A body in parts, and how long it is; None for chunks. ``pace`` is the seconds that the service may take until it
    takes more of it, ``silence`` those it may say nothing once it has all of it, for who has no deadline of its own.
    """

    parts: AsyncIterable[bytes]
    length: int | None
    pace: float | None = None
    silence: float | None = None


async def exchange(connection: Connection, asked: asyncio.Future[Answer], upload: Upload) -> Answer:
    """Send the parts, and give the answer as soon as there is one: it need not wait for the last part.

    An answer that is whole before the request is ends the request, and with it the connection (RFC 9112 §9.3).
    Until there is one, what the parts take to be made counts for no limit.

    Raises:
        httpx.TransportError: the connection broke, or the parts are not as long as was said.
        Exception: what the parts raised.

    """
    sending = asyncio.get_running_loop().create_task(_send(connection, upload))
    try:
        both: list[asyncio.Future[Any]] = [sending, asked]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if sending.done() and (failure := _failure(sending)) is not None:
            raise failure
        answer = await within(upload.silence, asked)
    except BaseException:
        connection.give_up(asked)
        await _stop(sending)
        _forget(asked)
        raise
    if answer.stream is not None and not sending.done():
        answer.stream.uploading = sending
        sending.add_done_callback(lambda _: _spoil(connection, answer, sending))
    else:
        await _stop(sending)
    return answer


async def within(seconds: float | None, asked: asyncio.Future[Answer]) -> Answer:
    """The answer, whose body may be silent as long each time.

    Raises:
        httpx.ReadTimeout: there is none after so many seconds.

    """
    if seconds is None:
        return await asked
    try:
        async with asyncio.timeout(seconds):
            answer = await asked
    except TimeoutError:
        raise httpx.ReadTimeout("no answer in time") from None
    if answer.stream is not None:
        answer.stream.timeout = seconds
    return answer


async def _send(connection: Connection, upload: Upload) -> None:
    sent, length = 0, upload.length
    async for part in upload.parts:
        if not part:
            continue
        sent += len(part)
        if length is None:
            part = b"%x\r\n%b\r\n" % (len(part), part)
        elif sent > length:
            raise httpx.LocalProtocolError("the body is longer than its Content-Length")
        await _taken(connection, part, upload.pace)
    if length is None:
        await _taken(connection, b"0\r\n\r\n", upload.pace)
    elif sent < length:
        raise httpx.LocalProtocolError("the body is shorter than its Content-Length")
    connection.sent()


async def _taken(connection: Connection, part: bytes, pace: float | None) -> None:
    if pace is None:
        await connection.send(part)
        return
    try:
        async with asyncio.timeout(pace):
            await connection.send(part)
    except TimeoutError:
        raise httpx.WriteTimeout("the service takes no more of the body") from None


def _spoil(connection: Connection, answer: Answer, sending: asyncio.Task[None]) -> None:
    """The rest of a request failed while its answer was being read."""
    if not sending.cancelled() and (failure := sending.exception()) is not None and answer.stream is not None:
        connection.give_up(answer.stream)
        answer.stream.fail(failure if isinstance(failure, Exception) else httpx.WriteError(str(failure)))


def _failure(sending: asyncio.Task[None]) -> BaseException | None:
    return None if sending.cancelled() else sending.exception()


async def _stop(sending: asyncio.Task[None]) -> None:
    if not sending.done():
        sending.cancel()
        await asyncio.wait({sending})
    if not sending.cancelled():
        sending.exception()  # told already, or of no interest any more


def _forget(asked: asyncio.Future[Answer]) -> None:
    if asked.done() and not asked.cancelled():
        asked.exception()
