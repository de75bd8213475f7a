"""The smallest function: what the gateway itself costs."""


async def handle(name: str = "world") -> dict[str, str]:
    return {"hello": name}
