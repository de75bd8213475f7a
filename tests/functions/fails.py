"""Every way in which a handler can let its caller down."""

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from bff import Context, Problem


def inner() -> None:
    raise RuntimeError("secret detail 4711")  # the line the developer must be shown


async def handle(ctx: Context, kind: str) -> Any:  # noqa: C901 - a list, not a thought
    match kind:
        case "raises":
            inner()
        case "object":
            return object()
        case "surrogate":
            return {"text": "\ud800"}
        case "cycle":
            loop: list = []
            loop.append(loop)
            return loop
        case "deep":
            deep: list = []
            for _ in range(100_000):
                deep = [deep]
            return deep
        case "nan":
            return {"value": float("nan")}
        case "status 999":
            return {}, 999
        case "status 100":
            return Response("x", status_code=100)
        case "status 777":
            return Response("x", status_code=777)
        case "204 with a body":
            return {"a": 1}, 204
        case "crlf":
            return Response("x", headers={"x-evil": "a\r\nset-cookie: stolen=1"})
        case "bad header name":
            return Response("x", headers={"x evil:": "1"})
        case "too long":
            return Response("too long", headers={"content-length": "3"})
        case "too short":
            return Response("short", headers={"content-length": "300"})
        case "bad length":
            return Response("x", headers={"content-length": "many"})
        case "missing crlf":
            ctx.mark_missing("a\r\nset-cookie: stolen=1")
            return {}
        case "missing unicode":
            ctx.mark_missing("nötices")
            return {}
        case "problem":
            raise Problem(404, "No such design.", design=7)
        case "problem 200":
            raise Problem(200, "This is fine.")
        case "problem 100":
            raise Problem(100, "Go on.")
        case "problem surrogate":
            raise Problem(404, "\ud800")
        case "problem nan":
            raise Problem(404, "x", value=float("nan"))
        case "http exception":
            raise HTTPException(403, "Not yours.", headers={"x-why": "because"})
        case "cancelled":
            raise asyncio.CancelledError
        case "timeout":
            raise TimeoutError
        case "exit":
            raise SystemExit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "group":
            raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
        case "stop iteration":
            raise StopIteration
        case "text":
            return kind
    return None
