"""An ASGI application by hand, with every mistake one can make."""

import asyncio


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")
    kind = scope["path"].rpartition("/")[2]
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    if kind == "silent":
        return
    if kind == "sleeps":
        await asyncio.sleep(30)
    if kind == "crlf":
        start["headers"].append((b"x-evil", b"a\r\nset-cookie: stolen=1"))
    if kind == "status":
        start["status"] = 1000
    if kind == "texts":
        start["headers"].append(("x-text", "not bytes"))
    if kind == "body-first":
        await send({"type": "http.response.body", "body": b"x"})
    await send(start)
    if kind == "twice":
        await send(start)
    if kind == "unfinished":
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        return
    if kind == "head-only":
        return
    await send({"type": "http.response.body", "body": b"fine"})
    if kind == "late":
        raise RuntimeError("after the answer")
