"""Does not parse."""


async def handle() -> str:
    return "never" +
