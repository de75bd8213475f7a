"""Load on several servers in turn, so that whatever the machine does falls on all of them alike.

One round: every server fresh on the server's core, each warmed up, then one window each there and
back (A B C C B A: a steady drift of the machine's speed cancels). wrk drives from the other core.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from statistics import mean
from typing import Any

from benchmarks.figures import Series
from benchmarks.processes import busy_seconds, cpu_seconds, resident_bytes, tree
from benchmarks.servers import (
    LOAD_CORE,
    SERVER_CORE,
    BenchmarkError,
    Running,
    Server,
    answers,
    on_core,
    running,
)

CONNECTIONS = 32
LOG_TIMEOUT = 5.0
QUIET = 0.1  # share of a core: more than that taken by others, and a round is taken again
SECONDS_OF = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class NoWrkError(BenchmarkError):
    def __init__(self) -> None:
        super().__init__("wrk is not installed; `apt-get install wrk` (Debian, Ubuntu) brings it")


class LoadError(BenchmarkError):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class WrkResult:
    requests: int
    rps: float
    p50: float  # seconds, like all times here
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every server is put through in a round: windows of `seconds`, for each number of connections."""

    seconds: int
    connections: tuple[int, ...] = (CONNECTIONS,)
    helpers: tuple[int, ...] = ()  # processes on wrk's core that serve the servers: their time is ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One server under load for one stretch of time."""

    server: str
    round: int
    requests: int
    rps: float
    p50: float
    p99: float
    cpu: float  # seconds of the server's whole process tree, per request
    used: float  # share of its core that the server used; well below 1: something held it up
    foreign: float  # share of the server's core that others used meanwhile
    load_foreign: float  # the same of wrk's core
    connections: int = CONNECTIONS
    rss: int = 0  # bytes, of the server's whole process tree at the window's end

    def row(self) -> dict[str, Any]:
        return asdict(self)


def parse_wrk(text: str) -> WrkResult:
    """What wrk printed with --latency; raises LoadError if any request went wrong."""
    wrong = re.findall(r"Socket errors: .*|Non-2xx or 3xx responses: .*", text)
    if wrong:
        raise LoadError("; ".join(line.strip() for line in wrong))
    requests = re.search(r"(\d+) requests in", text)
    rps = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if requests is None or rps is None or int(requests[1]) == 0:
        raise LoadError(f"no answers counted by wrk:\n{text}")
    p50, p99 = (_latency(text, share) for share in ("50", "99"))
    return WrkResult(requests=int(requests[1]), rps=float(rps[1]), p50=p50, p99=p99)


def _latency(text: str, share: str) -> float:
    found = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s|m|h)\s*$", text, re.MULTILINE)
    if found is None:
        raise LoadError(f"no {share}th percentile in what wrk printed:\n{text}")
    return float(found[1]) * SECONDS_OF[found[2]]


def wrk(
    url: str, seconds: int, connections: int = CONNECTIONS, fields: Mapping[str, str] | None = None
) -> WrkResult:
    said = [f"-H{name}: {value}" for name, value in (fields or {}).items()]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "--latency", *said, url]
    with on_core(LOAD_CORE):
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    if done.returncode:
        raise LoadError(f"wrk ended with {done.returncode}: {done.stderr}")
    return parse_wrk(done.stdout)


def window(run: Running, number: int, plan: Plan, connections: int = CONNECTIONS) -> Window:
    pids, helpers = tree(run.process.pid), list(plan.helpers)
    before, began = _used(pids, helpers), time.perf_counter()
    try:
        seen = wrk(run.url, plan.seconds, connections, run.server.fields)
    except LoadError as failure:
        raise run.failed(f"failed under load: {failure}") from failure
    took = time.perf_counter() - began
    server, busy, ours, load_busy = (b - a for a, b in zip(before, _used(pids, helpers), strict=True))
    return Window(
        server=run.server.name,
        round=number,
        requests=seen.requests,
        rps=seen.rps,
        p50=seen.p50,
        p99=seen.p99,
        cpu=server / seen.requests,
        used=server / took,
        foreign=max(0.0, busy - server) / took,
        load_foreign=max(0.0, load_busy - ours) / took,
        connections=connections,
        rss=resident_bytes(pids),
    )


