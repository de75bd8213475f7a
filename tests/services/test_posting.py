"""What is posted to an address of somebody's own, and how little of his answer is read."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bff.services.posting import MOST_HEARD, Heard, PostFailed, post

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def listener(answer: bytes, heard: list[bytes]) -> AsyncIterator[str]:
    """Somebody who says these bytes to whatever comes; ``heard`` gets the heads."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/told"


def answered(body: bytes, *fields: str) -> bytes:
    """An answer's bytes."""
    head = "".join(f"{each}\r\n" for each in ("HTTP/1.1 503 No", f"content-length: {len(body)}", *fields))
    return f"{head}\r\n".encode() + body


async def test_the_beginning_of_an_answer_is_heard() -> None:
    async with listener(answered(b"x" * (MOST_HEARD + 1), "retry-after: 7"), []) as url:
        assert await post(url, {}, b"") == Heard(status=503, retry_after="7", text="x" * MOST_HEARD)


async def test_what_is_compressed_unasked_is_not_unpacked() -> None:
    """Layer upon layer, some hundred bytes would be megabytes in memory."""
    bomb = gzip.compress(gzip.compress(bytes(32 * 2**20)))
    heard: list[bytes] = []
    async with listener(answered(bomb, "content-encoding: gzip, gzip"), heard) as url:
        await post(url, {}, b"")  # imports what it needs
        tracemalloc.start()
        try:
            said = await post(url, {"accept-encoding": "gzip"}, b"")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (said.status, said.text) == (503, "")
    assert peak < 8 * 2**20
    assert b"accept-encoding: identity\r\n" in heard[1].lower()


async def test_nobody_there_is_told_without_the_address() -> None:
    async with listener(b"", []) as url:
        pass
    with pytest.raises(PostFailed) as failed:
        await post(url, {}, b"")
    assert "127.0.0.1" not in str(failed.value)
