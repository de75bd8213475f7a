"""Invocations made by hand: what the gateway would hand in, without a gateway."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from bff.clock import Deadline, SystemClock
from bff.sdk.binding import compile_binder
from bff.sdk.context import Surroundings
from bff.sdk.invocation import Forwarding, Incoming, Invocation

Headers = Sequence[tuple[str, str]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def make_invocation(
    *,
    method: str = "GET",
    path: Mapping[str, str] | None = None,
    query: str | bytes = b"",
    headers: Headers = (),
    body: bytes | Sequence[bytes] = b"",
    json_body: Any = None,
    max_body: int = 1_000_000,
    seconds: float = 5.0,
    forwarding: Forwarding | None = None,
    event: Any = None,
    http: bool = True,
) -> Invocation:
    """One request as the gateway would hand it in; ``body`` may come in several pieces."""
    if json_body is not None:
        body, headers = json.dumps(json_body).encode(), (*headers, ("content-type", "application/json"))
    pieces = [body] if isinstance(body, bytes) else list(body)

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": query if isinstance(query, bytes) else query.encode(),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }
    clock = SystemClock()
    now = clock.now()
    made = Invocation(request_id="r-1", method=method, clock=clock, started=now)
    made.deadline = Deadline(now + seconds, seconds)
    made.event = event
    made.route, made.function = "/", "home"
    if http:
        made.incoming = Incoming(scope, receive, path or {}, max_body, forwarding or Forwarding())
    return made


@pytest.fixture
def invocation() -> Callable[..., Invocation]:
    """``invocation(query="a=1", headers=[…], …)``: a request made by hand."""
    return make_invocation


@pytest.fixture
def around() -> Surroundings:
    return Surroundings(senders=dict, settings={"GREETING": "hi"}, logger=lambda _: None)


Bind = Callable[..., Awaitable[Any]]


@pytest.fixture
def bind(around: Surroundings) -> Bind:
    """``await bind(handler, query="…", path={…})``: the handler's result when its arguments come from such a
    request. The handler is called, not awaited: handlers of these tests are plain functions that give back
    what they got.
    """

    async def bound(handler: Callable[..., Any], **request: Any) -> Any:
        call = make_invocation(**request)
        binder = compile_binder(handler, tuple(request.get("path") or ()), is_async=False)
        try:
            args, named = await binder.bind(call, around)
            return handler(*args, **named)
        finally:
            if call.incoming is not None:
                await call.incoming.close()  # as the gateway does: uploads are files

    return bound
