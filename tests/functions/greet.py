"""One path parameter, given back as it came."""

from starlette.responses import Response


async def handle(name: str) -> Response:
    return Response(name, media_type="text/plain")
