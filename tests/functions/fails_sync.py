"""The same for handlers in threads."""

from typing import Any


def handle(kind: str) -> Any:
    if kind == "raises":
        raise RuntimeError("secret detail 4711")
    if kind == "object":
        return object()
    if kind == "exit":
        raise SystemExit(3)
    if kind == "stop iteration":
        raise StopIteration
    return kind
