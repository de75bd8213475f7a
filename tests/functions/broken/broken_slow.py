"""Starts for longer than it may."""

import asyncio


class Slow:
    async def start(self) -> None:
        await asyncio.sleep(30)

    async def handle(self) -> str:
        return "at last"


def new() -> Slow:
    return Slow()
