"""A whole ASGI application, mounted below a wildcard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict]:
    yield {"started": True}


async def where(request: Request) -> JSONResponse:
    scope = request.scope
    return JSONResponse(
        {
            "path": scope["path"],
            "root_path": scope["root_path"],
            "url": str(request.url_for("where")),
            "params": request.path_params,
            "started": getattr(request.state, "started", False),
        }
    )


async def upload(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def cookies(_: Request) -> Response:
    response = Response("x", headers={"x-request-id": "forged", "server": "forged", "date": "forged"})
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


async def breaks(_: Request) -> Response:
    raise RuntimeError("secret detail 4711")


async def halfway(_: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("secret detail 4711")

    return StreamingResponse(pieces())


async def echo(ws: WebSocket) -> None:
    await ws.accept()
    async for text in ws.iter_text():
        await ws.send_text(f"site: {text}")


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/where", where, name="where"),
        Route("/upload", upload, methods=["POST"]),
        Route("/cookies", cookies),
        Route("/breaks", breaks),
        Route("/halfway", halfway),
        WebSocketRoute("/echo", echo),
    ],
)
