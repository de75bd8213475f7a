"""Calls as OpenTelemetry's spans, and what sends them; the only file that imports its SDK.

Names of attributes are those of the semantic conventions 1.37 for HTTP, FaaS and messaging; what they have no word for
begins with ``bff.``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from bff.telemetry.entry import Entry
from bff.telemetry.exporting import Collector
from bff.telemetry.redaction import redacted_path
from bff.telemetry.sampling import Chosen
from bff.telemetry.spans import Kind, Span, spans_of
from bff.trace import TraceContext, new_span_id

SPEAKERS = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.common.http",
)
"""Loggers of the exporter's own."""

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_KINDS: Mapping[Kind, SpanKind] = {Kind.REQUEST: SpanKind.SERVER, Kind.ATTEMPT: SpanKind.CLIENT}
_LEFT_OUT = frozenset({Kind.ENCODE, Kind.SEND})
"""Told as attributes of the request: a span costs more than they take."""
_UNSET = Status(StatusCode.UNSET)


def exporter_of(collector: Collector, *, within: float) -> SpanExporter:
    """What sends spans; a batch is tried for so many seconds."""
    headers = dict(collector.headers) or None
    return OTLPSpanExporter(collector.endpoint, headers=headers, timeout=within)


def is_success(result: SpanExportResult) -> bool:
    """Whether a batch has arrived."""
    return result is SpanExportResult.SUCCESS


class Builder:
    """Makes spans. Immutable."""

    def __init__(self, collector: Collector) -> None:
        self._scope = InstrumentationScope("bff", collector.version)
        self._resource = Resource.create(
            {
                "service.name": collector.service_name,
                "service.version": collector.version,
                "service.instance.id": collector.instance,
            }
        )

    def spans(self, chosen: Chosen, epoch: float) -> Iterator[ReadableSpan]:
        """Those of one call; ``epoch`` is the Unix time at which the clock was 0. Who was told an id before it ended is told of by that one: its callers' parent, the
        services that it called, the events that it published.
        """
        told = spans_of(chosen.entry)
        contexts: list[SpanContext] = []
        for span in told:
            own = chosen.span_id if span.parent is None else span.span_id or new_span_id()
            contexts.append(_context(chosen.context, own))
        for span, context in zip(told, contexts, strict=True):
            if span.kind not in _LEFT_OUT:
                parent = _parent(chosen.context) if span.parent is None else contexts[span.parent]
                yield self._span(span, chosen, context, parent, epoch)

    def _span(
        self, span: Span, chosen: Chosen, context: SpanContext, parent: SpanContext | None, epoch: float
    ) -> ReadableSpan:
        is_root = span.parent is None
        kind = _KINDS.get(span.kind, SpanKind.INTERNAL)
        links: tuple[Link, ...] = ()
        if is_root and chosen.is_delivery:
            kind = SpanKind.CONSUMER
            links = () if parent is None else (Link(parent, {"bff.link": "event"}),)
        attributes = _of_request(chosen) if is_root else _of_span(span)
        if span.error:
            attributes["error.type"] = span.error
        return ReadableSpan(
            name=_name(span),
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            links=links,
            kind=kind,
            status=_status(span, chosen.entry if is_root else None),
            start_time=int((epoch + span.begin) * 1e9),
            end_time=int((epoch + max(span.begin, span.end)) * 1e9),
            instrumentation_scope=self._scope,
        )


def _context(context: TraceContext, span_id: str) -> SpanContext:
    state = TraceState.from_header([context.state]) if context.state else None
    # Whatever was decided at its beginning: it is recorded, and so it is sampled here.
    return SpanContext(int(context.trace_id, 16), int(span_id, 16), False, _SAMPLED, state)


def _parent(context: TraceContext) -> SpanContext | None:
    if context.parent_id is None:
        return None
    return SpanContext(int(context.trace_id, 16), int(context.parent_id, 16), True, TraceFlags(context.flags))


def _name(span: Span) -> str:
    if span.kind is Kind.ATTEMPT:
        return str(span.facts.get("method") or span.name)
    return span.name


def _status(span: Span, entry: Entry | None) -> Status:
    if not span.error:
        return _UNSET
    failure = None if entry is None else entry.failure
    return Status(StatusCode.ERROR, None if failure is None else failure.cause or failure.sentence)


def _of_request(chosen: Chosen) -> dict[str, Any]:
    entry = chosen.entry
    known = {
        "http.route": entry.route,
        "client.address": entry.client,
        "faas.name": entry.function,
        "faas.version": entry.revision,
        "bff.lane": entry.lane,
    }
    attributes: dict[str, Any] = {name: value for name, value in known.items() if value}
    if not chosen.is_delivery:
        attributes |= {"http.request.method": entry.method, "http.response.status_code": entry.status}
    attributes |= {"bff.request_id": entry.request_id, "faas.coldstart": entry.phases is not None}
    if entry.missing:
        attributes["bff.missing"] = tuple(entry.missing)
    if entry.returned:
        attributes["bff.encode_ms"] = round((entry.began + entry.handler_seconds - entry.returned) * 1000, 3)
    failure = entry.failure
    if failure is not None:
        attributes |= {"bff.fault": str(failure.fault), "error.type": failure.code}
        if failure.place:
            attributes["code.file.path"], _, line = failure.place.rpartition(":")
            attributes["code.line.number"] = int(line) if line.isdigit() else 0
    return attributes


def _of_span(span: Span) -> dict[str, Any]:
    facts, attributes = span.facts, dict[str, Any]()
    if span.kind is Kind.CALL:
        attributes = {"peer.service": facts["service"], "http.request.method": facts["method"]}
        attributes["url.path"] = redacted_path(str(facts["path"]))
        attributes["bff.attempts"] = facts["attempts"]
        attributes |= {f"bff.{name}": facts[name] for name in ("cache", "shared", "flags") if name in facts}
    elif span.kind is Kind.ATTEMPT:
        attributes = {"server.address": str(facts.get("endpoint") or "")}
        if int(facts["number"]) > 1:
            attributes["http.request.resend_count"] = int(facts["number"]) - 1
    if facts.get("status") is not None:
        attributes["http.response.status_code"] = facts["status"]
    return attributes
