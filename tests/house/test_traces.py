"""Spans as a collector gets them from a whole gateway: who is whose parent, what is sent and what is not."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.conftest import eventually
from tests.telemetry.collector import Collector, Got, collecting

if TYPE_CHECKING:
    from tests.conftest import GatewayFactory, Running

Lay = Callable[[Mapping[str, str | bytes]], Path]
WITHIN = 30.0
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER, CLIENT, CONSUMER, ERROR = 2, 3, 5, 2

ROUTES = """\
state: "sqlite://"
defaults: {{timeout: 60s, warm_up_timeout: 60s}}
telemetry:
  server_timing: services
  trace_headers: [b3, jaeger]
  traces: {{endpoint: "{collector}", sample: 100%, service_name: shop, headers: {{authorization: Bearer t0ken}}}}
services:
  middle: {{url: "http://127.0.0.1:{middle}", timeout: 30s}}
routes:
- {{path: "/outer/{{id}}", function: outer}}
- {{path: /inner, function: inner}}
- {{path: "/through/{{rest:path}}", service: middle}}
- {{path: /order, function: order}}
triggers:
  paid: {{filters: [{{exact: {{type: order.paid}}}}], function: paid}}
"""
FUNCTIONS = {
    "functions/outer.py": """
        from bff import Context
        async def handle(ctx: Context, id: int) -> dict[str, str]:
            answer = await ctx.services.middle.get(f"/call/{id}", params={"token": "secret"})
            return answer.json()
    """,
    "functions/inner.py": """
        from bff import Context
        async def handle(ctx: Context) -> dict[str, str]:
            return {"trace": ctx.trace_id}
    """,
    "functions/order.py": """
        from bff import Context
        async def handle(ctx: Context) -> str:
            return await ctx.publish("order.paid", {"id": 7})
    """,
    "functions/paid.py": """
        from bff import CloudEvent
        async def handle(event: CloudEvent) -> None:
            assert event.data == {"id": 7}
    """,
}


class Middle:
    """A service that calls the gateway again, under a span of its own. ``fails`` is how often it answers 503 first."""

    SPAN = "00f067aa0ba902b7"

    def __init__(self) -> None:
        self.gateway = ""
        self.fails = 0
        self.heard: list[dict[str, str]] = []
        middle = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                middle.heard.append({name.lower(): value for name, value in self.headers.items()})
                status, body = middle.answer(self.headers)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, headers: Any) -> tuple[int, bytes]:
        if self.fails > 0:
            self.fails -= 1
            return 503, b"{}"
        version, trace, _, flags = headers["traceparent"].split("-")
        carried = {"traceparent": f"{version}-{trace}-{self.SPAN}-{flags}"}
        if "tracestate" in headers:
            carried["tracestate"] = f"middle=1,{headers['tracestate']}"
        return 200, httpx.get(f"{self.gateway}/inner", headers=carried, trust_env=False, timeout=30).content

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def middle() -> Iterator[Middle]:
    made = Middle()
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(
    module_gateway: GatewayFactory, module_project: Lay, collector: Collector, middle: Middle
) -> Running:
    routes = ROUTES.format(collector=collector.url, middle=middle.port)
    running = module_gateway(module_project({"routes.yaml": routes, **FUNCTIONS}))
    middle.gateway = running.public
    return running


def root(collector: Collector, request_id: str) -> Got:
    """The span of a request, once it has come."""

    def found() -> Got | None:
        spans = [
            span for span in list(collector.spans) if span.attributes.get("bff.request_id") == request_id
        ]
        return spans[0] if spans else None

    span: Got = eventually(found, WITHIN)
    return span


def below(collector: Collector, span: Got) -> list[Got]:
    return sorted(
        (each for each in list(collector.spans) if each.parent == span.span_id), key=lambda s: s.start
    )


def test_parents_are_whose_they_are_across_gateway_service_and_gateway(
    running: Running, collector: Collector, middle: Middle
) -> None:
    """The caller's span, ours, the attempt that the service saw, the service's own span, and ours again: one trace,
    with its state; the call was tried twice.
    """
    middle.heard.clear()
    middle.fails = 1
    headers = {
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "tracestate": "congo=t61rcWkgMzE",
        "x-request-id": "outer-1",
    }
    assert running.get("/outer/7", headers=headers, timeout=30).json() == {"trace": TRACE}
    outer = root(collector, "outer-1")
    assert (outer.name, outer.kind, outer.trace_id, outer.parent) == (
        "GET /outer/{id}",
        SERVER,
        TRACE,
        PARENT,
    )
    assert outer.state == "congo=t61rcWkgMzE"
    queue, handler = below(collector, outer)
    assert (queue.name, handler.name) == ("queue", "outer")
    [warm_up] = below(collector, queue)
    assert warm_up.name == "warm up outer-00001"
    assert {"read", "compile", "imports", "start"} <= {phase.name for phase in below(collector, warm_up)}
    [call] = below(collector, handler)
    first, second = below(collector, call)
    heard = [each["traceparent"].split("-") for each in middle.heard]
    assert [(each[1], each[2]) for each in heard] == [(TRACE, first.span_id), (TRACE, second.span_id)]
    assert [each["tracestate"] for each in middle.heard] == ["congo=t61rcWkgMzE"] * 2
    assert [
        (each.kind, each.status, each.attributes["http.response.status_code"]) for each in (first, second)
    ] == [
        (CLIENT, ERROR, 503),
        (CLIENT, 0, 200),
    ]
    assert second.attributes["http.request.resend_count"] == 1
    inner = eventually(lambda: collector.named("GET /inner"), WITHIN)[0]
    assert (inner.trace_id, inner.parent, inner.state) == (TRACE, Middle.SPAN, "middle=1,congo=t61rcWkgMzE")
    for span in (queue, handler, call, first, second):
        assert outer.start <= span.start <= span.end <= outer.end, span
    assert second.start <= inner.start
    assert inner.end <= second.end


def test_spans_say_what_they_are_of_and_no_secret(running: Running, collector: Collector) -> None:
    """By OpenTelemetry's words; the collector is told who sends, and gets its token."""
    answer = running.get("/outer/8", headers={"x-request-id": "outer-2"}, timeout=30)
    assert "middle;dur=" in answer.headers["server-timing"], "allowed by routes.yaml"
    outer = root(collector, "outer-2")
    told = outer.attributes
    assert (told["http.route"], told["http.response.status_code"]) == ("/outer/{id}", 200)
    assert (told["faas.name"], told["faas.version"], told["faas.coldstart"]) == (
        "outer",
        "outer-00001",
        False,
    )
    assert (outer.resource["service.name"], bool(outer.resource["service.version"])) == ("shop", True)
    [handler] = below(collector, outer)
    [call] = below(collector, handler)
    assert (call.name, call.attributes["peer.service"]) == ("middle GET", "middle")
    assert "secret" not in str(collector.spans)
    assert {each["authorization"] for each in collector.requests} == {"Bearer t0ken"}
    assert {each["path"] for each in collector.requests} == {"/v1/traces"}


