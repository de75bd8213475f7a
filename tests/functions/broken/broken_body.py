"""Fails while it is imported."""

LIMITS = {"free": 3}
LIMIT = LIMITS["paid"]


async def handle() -> int:
    return LIMIT
