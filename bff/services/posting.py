"""A message to somebody who waits for it at an address of his own: one POST, and what he said to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bff.services import lean_httpx

if TYPE_CHECKING:
    import httpx

MOST_HEARD = 1024
"""Bytes of the answer that are read."""


class PostFailed(Exception):
    """There was no answer; the sentence says why, and holds nothing of the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was answered: the beginning of its body."""

    status: int
    retry_after: str
    text: str


async def post(url: str, headers: Mapping[str, str], body: bytes) -> Heard:
    """Post it. No redirect is followed, no proxy asked, no cookie kept; the caller keeps the time. An answer that is
    compressed all the same is not read: a kilobyte of it may be a gigabyte of text.

    Raises:
        PostFailed: nobody answered.

    """
    lean_httpx.load()
    import httpx

    asked = {**headers, "accept-encoding": "identity"}
    try:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as client,  # noqa: S113 - the caller keeps the time
            client.stream("POST", url, headers=asked, content=body) as answer,
        ):
            return Heard(
                status=answer.status_code,
                retry_after=answer.headers.get("retry-after", ""),
                text="" if "content-encoding" in answer.headers else await _beginning(answer),
            )
    except httpx.HTTPError as error:
        raise PostFailed(f"{type(error).__name__}: nobody answered") from error


async def _beginning(answer: httpx.Response) -> str:
    heard = b""
    async for piece in answer.aiter_raw():
        heard += piece
        if len(heard) >= MOST_HEARD:
            break
    return heard[:MOST_HEARD].decode("utf-8", "replace")
