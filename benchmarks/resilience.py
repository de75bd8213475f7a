"""What the layers of calm calling cost, and what they do to a service and its callers when something fails.

Everything over real sockets on loopback: upstreams in a process of their own (this file run as a program), calls
through :class:`bff.services.client.ServiceClient`, or its layers, in this one.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from bff.clock import Deadline, SystemClock
from bff.config import ServiceConfig
from bff.sdk.call import Adapters
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import ServiceError
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.services.client import ServiceClient
from bff.services.following import Surroundings
from bff.services.resolver import Address
from bff.services.transport import Transports, wire_of
from bff.services.ways import ways_of

SLOW = 0.015
"""Share of the bimodal service's answers that take forty times as long."""
FULL, MINUTE = 15.0, 60.0
"""Seconds of a full run, and of its changing endpoints."""
CLOCK = SystemClock()


# The upstream's side.


async def upstream(kind: str) -> None:
    """Answers 1 KB, or 503, or seldom slowly; says its port, and how many requests came when it is told to end."""
    random, asked = Random(11), 0
    body = b'"' + b"x" * 1022 + b'"'
    good = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1024\r\n\r\n" + body
    bad = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                asked += 1
                if kind == "bimodal":
                    await asyncio.sleep(0.2 if random.random() < SLOW else 0.005)
                elif kind == "hole":
                    await asyncio.sleep(3600)
                writer.write(bad if kind == "failing" else good)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(asked, flush=True)


@dataclass(slots=True, kw_only=True)
class Running:
    """An upstream in its process."""

    process: Any
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self) -> int:
        """End it; how many requests came."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def upstreams(*kinds: str) -> Iterator[list[Running]]:
    found: list[Running] = []
    try:
        for kind in kinds:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.resilience", kind],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            found.append(Running(process=process, port=int(process.stdout.readline())))
        yield found
    finally:
        for each in found:
            each.process.kill()
            each.process.communicate()


# The caller's side.


def client(url: str, **config: Any) -> ServiceClient:
    """Calls are counted at the service, so none may share another's."""
    made = ServiceConfig.model_validate({"url": url, "coalesce": False, **config})
    return ServiceClient("upstream", made, clock=CLOCK, make_transport=Transports(CLOCK).make)


def call(sender: ServiceClient) -> Awaitable[Any]:
    now = CLOCK.now()
    invocation = Invocation(request_id="r", method="GET", clock=CLOCK, started=now)
    invocation.deadline = Deadline(now + 2.0, 2.0)
    return Service(sender, invocation, Adapters()).get("/").run()


async def paced(rate: float, seconds: float, once: Callable[[], Awaitable[None]]) -> int:
    """Begin so many a second, whatever becomes of them; how many were begun."""
    running: set[asyncio.Task[None]] = set()
    began, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        while count < elapsed * rate:
            task = asyncio.ensure_future(once())
            running.add(task)
            task.add_done_callback(running.discard)
            count += 1
        await asyncio.sleep(0.001)
    if running:
        await asyncio.wait(set(running))
    return count


def timed(sender: ServiceClient, took: list[float]) -> Callable[[], Awaitable[None]]:
    async def once() -> None:
        began = time.perf_counter()
        with contextlib.suppress(ServiceError):
            await call(sender)
            took.append(time.perf_counter() - began)

    return once


def p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


async def storm(seconds: float) -> float:
    """Requests that arrive for each call offered, at 400 a second, where every answer is 503."""
    with upstreams("failing") as [there]:
        sender = client(there.url, outlier_detection={"consecutive_5xx": 0}, retries={"backoff": "5ms"})
        offered = await paced(400, seconds, timed(sender, []))
        await sender.aclose()
        return there.asked() / offered


async def hedged(seconds: float) -> tuple[float, float]:
    """p99 with hedges ÷ without, and the share of calls sent twice."""
    with upstreams("bimodal", "bimodal") as [one, other]:
        plain, hedging = client(one.url), client(other.url, hedge={"max_extra_load": "2%"})
        took: list[list[float]] = [[], []]
        await paced(300, seconds, timed(plain, took[0]))
        offered = await paced(300, seconds, timed(hedging, took[1]))
        await plain.aclose()
        await hedging.aclose()
        return p99(took[1]) / p99(took[0]), 100 * (other.asked() / offered - 1)


