"""A WebSocket in several tempers: echo, and what goes wrong."""

import asyncio
from pathlib import Path
from typing import Annotated

from pydantic import Field
from starlette.exceptions import WebSocketException

from bff import Context, Problem, WebSocket, WebSocketDisconnect


async def connect(
    ws: WebSocket, ctx: Context, room: Annotated[int, Field(ge=1)] = 1, kind: str = "echo", tag: str = "talk"
) -> None:
    notes = Path(ctx.settings["NOTES"])
    if kind == "refused":
        raise Problem(404, "There is no such room.")
    if kind == "closed at once":
        await ws.close(reason="Not you.")
        return
    if kind == "mute":
        return
    if kind == "slow":
        await asyncio.sleep(30)
    await ws.accept(subprotocol="chat" if "chat" in ws.scope["subprotocols"] else None)
    (notes / f"{tag}.open").touch()
    try:
        await _talk(ws, kind, room, notes / tag)
    except WebSocketDisconnect as left:
        (notes / f"{tag}.code").write_text(str(left.code))
        raise
    finally:
        await asyncio.sleep(0.01)  # what is awaited here is awaited
        (notes / f"{tag}.ended").touch()


async def _talk(ws: WebSocket, kind: str, room: int, note: Path) -> None:  # noqa: C901 - the same
    match kind:
        case "broken":
            raise ValueError("not for callers")
        case "problem":
            raise Problem(409, "Not now.")
        case "policy":
            raise WebSocketException(4321, "by the house's rules")
        case "late":
            raise TimeoutError
        case "deaf":
            while not note.exists():
                await asyncio.sleep(0.01)
        case "hangs":
            await ws.receive()
            await ws.receive()
            await asyncio.sleep(30)
        case "flood":
            while True:
                await ws.send_bytes(b"x" * 65536)
    while True:
        message = await ws.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        if message.get("text") is not None:
            await ws.send_text(f"{room}: {message['text']}")
        else:
            await ws.send_bytes(message["bytes"])
