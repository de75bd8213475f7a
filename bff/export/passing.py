"""What can be said of a route that passes through to a service: where it leads, and what the gateway does itself."""

from __future__ import annotations

from bff.config import RouteConfig
from bff.config.pattern import Kind
from bff.sdk.describe import ANYTHING, Described


def passing(route: RouteConfig) -> Described:
    """The service describes itself; this says that it is asked, unread, and with which part of the path."""
    segments = route.pattern.segments
    return Described(
        summary=f"Passed through to the service {route.service}",
        description=f"Whatever comes goes to the service `{route.service}` and back, unread. "
        "What it takes and answers is its own to describe; problems of the gateway are below.",
        parameters=tuple(
            {
                "name": segment.text,
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                **({"description": "May hold slashes."} if segment.kind is Kind.WILDCARD else {}),
            }
            for segment in segments
            if segment.kind is not Kind.STATIC
        ),
        body={"description": "Handed on as it comes.", "content": ANYTHING},
        answers={
            "2XX": {"description": "Whatever the service answers.", "content": ANYTHING},
            "3XX": {"description": "Where the service sends the caller."},
        },
        answers_alone=True,
    )
