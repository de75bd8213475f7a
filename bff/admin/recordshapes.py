"""What the admin API tells of invocations, as types; their JSON is written by :mod:`bff.admin.telling`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bff.admin.shapes import Shape


class InvocationShape(Shape):
    """One invocation in a line."""

    seq: int = Field(description="Counts invocations in the order in which they ended.")
    request_id: str
    trace_id: str | None = Field(description="Null where nobody asked for it.")
    at: str = Field(description="When its head was there.", json_schema_extra={"format": "date-time"})
    ms: float = Field(description="From the complete head to the sent answer.")
    method: str
    route: str = Field(description="The template; empty where no route has the path.")
    function: str
    revision: str
    status: int
    fault: str | None = Field(description="Whose fault a failure was.")
    error: str | None = Field(description="The failure's code.")
    cold: bool = Field(description="Whether it waited for a warm-up.")
    slow: bool
    calls: int = Field(description="Calls of services.")
    missing: list[str] = Field(description="Parts of the answer that are missing.")


class SpanShape(Shape):
    """A bar of the waterfall. ``facts`` depend on the kind: of a call service, method, path (without secrets),
    status, attempts, bytes_in, endpoint, cache, shared, flags; of an attempt number, method, endpoint and status.
    """

    kind: str = Field(
        description="request, queue, warm-up, phase, handler, call, attempt, encode or send; parents come first."
    )
    name: str
    start_ms: float = Field(
        description="Since the request's head; negative for a warm-up begun before it came."
    )
    ms: float
    parent: int | None = Field(description="The place of another one in the list.")
    error: str
    span_id: str = Field(description="As it was sent to the service; empty for the others.")
    facts: dict[str, Any]


class LineShape(Shape):
    """A line of a function's own file."""

    line: int = Field(description="Its number, counted from 1.")
    text: str


class FailureShape(Shape):
    """Why it failed."""

    code: str
    fault: str
    sentence: str = Field(description="What the caller got.")
    cause: str = Field(description="The exception behind it, its class first; may be empty.")
    service: str
    place: str = Field(description="The function's own line, functions/home.py:12; may be empty.")
    line: int | None = Field(description="Its number alone; null where no line of the function's own ran.")
    in_function: str = Field(description="The function that this line is in.")
    excerpt: list[LineShape] = Field(
        description="That line among its neighbours, as they were when it ran; empty where the text is not known."
    )


class BodiesShape(Shape):
    """JSON bodies without their secrets; null where they were not kept, sizes where not known."""

    request: Any
    request_size: int | None
    answer: Any
    answer_size: int | None


class WholeInvocationShape(InvocationShape):
    """One invocation with everything that is remembered of it."""

    client: str
    caller: str = Field(description="A digest of who called, as in the log; empty for nobody in particular.")
    lane: str
    flags: str = Field(description="Envoy's response flags of its service calls.")
    calls_dropped: int = Field(description="Service calls beyond the first 200, of which nothing is kept.")
    failure: FailureShape | None
    spans: list[SpanShape]
    bodies: BodiesShape | None = Field(description="Null unless telemetry.recorder.bodies is set.")


class BatchShape(Shape):
    """One event of the live stream."""

    invocations: list[InvocationShape] = Field(description="The oldest first.")
    missed: int = Field(description="How many more there were, too many to be told of.")


class ExampleShape(Shape):
    """One invocation of a group; it may be forgotten by now."""

    request_id: str
    seq: int


class CauseShape(Shape):
    """Failures that have the same function, code, cause, service and line."""

    id: str
    function: str
    code: str
    fault: str
    sentence: str
    cause: str
    service: str
    place: str
    line: int | None
    in_function: str
    excerpt: list[LineShape]
    count: int
    first: str = Field(json_schema_extra={"format": "date-time"})
    last: str = Field(json_schema_extra={"format": "date-time"})
    request_id: str = Field(description="Of the last one.")
    seq: int = Field(description="Of the last one.")
    examples: list[ExampleShape] = Field(description="Some of the last ones, the newest first.")
    revisions: list[str]


class PulseShape(Shape):
    """A function over the last seconds; rates are per second."""

    function: str
    window_s: float
    count: int
    rate: float
    errors: float
    slow: int
    cold: int
    incomplete: int
    p50_ms: float
    p99_ms: float
    max_ms: float
