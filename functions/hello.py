"""The smallest function there is. The status page calls it to see that the gateway answers."""


async def handle(name: str = "world") -> dict[str, str]:
    return {"hello": name}
