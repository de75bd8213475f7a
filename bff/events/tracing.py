"""Events carry the trace they come from (CloudEvents' distributed tracing extension). Pure.

https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bff.sdk.cloudevent import CloudEvent
from bff.sdk.invocation import Invocation


def of_event(event: CloudEvent) -> tuple[str, str]:
    """Its ``traceparent`` and ``tracestate``; empty where it has none, or none that is text."""
    parent, state = (_text(event.extensions, name) for name in ("traceparent", "tracestate"))
    return parent, state if parent else ""


def _text(extensions: Mapping[str, Any], name: str) -> str:
    value = extensions.get(name)
    return value if isinstance(value, str) else ""


def traced(events: Iterable[CloudEvent], invocation: Invocation) -> list[CloudEvent]:
    """The same events; those that do not say where they come from say that this invocation was it."""
    return [each if "traceparent" in each.extensions else _marked(each, invocation) for each in events]


def _marked(event: CloudEvent, invocation: Invocation) -> CloudEvent:
    context = invocation.trace
    said = {"traceparent": context.child(invocation.span_id)}
    if context.state:
        said["tracestate"] = context.state
    return replace(event, extensions={**event.extensions, **said})
