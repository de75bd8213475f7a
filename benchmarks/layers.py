"""What the layers of calm calling cost a page of three service calls on its happy path: as requests/s, and as
instructions, which no other load on the machine can change.

The same pages over the same wires, once with the layers between and once without, in a process of their own; this
file run as a program is that process. Instructions are counted by valgrind's callgrind for two numbers of pages, so
that starting and importing are in neither.
"""

import asyncio
import sys
import time
from collections.abc import Sequence

import httpx

from benchmarks import callgrind
from benchmarks.resilience import CLOCK, client, upstreams
from bff.clock import Deadline
from bff.sdk.aggregate import gather
from bff.sdk.call import Adapters
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.services.client import ServiceClient
from bff.services.transport import wire_of

SERVICES = 3
FEW, MANY = 100, 4100
"""Pages of the two runs under callgrind; the difference counts. Starting takes as much as thousands of them and never
quite the same, so the difference must be large beside that.
"""
WORKERS = 16
PATIENCE = 600.0
"""Seconds: under callgrind a page takes fifty times as long, and what is counted must not depend on the clock."""
ADAPTERS = Adapters()


async def page(clients: Sequence[ServiceClient]) -> None:
    """One page view: three calls side by side, read into text."""
    now = CLOCK.now()
    invocation = Invocation(request_id="r", method="GET", clock=CLOCK, started=now)
    invocation.deadline = Deadline(now + PATIENCE, PATIENCE)
    await gather(*[Service(each, invocation, ADAPTERS).get("/", into=str) for each in clients])


async def ready(urls: Sequence[str], *, is_bare: bool) -> list[ServiceClient]:
    """Clients that have called once; bare ones have their wire where the layers would be."""
    clients = [client(url, timeout="10m", keep_alive="10m") for url in urls]
    await page(clients)
    for each in clients if is_bare else ():
        transport = each._below()
        each._wire = wire_of(each.name, each.config, transport, max_answer=100_000)
    await page(clients)
    return clients


async def closed(clients: Sequence[ServiceClient]) -> None:
    for each in clients:
        await each.aclose()


async def rates(urls: Sequence[str], seconds: float, windows: int) -> tuple[list[float], list[float]]:
    """Pages a second with the layers and without, window by window in turn."""
    both = [await ready(urls, is_bare=is_bare) for is_bare in (False, True)]
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(windows):
        for clients, rps in zip(both, found, strict=True):
            rps.append(await _rate(clients, seconds))
    for clients in both:
        await closed(clients)
    return found


async def _rate(clients: Sequence[ServiceClient], seconds: float) -> float:
    ends, count = time.perf_counter() + seconds, 0

    async def work() -> None:
        nonlocal count
        while time.perf_counter() < ends:
            await page(clients)
            count += 1

    began = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(WORKERS)])
    return count / (time.perf_counter() - began)


def requests_per_second(seconds: float) -> float:
    """How many percent fewer pages a second there are with the layers."""
    with upstreams(*["good"] * SERVICES) as there:
        layered, bare = asyncio.run(rates([each.url for each in there], seconds / 6, 6))
    return 100 * (sum(bare) / sum(layered) - 1)


def instructions() -> float:
    """How many percent more instructions a page takes with the layers.

    Raises:
        BenchmarkError: there is no valgrind, or it counted nothing.

    """
    with upstreams(*["good"] * SERVICES) as there:
        urls = [each.url for each in there]
        layered, bare = (
            _counted(kind, MANY, urls) - _counted(kind, FEW, urls) for kind in ("layered", "bare")
        )
    return 100 * (layered / bare - 1)


def _counted(kind: str, pages: int, urls: Sequence[str]) -> int:
    return callgrind.run("benchmarks.layers", kind, pages, *urls, is_counted=True).instructions


async def pages(kind: str, count: int, urls: Sequence[str]) -> None:
    clients = await ready(urls, is_bare=kind == "bare")
    for _ in range(count):
        await page(clients)
    await closed(clients)


if __name__ == "__main__":
    assert httpx  # imported in both runs, before anything is counted for one of them
    asyncio.run(pages(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
