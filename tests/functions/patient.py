"""Takes its time, and notes in a file how that went: told to go on by another file."""

import asyncio
from pathlib import Path

from bff import Context


async def handle(ctx: Context, tag: str) -> str:
    notes = Path(ctx.settings["NOTES"])
    said = notes / f"{tag}.txt"
    with said.open("a") as file:
        print("began", file=file, flush=True)
        try:
            while not (notes / f"{tag}.go").exists():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            print("cancelled", file=file, flush=True)
            raise
        print("finished", file=file, flush=True)
    return "done"
