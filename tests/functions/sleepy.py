"""Sleeps on the loop."""

import asyncio


async def handle() -> str:
    await asyncio.sleep(30)
    return "awake"
