"""Items one by one, in several tempers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from bff import Context, Problem


async def handle(  # noqa: C901 - a list, not a thought
    ctx: Context, kind: str, tag: str = "stream"
) -> AsyncIterator:
    notes = Path(ctx.settings["NOTES"])
    if kind == "refused":
        raise Problem(409, "Not now.")
    if kind == "broken":
        raise ValueError("before the first item")
    if kind == "unserialisable":
        yield object()
    if kind == "slow first":
        await asyncio.sleep(30)
    if kind == "endless":
        while True:
            yield b"x" * 65536
    if kind == "endless drops":
        while True:
            yield b"x"
    if kind == "empty":
        return
    try:
        for number in range(3):
            yield number if kind != "text" else f"piece {number} ü\n"
            while kind in ("stepwise", "stuck") and not (notes / f"{tag}.{number}").exists():
                await asyncio.sleep(0.01)
            if kind == "breaks" and number == 1:
                raise ValueError("in the middle")
            if kind == "bad item" and number == 1:
                yield object()
    finally:
        (notes / f"{tag}.closed").touch()