async def churn(seconds: float) -> float:
    """Calls that failed at 500 a second, while the list of endpoints changes a thousand times a second."""
    with upstreams("good", "good", "good", "good") as servers:
        random, failed = Random(5), 0
        addresses = [Address(host="127.0.0.1", port=each.port) for each in servers]
        config = ServiceConfig.model_validate({"url": "http://upstream", "retries": {"attempts": 0}})
        ways = ways_of(
            "upstream",
            config,
            Transports(CLOCK).make("upstream", config),
            Surroundings(),
            clock=CLOCK,
            max_answer=100_000,
            found=addresses,
        )
        wire, endpoints = ways.wire, ways.endpoints

        async def once() -> None:
            nonlocal failed
            record = CallRecord("upstream", "GET", "/", CLOCK.now(), until=CLOCK.now() + 2)
            try:
                await wire.exchange("GET", "/", {}, {}, record)
            except ServiceError:
                failed += 1

        async def change() -> None:
            endpoints.update(random.sample(addresses, random.randint(1, 4)))

        await asyncio.gather(paced(500, seconds, once), paced(1000, seconds, change))
        await wire.aclose()
        return float(failed)


async def cost(calls: int) -> float:
    """CPU of a call through all layers ÷ of the same over the bare wire, in percent more."""
    with upstreams("good") as [there]:
        config = ServiceConfig.model_validate({"url": there.url})
        transport = Transports(CLOCK).make("upstream", config)
        bare = wire_of("upstream", config, transport, max_answer=100_000)
        layers = ways_of("upstream", config, transport, Surroundings(), clock=CLOCK, max_answer=100_000).wire
        spent = {id(bare): 0.0, id(layers): 0.0}
        for _ in range(10):
            for wire in (bare, layers):
                began = time.process_time()
                for _ in range(calls // 10):
                    record = CallRecord("upstream", "GET", "/", CLOCK.now(), until=CLOCK.now() + 2)
                    await wire.exchange("GET", "/", {"x-request-id": "r"}, {}, record)
                spent[id(wire)] += time.process_time() - began
        await layers.aclose()
        await transport.aclose()
        return 100 * (spent[id(layers)] / spent[id(bare)] - 1)


def measure(effort: Effort) -> Outcome:
    from benchmarks import besidedead, layers

    seconds = 1.0 if effort.is_quick else FULL
    rounds = max(1, min(effort.rounds, 3))
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for key, value in asyncio.run(_round(seconds, 500 if effort.is_quick else 20_000)).items():
            found.setdefault(f"resilience.{key}", []).append(value)
        for key, value in zip(("beside", "memory"), besidedead.measure(seconds), strict=True):
            found.setdefault(f"resilience.{key}", []).append(value)
        found.setdefault("resilience.layers", []).append(layers.requests_per_second(seconds))
    if (
        not effort.is_quick
    ):  # minutes: callgrind is fifty times slower than the machine, and as exact the first time
        found["resilience.instructions"] = [layers.instructions()]
    figures = {key: Series.of(values) for key, values in found.items()}
    for key, series in figures.items():
        effort.say(f"  {key}: {spread(series, 2)}")
    return Outcome(
        figures=figures,
        tables=[
            Table(
                title="A service in trouble",
                head=("what", "measured"),
                rows=[(key.partition(".")[2], spread(series, 2)) for key, series in figures.items()],
                note=f"{rounds} rounds of {seconds:g} s each, endpoints changing for a minute in a full one; median (lowest"
                " to highest). The layers' cost to a page of three calls is told in requests/s and, where the run is a"
                " full one, in instructions as callgrind counts them.",
            )
        ],
        rows=[{"benchmark": "resilience", "figure": key, "values": values} for key, values in found.items()],
    )


async def _round(seconds: float, calls: int) -> dict[str, float]:
    ratio, extra = await hedged(seconds)
    return {
        "storm": await storm(seconds),
        "hedge": ratio,
        "hedge_load": extra,
        "churn": await churn(seconds if seconds < FULL else MINUTE),
        "cost": await cost(calls),
    }


if __name__ == "__main__":
    asyncio.run(upstream(sys.argv[1]))
