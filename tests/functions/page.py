"""A page of parts, each of which waits for a note if it is told to."""

import asyncio
from pathlib import Path

from pydantic import BaseModel, Field, field_serializer

from bff import Context, Problem, aggregate, optional


class Inner(BaseModel):
    shown: int
    secret: str = Field(default="", exclude=True)


class Page(BaseModel):
    quick: Inner
    slow: list[str] = Field(serialization_alias="slowly")
    maybe: int | None = None
    title: str = "untitled"
    hidden: str = Field(default="", exclude=True)

    @field_serializer("title")
    def _loudly(self, title: str) -> str:
        return title.upper()


async def handle(ctx: Context, kind: str = "whole", tag: str = "page") -> Page:
    notes = Path(ctx.settings["NOTES"])
    page = await aggregate(
        Page,
        quick=_quick(kind),
        slow=_slow(notes, tag, kind),
        maybe=optional(_maybe(kind), default=-1),
        title="a page",
        hidden="never shown",
    )
    if kind == "other":
        raise Problem(409, "Not after all.")
    if kind == "changed":
        return page.model_copy(update={"title": "changed", "maybe": None})
    return page


async def _quick(kind: str) -> dict:
    if kind == "refused":
        raise Problem(404, "Nobody there.")
    return {"shown": 1, "secret": "not for callers", "unknown": True}


async def _slow(notes: Path, tag: str, kind: str) -> list[str]:
    try:
        while not (notes / tag).exists():
            await asyncio.sleep(0.01)
    finally:
        (notes / f"{tag}.ended").touch()
    if kind == "fails":
        raise Problem(502, "It broke.")
    return ["at last"]


async def _maybe(kind: str) -> int:
    if kind == "missing":
        raise TimeoutError
    if kind == "refused":
        await asyncio.sleep(30)
    return 7
