"""Small documents that the gateway itself needs from elsewhere: the keys of those who sign tokens."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bff.services import lean_httpx

MAX_BYTES = 256 * 1024
"""Bytes a document may have."""


async def fetch(place: str) -> bytes:
    """What is at an http:// or https:// address, or in a file. No redirect is followed, no proxy asked.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too large, or the answer is not 200.
        httpx.HTTPError: it could not be fetched.

    """
    if "://" not in place:
        return await asyncio.to_thread(_read, Path(place))
    lean_httpx.load()
    import httpx

    async with (
        httpx.AsyncClient(trust_env=False, timeout=None) as client,  # noqa: S113 - the caller keeps the time
        client.stream("GET", place, headers={"accept": "application/json"}) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError(f"the answer is {answer.status_code}")
        content = b""
        async for piece in answer.aiter_bytes():
            content += piece
            _check(len(content))
        return content


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    _check(len(content))
    return content


def _check(size: int) -> None:
    if size > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES} bytes")