def _used(pids: list[int], helpers: list[int]) -> tuple[float, float, float, float]:
    """CPU seconds so far: the server's, everybody's on its core, wrk's and ours, everybody's on that core."""
    ours = sum(os.times()[:4]) + cpu_seconds(helpers)
    return cpu_seconds(pids), busy_seconds(SERVER_CORE), ours, busy_seconds(LOAD_CORE)


def one_round(servers: Sequence[Server], number: int, plan: Plan) -> list[Window]:
    """Every server fresh and warm, then a window each, there and back; odd rounds start at the far end."""
    order = list(servers) if number % 2 == 0 else list(servers)[::-1]
    with ExitStack() as stack:
        runs = [stack.enter_context(running(server)) for server in order]
        warm_ups = [
            window(run, number, replace(plan, seconds=1), plan.connections[0]) for run in runs
        ]  # dropped
        windows = [
            window(run, number, plan, connections)
            for connections in plan.connections
            for run in (*runs, *reversed(runs))
        ]
        for run in runs:
            if not answers(run):
                raise run.failed("stopped answering after the load")
            check_log(run, sum(w.requests for w in warm_ups + windows if w.server == run.server.name))
    return windows


def check_log(run: Running, requests: int, timeout: float = LOG_TIMEOUT) -> None:
    """An equipped server that drops log lines under load would win unfairly."""
    deadline = time.perf_counter() + timeout
    while run.server.logs_requests and (logged := run.logged()) < requests:
        if time.perf_counter() > deadline:
            raise run.failed(f"logged {logged} of {requests} requests")
        time.sleep(0.2)


def rounds(
    servers: Sequence[Server], *, count: int, spare: int, plan: Plan, say: Callable[[str], None]
) -> list[Window]:
    """At least `count` rounds, and up to `spare` more while fewer than `count` were quiet."""
    if shutil.which("wrk") is None:
        raise NoWrkError
    windows: list[Window] = []
    for number in range(count + spare):
        if sum(share <= QUIET for share in disturbances(windows).values()) == count:
            break
        windows += one_round(servers, number, plan)
        rates = (f"{s.name} {by_round(windows, s, 'rps', plan.connections[0])[-1]:.0f}/s" for s in servers)
        disturbed = f"others used up to {disturbances(windows)[number]:.0%} of a core"
        say(f"  round {number + 1}: {', '.join(rates)}; {disturbed}")
    return windows


def disturbances(windows: Sequence[Window]) -> dict[int, float]:
    """By round: the most that others took of either core in any of its windows, whoever ran in it."""
    found: dict[int, float] = {}
    for seen in windows:
        found[seen.round] = max(found.get(seen.round, 0.0), seen.foreign, seen.load_foreign)
    return found


def quietest(windows: Sequence[Window], count: int) -> list[Window]:
    """The windows of the `count` rounds that others disturbed least; never chosen by who won."""
    found = disturbances(windows)
    kept = sorted(found, key=lambda number: found[number])[:count]
    return [seen for seen in windows if seen.round in kept]


def by_round(
    windows: Sequence[Window], server: Server, what: str, connections: int = CONNECTIONS
) -> list[float]:
    """One value a round: the mean of the windows there and back, under that many connections."""
    found: dict[int, list[float]] = {}
    for seen in windows:
        if seen.server == server.name and seen.connections == connections:
            found.setdefault(seen.round, []).append(getattr(seen, what))
    return [mean(found[number]) for number in sorted(found)]


def scaled(
    windows: Sequence[Window], server: Server, what: str, scale: float, connections: int = CONNECTIONS
) -> Series:
    """The same, in another unit."""
    return Series.of([value * scale for value in by_round(windows, server, what, connections)])
