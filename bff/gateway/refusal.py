"""Answers on the bare connection, for what never becomes a request."""

from __future__ import annotations

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from bff.errors import BffError, problem


def written(error: BffError) -> bytes:
    """A whole answer, after which the connection closes."""
    body = to_json(problem(error))
    own = "".join(f"{name}: {value}\r\n" for name, value in error.headers().items())
    return (
        STATUS_LINE[error.status]
        + b"content-type: application/problem+json\r\ncache-control: no-store\r\nconnection: close\r\n"
        + b"x-content-type-options: nosniff\r\n"
        + own.encode("latin-1")
        + b"content-length: %d\r\n\r\n" % len(body)
        + body
    )
