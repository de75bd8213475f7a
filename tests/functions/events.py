"""Server-sent events, in several tempers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from bff import Context, Problem, ServerSentEvent


async def handle(ctx: Context, kind: str = "three", tag: str = "events") -> AsyncIterator[ServerSentEvent]:
    notes = Path(ctx.settings["NOTES"])
    if kind == "refused":
        raise Problem(409, "Not now.")
    if kind == "none":
        return
    try:
        if kind == "silent":
            (notes / f"{tag}.began").touch()
            await _told(notes / tag)
        if kind == "late":
            raise TimeoutError("its own")
        begin = int(ctx.last_event_id or 0)
        for number in range(begin + 1, begin + 4):
            yield ServerSentEvent(event="tick", id=str(number), data={"number": number}, retry=50)
        if kind == "endless":
            while True:
                yield ServerSentEvent(data="x" * 65536)
        if kind == "waits":
            await _told(notes / tag)
            yield ServerSentEvent(data="at last")
    finally:
        await asyncio.sleep(0.01)  # what is awaited here is awaited
        (notes / f"{tag}.closed").touch()


async def _told(note: Path) -> None:
    while not note.exists():
        await asyncio.sleep(0.01)
