"""The smallest there is."""


async def handle(name: str = "world") -> dict[str, str]:
    return {"hello": name}
