"""A hundred identical views of a page of three calls at once: how often its services are asked."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks import catalogue as who
from benchmarks import documents
from benchmarks.aggregate import behind
from benchmarks.caller import Caller
from benchmarks.crowd import together
from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.servers import LOAD_CORE, BenchmarkError, on_core, running

VIEWS = 100
HELD = 1.0
"""Seconds a service thinks: every view has been asked for by then, also on a machine that stalls now and then."""

BODIES = documents.bodies()


class _Services(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: Counter[str]
    held: threading.Event

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        self.held.wait(HELD)
        body = BODIES[self.path.partition("?")[0]].encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def measure(effort: Effort) -> Outcome:
    with services() as (url, handler):
        handler.held.set()  # nobody waits before the views
        with on_core(LOAD_CORE), running(behind(who.BFF_AGGREGATE_SHARED, url)) as run, ExitStack() as stack:
            callers = [stack.enter_context(Caller(run)) for _ in range(VIEWS)]
            together(callers, "/health/liveness")
            handler.held.clear()
            seen = [one(callers, handler) for _ in range(effort.rounds)]
    calls = Series.of([float(max(asked.values())) for asked, _ in seen])
    effort.say(f"  calls for each distinct request of {VIEWS} views: {spread(calls, 0)}")
    return Outcome(
        figures={"views.calls": calls},
        tables=[table(seen)],
        rows=[{"benchmark": "views", "calls": dict(asked), "took": took} for asked, took in seen],
    )


def one(callers: list[Caller], handler: type[_Services]) -> tuple[Counter[str], float]:
    """What the services were asked during one crowd of views, and the seconds to its last answer."""
    handler.asked.clear()
    took = together(callers, who.AGGREGATE)
    asked = Counter(handler.asked)
    if len(asked) != len(BODIES):
        raise BenchmarkError(f"the services were asked {dict(asked)}, and owe {sorted(BODIES)}")
    time.sleep(0.1)  # the last answer's own flight is over
    return asked, took


@contextmanager
def services() -> Iterator[tuple[str, type[_Services]]]:
    """Their URL, and what counts who is asked."""
    handler = type("Services", (_Services,), {"asked": Counter(), "held": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        handler.held.set()
        server.shutdown()
        server.server_close()


def table(seen: list[tuple[Counter[str], float]]) -> Table:
    rows = [
        (path, spread(Series.of([float(asked[path]) for asked, _ in seen]), 0))
        for path in sorted({path for asked, _ in seen for path in asked})
    ]
    return Table(
        title=f"{VIEWS} identical page views at once",
        head=("request", "calls the service heard"),
        rows=rows,
        note=f"Every view is answered. A service thinks for {HELD:g} s, so that all have come before the first answer;"
        " counted by the service itself. `coalesce` as it is by default, no `cache`.",
    )
