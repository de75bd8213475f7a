"""Any JSON object as the body."""


async def handle(payload: dict) -> dict:
    return {"keys": sorted(payload)}
