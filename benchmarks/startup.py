"""From nothing to the first answer, what `import bff` costs, and what a resting gateway weighs."""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import catalogue as who
from benchmarks.figures import Series, paired_differences, paired_ratios
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.processes import resident_bytes, tree
from benchmarks.servers import (
    LOAD_CORE,
    ROOT,
    SERVER_CORE,
    START_TIMEOUT,
    BenchmarkError,
    Running,
    Server,
    answers,
    environment,
    on_core,
    running,
    started,
)

SERVERS = (who.BFF_EQUIPPED, who.FASTAPI_HTTPX, who.STARLETTE, who.FUNCTIONS)
POLL = 0.001
REST = 2.0
MEGABYTE = 1_000_000


def measure(effort: Effort, servers: Sequence[Server] = SERVERS) -> Outcome:
    firsts = first_answers(effort, servers)
    imports = import_costs(effort)
    weights = [resting_megabytes(effort) for _ in range(effort.rests)]
    effort.say(f"  idle RSS {spread(Series.of(weights), 1)} MB")
    rows: list[dict[str, Any]] = [{"benchmark": "startup", "what": "rss", "megabytes": weights}]
    rows += [{"benchmark": "startup", "what": n, "milliseconds": v} for n, v in firsts.items()]
    rows += [{"benchmark": "startup", "what": n, "milliseconds": v} for n, v in imports.items()]
    return Outcome(
        figures={
            "startup.first": paired_ratios(firsts[who.BFF_EQUIPPED.name], firsts[who.FASTAPI_HTTPX.name]),
            "startup.import": paired_differences(imports["import bff"], imports["pass"]),
            "startup.rss": Series.of(weights),
        },
        tables=[table(firsts, effort)],
        rows=rows,
    )


def first_answers(effort: Effort, servers: Sequence[Server]) -> dict[str, list[float]]:
    """Milliseconds from process start to the first 200, starts alternated."""
    found: dict[str, list[float]] = {server.name: [] for server in servers}
    for server in servers:
        first_answer(server)  # dropped: writes the byte code, warms the page cache
    for number in range(effort.starts):
        for server in servers if number % 2 == 0 else servers[::-1]:
            found[server.name].append(1000 * first_answer(server))
    for name, values in found.items():
        effort.say(f"  {name}: first 200 after {spread(Series.of(values))} ms")
    return found


def first_answer(server: Server) -> float:
    with on_core(LOAD_CORE), started(server) as run:
        while not said_200(run):
            if run.process.poll() is not None:
                raise run.failed(f"ended with {run.process.returncode} before it answered")
            if time.perf_counter() - run.started > START_TIMEOUT:
                raise run.failed(f"gave no 200 within {START_TIMEOUT:.0f} s")
            time.sleep(POLL)
        took = time.perf_counter() - run.started
        if not answers(run):  # also compares the body, off the clock
            raise run.failed("answered once, then no more")
        return took


def said_200(run: Running) -> bool:
    """One raw request: no client library's own start is in the figure."""
    try:
        with socket.create_connection(("127.0.0.1", run.port), timeout=START_TIMEOUT) as connection:
            connection.sendall(f"GET {run.server.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            return connection.recv(4096).split(b" ", 2)[1:2] == [b"200"]
    except OSError:
        return False


def import_costs(effort: Effort) -> dict[str, list[float]]:
    """Milliseconds of whole interpreters that import bff, and of ones that do nothing, alternated."""
    found: dict[str, list[float]] = {"pass": [], "import bff": []}
    for number in range(-1, effort.imports):  # the first pair is dropped
        for code in found if number % 2 == 0 else reversed(found):
            took = 1000 * interpreter(code)
            if number >= 0:
                found[code].append(took)
    return found


def interpreter(code: str) -> float:
    """Seconds from its start to its end. Popen.wait(timeout) polls in steps of up to 50 ms: not that."""
    with on_core(SERVER_CORE):
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment({}))
    handle = os.pidfd_open(process.pid)
    try:
        ended, _, _ = select.select([handle], [], [], START_TIMEOUT)
        took = time.perf_counter() - began
    finally:
        os.close(handle)
        process.kill()
        process.wait()
    if not ended or process.returncode:
        raise BenchmarkError(f"`python -c {code!r}` ended with {process.returncode}")
    return took


def resting_megabytes(effort: Effort) -> float:
    """The gateway over the whole gallery, no function called, after a rest."""
    with running(who.GALLERY) as run:
        time.sleep(0.2 if effort.is_quick else REST)
        return resident_bytes(tree(run.process.pid)) / MEGABYTE


def table(firsts: dict[str, list[float]], effort: Effort) -> Table:
    return Table(
        title="Process start → first 200",
        head=("server", "ms"),
        rows=[(name, spread(Series.of(values))) for name, values in firsts.items()],
        note=f"{effort.starts} starts each, alternated; median (lowest to highest)."
        " Byte code and page cache are warm.",
    )