def test_services_are_told_in_every_format_that_was_asked_for(running: Running, middle: Middle) -> None:
    """One span in all of them; a caller who only speaks B3 has its trace go on."""
    middle.heard.clear()
    running.get("/outer/9", headers={"b3": f"{TRACE}-{PARENT}-1"}, timeout=30)
    [heard] = middle.heard
    _, trace, span, flags = heard["traceparent"].split("-")
    assert (trace, flags) == (TRACE, "01")
    assert heard["b3"] == f"{TRACE}-{span}-1"
    assert heard["uber-trace-id"] == f"{TRACE}:{span}:0:1"


def test_what_passes_through_is_traced_too(running: Running, collector: Collector, middle: Middle) -> None:
    """The service's parent is our attempt; what the caller said in formats that we write is replaced."""
    middle.heard.clear()
    headers = {
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "b3": f"{TRACE}-{PARENT}-1",
        "tracestate": "a=1",
        "x-request-id": "through-1",
    }
    assert running.get("/through/x", headers=headers, timeout=30).status_code == 200
    through = root(collector, "through-1")
    [call] = below(collector, through)
    [attempt] = below(collector, call)
    [heard] = middle.heard
    assert heard["traceparent"] == f"00-{TRACE}-{attempt.span_id}-01"
    assert (heard["b3"], heard["tracestate"]) == (f"{TRACE}-{attempt.span_id}-1", "a=1")
    running.get("/through/x", headers={"traceparent": "00-broken", "tracestate": "a=1"}, timeout=30)
    assert "tracestate" not in middle.heard[-1]
    assert TRACE not in middle.heard[-1]["traceparent"]


