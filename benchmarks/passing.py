"""Passing through beside nginx as a proxy and Node's own: small answers, large ones, and a gigabyte's memory."""

import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import catalogue as who
from benchmarks import node
from benchmarks.figures import Series, paired_ratios
from benchmarks.load import CONNECTIONS, Plan, Window, by_round, disturbances, quietest, rounds, scaled
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.processes import resident_bytes, tree
from benchmarks.servers import LOAD_CORE, BenchmarkError, Running, Server, on_core, running
from benchmarks.sink import sink
from benchmarks.upstream import nginx, upstream

BODY = '{"text":"' + "x" * (1024 - len('{"text":""}')) + '"}'
LARGE, GIGABYTE = 10_000_000, 10**9
PIECE = bytes(65536)
TAKEN = "/catalog/taken"
AROUND = "  upstream services {{ server {host}; keepalive 256; }}"
PROXY = """\
    location /catalog/ {{
      proxy_pass http://services/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_max_temp_file_size 0;
      proxy_request_buffering off;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}"""
SIZES = {"1 KB": "/catalog/small", "10 MB": "/catalog/files/large"}
CALLERS = {"1 KB": CONNECTIONS, "10 MB": 4}
HEAD = ("server", "size", "requests/s", "ours ÷ theirs", "p50 ms", "p99 ms", "CPU µs/request", "RSS MB")


def measure(effort: Effort) -> Outcome:
    node.install()
    taken: dict[str, list[Window]] = {}
    with services(effort) as (url, pids):
        contenders = ready(url)
        for size, path in SIZES.items():
            servers = [replace(server, path=path) for server in contenders]
            plan = Plan(seconds=2 * effort.seconds, helpers=pids, connections=(CALLERS[size],))
            taken[size] = rounds(
                servers, count=effort.rounds, spare=effort.spare_rounds, plan=plan, say=effort.say
            )
        memory = gigabytes(effort, contenders[0])
    kept = {size: quietest(windows, effort.rounds) for size, windows in taken.items()}
    return Outcome(
        figures=memory,
        tables=[table(kept, contenders)],
        rows=[
            {"benchmark": "passing", "size": size, "kept": seen in kept[size], **seen.row()}
            for size, windows in taken.items()
            for seen in windows
        ],
    )


@contextmanager
def services(effort: Effort) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Where the small answer, the large one and the gigabyte are; the files are holes, and cost no disk."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # nginx's worker may be somebody else
        for name, size in (("large", LARGE), ("gigabyte", gigabyte(effort))):
            with (Path(folder) / name).open("wb") as file:
                file.truncate(size)
        with upstream({"/small": BODY}, Path(folder)) as found:
            yield found.url, found.pids


def gigabyte(effort: Effort) -> int:
    return GIGABYTE // 20 if effort.is_quick else GIGABYTE


def ready(url: str) -> list[Server]:
    host = url.removeprefix("http://")
    proxy = nginx("nginx as a proxy", PROXY.format(), around=AROUND.format(host=host))
    ours, theirs = (
        replace(each, env={**each.env, "UPSTREAM": url}) for each in (who.BFF_PASSING, who.REPLY_FROM)
    )
    return [ours, proxy, theirs]


def gigabytes(effort: Effort, server: Server) -> dict[str, Series]:
    """How far memory grows while a gigabyte passes, each way."""
    found: dict[str, list[float]] = {"passing.upload": [], "passing.download": []}
    size = gigabyte(effort)
    for _ in range(effort.rests):
        with running(replace(server, path=SIZES["1 KB"])) as run:
            found["passing.download"].append(grown(run, partial(download, run, size)))
        with sink() as (url, taken), running(replace(server, path=TAKEN, env={"UPSTREAM": url})) as run:
            found["passing.upload"].append(grown(run, partial(upload, run, size)))
            if max(taken) != size:
                raise BenchmarkError(f"{max(taken)} of {size} bytes arrived")
    effort.say(f"  memory over before: {found}")
    return {key: Series.of(values) for key, values in found.items()}


def grown(run: Running, work: Callable[[], None]) -> float:
    """Megabytes of memory at its most while that is done, over what it was before."""
    pids = tree(run.process.pid)
    before = most = resident_bytes(pids)
    with on_core(LOAD_CORE), ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        while not working.done():
            most = max(most, resident_bytes(pids))
            wait([working], timeout=0.02)
    working.result()
    return (most - before) / 1e6


def download(run: Running, size: int) -> None:
    with socket.create_connection(("127.0.0.1", run.port), timeout=30) as connection:
        connection.sendall(
            b"GET /catalog/files/gigabyte HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n"
        )
        heard = 0
        while piece := connection.recv(len(PIECE)):
            heard += len(piece)
    if heard < size:
        raise BenchmarkError(f"{heard} of {size} bytes came")


def upload(run: Running, size: int) -> None:
    head = f"POST {TAKEN} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", run.port), timeout=30) as connection:
        connection.sendall(head.encode())
        left = size
        while left:
            left -= connection.send(PIECE[: min(left, len(PIECE))])
        if not connection.recv(1024).startswith(b"HTTP/1.1 200 "):
            raise BenchmarkError("the upload was not taken")


def table(kept: dict[str, list[Window]], servers: Sequence[Server]) -> Table:
    disturbed = max(share for windows in kept.values() for share in disturbances(windows).values())
    return Table(
        title="Passing through",
        head=HEAD,
        rows=[row(windows, server, servers[0], size) for size, windows in kept.items() for server in servers],
        note="Median (lowest to highest round), 32 callers for 1 KB and 4 for 10 MB, nginx as the service on the load's core. Ours has its"
        " access log and metrics on. In the worst window kept, others used"
        f" {disturbed:.0%} of a core.",
    )


def row(windows: Sequence[Window], server: Server, ours: Server, size: str) -> tuple[str, ...]:
    callers = CALLERS[size]
    ratio = paired_ratios(*(by_round(windows, each, "rps", callers) for each in (ours, server)))
    shown = (("p50", 1e3, 2), ("p99", 1e3, 2), ("cpu", 1e6, 0), ("rss", 1e-6, 0))
    return (
        server.name,
        size,
        spread(scaled(windows, server, "rps", 1, callers)),
        spread(ratio, 2),
        *(spread(scaled(windows, server, what, scale, callers), digits) for what, scale, digits in shown),
    )
