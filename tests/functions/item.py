"""A model as the body."""

from pydantic import BaseModel


class Item(BaseModel):
    name: str
    size: float = 1.0


async def handle(item: Item) -> Item:
    return item
