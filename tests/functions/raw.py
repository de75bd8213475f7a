"""The body's size and nothing else."""


async def handle(body: bytes) -> dict[str, int]:
    return {"size": len(body)}
