"""Says that it is not ready."""


class Cellar:
    def ready(self) -> tuple[bool, str]:
        return False, "the cellar is empty"

    async def handle(self) -> str:
        return "wine"


def new() -> Cellar:
    return Cellar()
