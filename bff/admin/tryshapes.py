"""What the admin API takes and gives when a route is tried, as types."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainSerializer, SecretStr

from bff.admin.shapes import Body, Shape
from bff.telemetry.redaction import redacted_path

Target = Annotated[str, PlainSerializer(redacted_path, return_type=str)]
"""A path with its query; what is written down of it has no secrets."""


class ReadingBody(Body):
    """A request that only reads. What is kept of it for the audit log has neither header values nor a body."""

    method: str = Field(default="GET", description="GET or HEAD.")
    path: Target = Field(
        description="With the query, percent-encoded: /api/home/7?limit=3.", min_length=1, max_length=16_384
    )
    headers: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="What the caller sends; Host and the framing are ours.",
        max_length=50,
    )


class TryBody(ReadingBody):
    """A request with any method."""

    method: str = Field(default="GET", min_length=1, max_length=20)
    body: SecretStr | None = Field(default=None, description="As text, sent as UTF-8.")


class TryAnswerShape(Shape):
    """How it was answered, as a caller of the public listener would have it."""

    status: int | None = Field(description="Null where no answer came in time.")
    headers: list[tuple[str, str]]
    body: str | None = Field(description="As text; null where it is none.")
    size: int = Field(description="Bytes of the body, as far as they are here.")
    cut: str = Field(
        description="Why it is not whole: size, time, or broken where the answer broke off; else empty."
    )
    ms: float
    request_id: str
    seq: int | None = Field(description="Of the invocation; null where it is not remembered.")
    curl: str = Field(description="The same from a terminal.")