def test_a_delivery_is_linked_to_whoever_published_the_event(running: Running, collector: Collector) -> None:
    """One trace from the request to the function that got the event."""
    running.get("/order", headers={"x-request-id": "order-1"}, timeout=30)
    order = root(collector, "order-1")
    paid = eventually(lambda: collector.named("POST trigger paid"), WITHIN)[0]
    assert (paid.kind, paid.trace_id, paid.parent) == (CONSUMER, order.trace_id, order.span_id)
    assert paid.links == ((order.trace_id, order.span_id),)


FEW = """\
defaults: {{timeout: 60s, warm_up_timeout: 60s}}
telemetry: {{server_timing: none, traces: {{endpoint: "{collector}/v1/traces", sample: 0.0001%, slow: 50ms}}}}
routes:
- {{path: /hello, function: hello}}
- {{path: /bad, function: bad}}
- {{path: /slow, function: slow}}
"""
SIMPLE = {
    "functions/hello.py": "async def handle() -> str:\n    return 'hello'\n",
    "functions/bad.py": "async def handle() -> str:\n    raise LookupError('no such room')\n",
    "functions/slow.py": "import asyncio\nasync def handle() -> str:\n    await asyncio.sleep(0.06)\n    return ''\n",
}


def test_errors_and_slow_calls_are_sent_whatever_was_sampled(
    gateway: GatewayFactory, write_project: Lay
) -> None:
    """And nothing else: of a millionth, none. A collector that is away is told of once, and so is its return."""
    with collecting() as collector:
        collector.status = 400  # not worth another try
        running = gateway(write_project({"routes.yaml": FEW.format(collector=collector.url), **SIMPLE}))
        assert running.get("/bad").status_code == 500
        said = running.log("the collector takes no traces", within=WITHIN)
        assert (said["level"], "400" in said["why"]) == ("warning", True)
        seen = len(collector.requests)
        running.get("/bad")
        eventually(lambda: len(collector.requests) > seen, WITHIN)
        collector.status = 200
        for _ in range(50):
            assert "server-timing" not in running.get("/hello").headers
        running.get("/bad", headers={"x-request-id": "bad"})
        running.get("/slow", headers={"x-request-id": "slow"})
        assert running.log("the collector takes traces again", within=WITHIN)["gone"] >= 1
        bad, slow = root(collector, "bad"), root(collector, "slow")
        assert (bad.status, bad.message) == (ERROR, "LookupError: no such room")
        assert (bad.attributes["code.file.path"], bad.attributes["code.line.number"]) == (
            "functions/bad.py",
            2,
        )
        assert (slow.status, slow.attributes["bff.request_id"]) == (0, "slow")
        assert len(running.logs("the collector takes no traces")) == 1
        warm = [span for span in collector.named("GET /hello") if not span.attributes["faas.coldstart"]]
        assert not warm or min(span.end - span.start for span in warm) >= 50e6, "only those that were slow"


def test_a_collector_that_hangs_costs_calls_nothing(gateway: GatewayFactory, write_project: Lay) -> None:
    """They are answered, and the gateway ends as it does otherwise, without waiting for it."""
    with collecting() as collector:
        collector.hangs.set()
        running = gateway(write_project({"routes.yaml": FEW.format(collector=collector.url), **SIMPLE}))
        for _ in range(3):
            assert running.get("/bad").status_code == 500
            assert running.get("/hello").text == "hello"
        assert running.stop() == 0


def test_without_the_section_nothing_of_it_is_imported(write_project: Lay) -> None:
    """A gateway that sends no spans has neither the SDK nor protobuf in memory, nor what would hand them any."""
    folder = write_project({"routes.yaml": "routes: [{path: /hello, function: hello}]\n", **SIMPLE})
    program = (
        "import asyncio, sys, pathlib\n"
        "from bff.testing import client\n"
        "async def main():\n"
        f"    async with client(pathlib.Path({str(folder)!r})) as inside:\n"
        "        assert (await inside.get('/hello')).status_code == 200\n"
        "asyncio.run(main())\n"
        "ours = ('bff.telemetry.exporting', 'bff.telemetry.sampling')\n"
        "theirs = ('opentelemetry', 'google.protobuf', 'requests')\n"
        "print([name for name in sys.modules if name.startswith((*ours, *theirs))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip().splitlines()[-1:], done.returncode) == (["[]"], 0), done.stderr
