"""What it costs a hello that somebody watches: the recorder, traces at 1 %, and a live stream of a thousand a second.

A house in a process of its own answers hellos that come by ASGI, so that neither sockets nor a load generator are in
the figures; this file run as a program is that process. Costs are CPU of the whole process, its threads included (the
one that makes and sends spans among them), and instructions, which no other load on the machine can change.
"""

import asyncio
import io
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks import callgrind
from benchmarks.figures import Series, paired_differences
from benchmarks.outcome import Effort, Outcome, Table, spread

KINDS = {
    "bare": "access_log: false, metrics: false, recorder: false",
    "recorder": "access_log: false, metrics: false, recorder: true",
    "traces": 'access_log: false, metrics: false, recorder: false, traces: {{endpoint: "{collector}", sample: 1%, most: 10000}}',
    "watched": 'recorder: true, traces: {{endpoint: "{collector}", sample: 1%, most: 10000}}',
}
"""Telemetry by kind; the last one has logs and metrics, too."""
FEW, MANY = 1000, 4000
"""Hellos of the two runs under callgrind; the difference counts."""
STREAMED = 1000
"""Invocations a second that somebody streams."""
ROUTES = (
    "telemetry: {{{telemetry}}}\nfunctions: {{hello: {{}}}}\nroutes: [{{path: /hello, function: hello}}]\n"
)
HELLO = "async def handle(name: str = 'world') -> dict[str, str]:\n    return {'hello': name}\n"
HEADERS = [
    *((b"host", b"127.0.0.1:8000"), (b"user-agent", b"wrk"), (b"accept", b"*/*")),
    *((b"accept-encoding", b"gzip"), (b"accept-language", b"en")),
]

SAMPLED = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def scope() -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/hello",
        "raw_path": b"/hello",
        "query_string": b"",
        "root_path": "",
        "headers": HEADERS,
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Mapping[str, Any]) -> None:
    """Nobody listens."""


@contextmanager
def collector() -> Iterator[str]:
    """Takes spans and throws them away; in a thread of the process that asks, whose CPU is the gateway's no more than
    a real one's would be: the measured process is another.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def run(kind: str, count: int, *, is_counted: bool = False) -> dict[str, float]:
    """What a process of that kind tells of so many hellos; instructions, if they are counted."""
    with collector() as url, tempfile.TemporaryDirectory() as folder:
        routes = ROUTES.format(telemetry=KINDS[kind].format(collector=url))
        Path(folder, "routes.yaml").write_text(routes, "utf-8")
        Path(folder, "functions").mkdir()
        Path(folder, "functions", "hello.py").write_text(HELLO, "utf-8")
        ran = callgrind.run("benchmarks.observing", folder, count, is_counted=is_counted)
    told: dict[str, float] = json.loads(ran.said.splitlines()[-1])
    told["instructions"] = ran.instructions
    return told


def instructions(kind: str) -> float:
    """Instructions of one hello."""
    many, few = (run(kind, count, is_counted=True)["instructions"] for count in (MANY, FEW))
    return (many - few) / (MANY - FEW)


def measure(effort: Effort) -> Outcome:
    count = 3_000 if effort.is_quick else 30_000
    spent: dict[str, list[float]] = {kind: [] for kind in KINDS}
    streams: list[float] = []
    for _ in range(1 if effort.is_quick else max(3, effort.rounds)):
        for kind in KINDS:
            told = run(kind, count)
            spent[kind].append(told["microseconds"])
            if kind == "recorder":
                streams.append(told["streamed"])
    figures = {
        "observing.traces": paired_differences(spent["traces"], spent["bare"]),
        "observing.recorder": paired_differences(spent["recorder"], spent["bare"]),
        "observing.stream": Series.of(streams),
    }
    rows = [(f"hello, {kind}, CPU in µs", spread(Series.of(values), 2)) for kind, values in spent.items()]
    rows.append((f"{STREAMED} invocations a second streamed, % of a core", spread(Series.of(streams), 2)))
    if not effort.is_quick:
        counted = {kind: instructions(kind) for kind in KINDS}
        rows += [(f"hello, {kind}, instructions", f"{value:,.0f}") for kind, value in counted.items()]
    for what, said in rows:
        effort.say(f"  {what}: {said}")
    return Outcome(
        figures=figures,
        tables=[
            Table(
                title="Somebody watches",
                head=("what", "measured"),
                rows=rows,
                note=f"{count:,} hellos by ASGI in a process of their own, without sockets; median (lowest to highest)."
                " `traces` samples 1 % and sends to a collector on loopback, its thread counted; `watched` has logs and"
                " metrics, too. The stream is read as fast as it comes.",
            )
        ],
        rows=[{"benchmark": "observing", "figure": kind, "values": values} for kind, values in spent.items()],
    )


# What the measured process does.


async def hellos(folder: str, count: int) -> dict[str, float]:
    from bff.app import Options, compose
    from bff.config import load
    from bff.telemetry.lines import open_lines

    random.seed(7)
    lines = open_lines(format="json", level="info", stream=io.StringIO())
    async with compose(load(Path(folder, "routes.yaml")), Options(lines=lines)) as house:
        for _ in range(200):
            await house.gateway(scope(), receive, send)
        await exported(house)  # what it imports is paid once
        began = time.process_time()
        for number in range(count):
            await house.gateway(scope(), receive, send)
            if number % 100 == 99:
                await asyncio.sleep(0)
        await exported(house)
        spent = time.process_time() - began
        told = {"microseconds": 1e6 * spent / count}
        if house.telemetry.recorder is not None:
            told["streamed"] = await streamed(house)
    return told


async def exported(house: Any) -> None:
    """Return when every chosen call is on its way to the collector, where there is one."""
    if house.telemetry.tracing.is_on:
        await house.gateway({**scope(), "headers": [*HEADERS, SAMPLED]}, receive, send)
        while not house.telemetry.tracing.is_idle:
            await asyncio.sleep(0.05)


async def streamed(house: Any) -> float:
    """Percent of a core that a stream takes over what the same invocations take without: a quarter of a second's worth
    of invocations, then a look, as often as a second has quarters.
    """
    from bff.admin.recordings import LOOKS_EVERY, news
    from bff.admin.recordings import event_of as event
    from bff.admin.telling import Teller
    from bff.telemetry.seeking import Sought

    recorder, spent, rounds = house.telemetry.recorder, 0.0, 20
    for _ in range(rounds):
        seen = recorder.last
        for _ in range(int(STREAMED * LOOKS_EVERY)):
            await house.gateway(scope(), receive, send)
        began = time.process_time()
        fresh, missed = news(recorder, Sought(), seen)
        assert len(fresh) == int(STREAMED * LOOKS_EVERY)
        await send({"type": "http.response.body", "body": event(Teller(0.0), fresh, missed, recorder.last)})
        spent += time.process_time() - began
    return 100 * spent / (rounds * LOOKS_EVERY)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(hellos(sys.argv[1], int(sys.argv[2])))))
