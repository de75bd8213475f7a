"""What a process instance cannot do: send pieces of an answer as they come."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_origin

from starlette.responses import StreamingResponse

from bff.errors import FunctionNotLoaded
from bff.sdk.handler import Handler, Kind, line_of, read_hints

_STREAMS = (StreamingResponse, AsyncIterator, Iterator)


def refuse_streaming(function: str, handler: Handler, place: str) -> None:
    """Pass a handler that answers in one piece.

    Raises:
        FunctionNotLoaded: it is an ASGI application, a generator, or says that it returns a stream.

    """
    what = _streaming(handler)
    if what is not None:
        line = line_of(handler.call) if handler.kind is not Kind.ASGI else None
        raise FunctionNotLoaded(
            function,
            f"{what}, which a function with `isolation: process` cannot be",
            where=f"{place}:{line}" if line else place,
            remedy="set `isolation: inline` in routes.yaml, or return the answer whole",
        )


def _streaming(handler: Handler) -> str | None:
    if handler.kind is Kind.ASGI:
        return "it is an ASGI application"
    if handler.is_socket:
        return "it speaks on a WebSocket"
    if handler.streams or inspect.isgeneratorfunction(inspect.unwrap(handler.call)):
        return "its handler is a generator"
    return "its handler returns a stream" if _is_stream(read_hints(handler.call).get("return")) else None


def _is_stream(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, _STREAMS)
