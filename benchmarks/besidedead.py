"""What a page of a healthy service notices of another service that is dead: through a real gateway, as users have it.

The gateway runs alone on its core, with its log, metrics and recorder on. Two routes, one service behind each. Callers
are processes of their own (this file run as a program): one asks for the healthy page at a steady pace, on kept
connections, and times it; another asks for the dead one.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks import catalogue as who
from benchmarks.figures import percentile
from benchmarks.processes import resident_bytes, tree
from benchmarks.projects import project
from benchmarks.resilience import paced, upstreams
from benchmarks.servers import LOAD_CORE, Running, on_core, running

HEALTHY, DEAD = 300.0, 200.0
"""Calls a second."""
CONNECTIONS = 16
WINDOWS = 3
MEGABYTE = 2**20
PAGE = """from bff import Context


async def handle(ctx: Context) -> str:
    return await ctx.services.{service}.get("/", into=str)
"""
ROUTES = """services:
  good: {{url: "{good}", coalesce: false}}
  dead: {{url: "{dead}", coalesce: false, timeout: 500ms}}
telemetry: {{access_log: true, metrics: true, recorder: true}}
"""


def measure(seconds: float) -> tuple[float, float]:
    """The healthy page's p99 beside the calls to the dead one ÷ alone, in turn; and the MB that the gateway grew by in
    the second half of it all.
    """
    with upstreams("good", "hole") as [good, hole]:
        settings = ROUTES.format(good=good.url, dead=hole.url)
        pages = {name: PAGE.format(service=name) for name in ("good", "dead")}
        with (
            project(pages, settings, quiet=False) as config,
            on_core(LOAD_CORE),
            running(who.gateway("bff, beside a dead service", config, path="/good")) as run,
        ):
            return _windows(run, seconds)


def _windows(run: Running, seconds: float) -> tuple[float, float]:
    alone: list[float] = []
    beside: list[float] = []
    weights: list[int] = []
    each = max(1.0, seconds / WINDOWS)
    with caller(run, "/good", HEALTHY, 1.0) as first:  # dropped
        told(first)
    for _ in range(WINDOWS):
        with caller(run, "/good", HEALTHY, each) as healthy:
            alone += told(healthy)
        with caller(run, "/dead", DEAD, each + 1.0) as dead:
            time.sleep(0.5)
            with caller(run, "/good", HEALTHY, each) as healthy:
                beside += told(healthy)
            told(dead)
        weights.append(resident_bytes(tree(run.process.pid)))
    grown = max(0, weights[-1] - weights[len(weights) // 2]) / MEGABYTE
    return percentile(beside, 0.99) / percentile(alone, 0.99), grown


@contextlib.contextmanager
def caller(run: Running, path: str, rate: float, seconds: float) -> Iterator[Any]:
    """A process that asks for the path so often."""
    asked = [str(run.port), path, str(rate), str(seconds)]
    command = [sys.executable, "-m", "benchmarks.besidedead", *asked]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told(process: Any) -> list[float]:
    """How long each of its calls took, once it has made them all."""
    took: list[float] = json.loads(process.stdout.readline())
    return took


# The caller's process.


class Callers:
    """Kept connections. Mutable state: those that nobody uses."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._ask = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self) -> None:
        """Ask once, and read the whole answer, whatever it says."""
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._ask)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        self._idle.append((reader, writer))


async def calls(port: int, path: str, rate: float, seconds: float) -> list[float]:
    """How long each took."""
    took: list[float] = []
    callers = Callers(port, path)

    async def once() -> None:
        began = time.perf_counter()
        await callers.call()
        took.append(time.perf_counter() - began)

    await asyncio.gather(*[callers.call() for _ in range(CONNECTIONS)])
    await paced(rate, seconds, once)
    return took


if __name__ == "__main__":
    import gc

    gc.disable()  # the caller's own pauses are nobody's figure
    print(
        json.dumps(asyncio.run(calls(int(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:5])))), flush=True
    )
