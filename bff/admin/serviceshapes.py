"""What the admin API tells of services, as types."""

from __future__ import annotations

from pydantic import Field

from bff.admin.shapes import Shape


class EndpointShape(Shape):
    """One address of a service."""

    name: str
    state: str = Field(
        description="Of its breaker: closed lets calls through, open none, half-open one at a time."
    )
    weight: float
    active: int = Field(description="Calls on their way there.")
    failures: int = Field(description="In a row, since its last good answer.")
    ejected: int = Field(description="How often in a row it was left alone; 0 while it is called.")
    back_in_s: float | None = Field(description="Until it is asked again; null while it is called.")


class BudgetShape(Shape):
    """Retries and hedges share it: a part of the calls may be sent again, and a few more each second."""

    calls: int = Field(description="Within the window.")
    retries: int = Field(description="Retries and hedges within the window.")
    left: float = Field(description="How many more may be sent at this moment.")
    reserve: float = Field(description="How many may be sent where nothing is called.")
    window_s: float


class PlaceShape(Shape):
    """What a service's own URL leads to, or one subset of it."""

    subset: str = Field(description="Empty for what no subset takes.")
    url: str
    endpoints: list[EndpointShape] = Field(description="None before the first call.")
    inside: int = Field(description="Calls that are sent, or wait for a connection.")
    most: int = Field(description="How many these may be; 0 before the first call.")
    passing: int = Field(description="Requests that pass through, unread.")
    budget: BudgetShape | None = Field(description="Null before the first call.")


class CallsShape(Shape):
    """How its calls went over the last seconds."""

    window_s: float
    count: int
    rate: float = Field(description="Per second.")
    errors: int = Field(description="Without an answer, or with one of 500 and more.")
    resent: int = Field(description="Sendings beyond the first of each call: retries and hedges.")
    cached: int = Field(description="Answered from what is kept.")
    shared: int = Field(description="Answered by the flight of another call.")
    p50_ms: float | None = Field(
        description="Of those that were neither kept nor shared; null where there were none."
    )
    p99_ms: float | None
    max_ms: float | None
    functions: list[str] = Field(description="Who called.")


class ServiceShape(Shape):
    """One service as it stands."""

    name: str
    state: str = Field(
        description=(
            "idle before its first call; then ok, degraded (an endpoint is left alone, or half of the calls failed "
            "lately), or down (all endpoints are left alone)."
        )
    )
    discovery: str | None = Field(description="What finds its endpoints; null where routes.yaml says them.")
    timeout_ms: float
    attempts: int = Field(description="How often a call may be sent again.")
    hedges: bool = Field(description="Whether a second attempt may go beside a slow one.")
    caches: bool = Field(description="Whether its answers are kept.")
    coalesces: bool = Field(description="Whether the same questions at the same time are one call.")
    places: list[PlaceShape]
    calls: CallsShape | None = Field(description="Null where nobody called lately, or nothing is remembered.")


class CacheShape(Shape):
    """The one store that all services and routes share."""

    entries: int
    bytes: int
    max_bytes: int


class ServicesShape(Shape):
    """Every service, those in trouble first, then the busiest."""

    services: list[ServiceShape]
    cache: CacheShape
