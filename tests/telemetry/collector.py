"""A collector as OTLP over HTTP has it, on a real socket: what it got, decoded, and how it misbehaves."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Got:
    """One span as it came. Ids are hex; ``parent`` is empty for a root; times are Unix nanoseconds."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent: str
    start: int
    end: int
    status: int
    message: str
    state: str
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    resource: dict[str, Any] = field(repr=False)


@dataclass
class Collector:
    """``status`` is what it answers; while ``hangs`` is set it does not. ``requests`` are the heads it got."""

    status: int = 200
    url: str = ""
    spans: list[Got] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    hangs: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    def named(self, name: str) -> list[Got]:
        """Every span of this name so far."""
        return [span for span in list(self.spans) if span.name == name]


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return (
        [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)
    )


def _pairs(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def decoded(body: bytes) -> Iterator[Got]:
    """The spans of an export request."""
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _pairs(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            assert of_scope.scope.name == "bff"
            for span in of_scope.spans:
                yield Got(
                    name=span.name,
                    kind=span.kind,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    status=span.status.code,
                    message=span.status.message,
                    state=span.trace_state,
                    attributes=_pairs(span.attributes),
                    links=tuple((each.trace_id.hex(), each.span_id.hex()) for each in span.links),
                    resource=resource,
                )


@contextmanager
def collecting() -> Iterator[Collector]:
    """One that runs."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if collector.hangs.is_set():
                collector.closing.wait(60)
                return
            collector.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            if collector.status == 200:
                plain = gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body
                collector.spans += decoded(plain)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        collector.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
