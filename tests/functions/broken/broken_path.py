"""Has no argument for its route's parameter."""


async def handle(name: str = "") -> str:
    return name
