"""Promises one type and returns another."""

from pydantic import BaseModel


class Page(BaseModel):
    title: str


async def handle() -> Page:
    return {"titel": "secret detail 4711"}
