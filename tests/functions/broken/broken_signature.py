"""Takes whatever comes, which nothing can be bound to."""


async def handle(*parts: str) -> str:
    return " ".join(parts)
