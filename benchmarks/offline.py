"""Work offline: events acknowledged, two-step runs, how soon an idle worker begins, what it costs while it rests.

Ours as a gateway and a worker, real processes, on SQLite and on a PostgreSQL of its own. The peers need an environment of
their own, whose interpreter BFF_BENCH_PEERS names: pip install dbos 'celery[redis]' taskiq taskiq-redis taskiq-nats
'psycopg[binary]'; and the servers of Debian's postgresql, redis-server and nats-server.
"""

import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from benchmarks import natsserver
from benchmarks.catalogue import PEER_APPS
from benchmarks.figures import Series, percentile
from benchmarks.outcome import Effort, Outcome, Table
from benchmarks.processes import cpu_seconds, tree
from benchmarks.servers import BenchmarkError
from tests import postgres, redisserver
from tests.conftest import Running, running_gateways

PEERS = "BFF_BENCH_PEERS"
SENDERS = 64
PATIENCE = 180.0
REST = 5.0
DBOS = ("queued", "direct")
ROUTES = """\
state: "STATE"
telemetry: {access_log: false, metrics: false, log_level: error}
events: {path: /events}
functions: {one: {queue: work}, two: {queue: work}, noted: {queue: work}}
triggers: {noted: {filters: [{exact: {type: noted}}], function: noted}}
pipelines:
  both:
    filters: [{exact: {type: run}}]
    steps: [{function: one}, {function: two}]
"""
ONE = "async def handle(body: dict) -> dict:\n    return {'n': body['n'] + 1}\n"
TWO = """\
async def handle(body: dict) -> dict:
    with open("ENDED", "a") as ended:
        ended.write(".")
    return {"n": body["n"] + 1}
"""
NOTED = """\
import time

async def handle() -> None:
    now = time.time()
    with open("NOTES", "a") as notes:
        notes.write(f"{now}\\n")
"""
Found = Mapping[str, float]


def measure(effort: Effort) -> Outcome:
    events, runs = (200, 20) if effort.is_quick else (4000, 400)
    with ExitStack() as stack:
        ours = {"SQLite": our_own("sqlite:///state.db", events, runs)}
        server = stack.enter_context(postgres.server())
        server.set(fsync="on")  # as on a machine where nothing may be lost
        ours["PostgreSQL"] = our_own(server.database(), events, runs)
        for name, found in ours.items():
            effort.say(f"  bff on {name}: {told(found)}")
        peers = measured_peers(effort, server, runs)
    figures = {
        "offline.acknowledged": Series.of([ours["SQLite"]["acknowledged"]]),
        "offline.wake": Series.of([max(found["wake"] for found in ours.values())]),
    }
    if dbos := [found["runs"] for name, found in peers.items() if name.startswith("DBOS on SQLite")]:
        figures["offline.dbos"] = Series.of([ours["SQLite"]["runs"] / max(dbos)])
    return Outcome(
        figures=figures,
        tables=[table({**{f"bff on {name}": found for name, found in ours.items()}, **peers})],
        rows=[{"benchmark": "offline", "who": name, **found} for name, found in {**ours, **peers}.items()],
    )


def told(found: Found) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in found.items())


def table(found: Mapping[str, Found]) -> Table:
    words = ("acknowledged", "runs", "cpu", "wake", "idle")
    return Table(
        title="Work offline",
        head=(
            *("who", "acknowledged/s", "two-step runs/s", "CPU of a run, ms"),
            *("idle worker begins, p50 ms", "idle, % of a core"),
        ),
        rows=[
            (name, *(f"{each[word]:.1f}" if word in each else "–" for word in words))
            for name, each in found.items()
        ],
        note=f"Ours: {SENDERS} senders over HTTP, each event on the disk before its 202; runs are sent in batches of a"
        " hundred, one worker process makes both steps. Peers are called in their own process: DBOS by eight threads,"
        " through a queue or begun at once in the process that asks, on SQLite with a write-ahead log as ours has, each"
        " workflow's row on the disk when the call returns; Celery and taskiq one call after the other, with one worker"
        " process of sixteen threads or tasks, on a Redis without a log on the disk and on NATS whose log is written to"
        " the disk every two minutes, so that what they acknowledge a crash of the machine may lose. CPU: of whoever asks and whoever works, without that"
        " of databases and brokers, where SQLite's is within. Idle: the process"
        " that works, by its CPU time over five seconds.",
    )


@contextmanager
def cluster(state: str) -> Iterator[tuple[Path, Running, Running]]:
    """A gateway and a worker."""
    with tempfile.TemporaryDirectory(prefix="bff-bench-") as name, running_gateways() as start:
        folder = Path(name)
        (folder / "functions").mkdir()
        (folder / "routes.yaml").write_text(ROUTES.replace("STATE", state))
        (folder / "functions/one.py").write_text(ONE)
        (folder / "functions/two.py").write_text(TWO.replace("ENDED", str(folder / "ended")))
        (folder / "functions/noted.py").write_text(NOTED.replace("NOTES", str(folder / "notes")))
        yield (
            folder,
            start(folder, "serve", "--queues", "default"),
            start(folder, "worker", "--queues", "work"),
        )


def our_own(state: str, events: int, runs: int) -> Found:
    with cluster(state) as (folder, gateway, worker):
        wake = woken(folder, gateway, 5 if events < 1000 else 40)
        acknowledged = asyncio.run(accepted(gateway, events))
        pids = [pid for each in (gateway, worker) for pid in tree(each.process.pid)]
        before = cpu_seconds(pids)
        per_second = run_through(folder, gateway, runs)
        cpu = 1000 * (cpu_seconds(pids) - before) / runs
        time.sleep(2.0)
        pids = tree(worker.process.pid)
        before = cpu_seconds(pids)
        time.sleep(REST)
        idle = 100 * (cpu_seconds(pids) - before) / REST
    return {"acknowledged": acknowledged, "runs": per_second, "cpu": cpu, "wake": wake, "idle": idle}


def attributes(number: object, kind: str) -> dict[str, str]:
    said = {"id": str(number), "source": "/bench", "type": kind, "specversion": "1.0"}
    return {f"ce-{name}": value for name, value in said.items()}


def woken(folder: Path, gateway: Running, count: int) -> float:
    """Milliseconds from before an event is sent until its function begins in a worker that rests; p50."""
    notes, waits = folder / "notes", []
    for number in range(count + 1):
        time.sleep(0.1)
        sent = time.time()
        answer = gateway.client.post("/events", headers=attributes(f"wake-{number}", "noted"))
        assert answer.status_code == 202, answer.text
        until = time.monotonic() + PATIENCE
        while not notes.exists() or len(began := notes.read_text().split()) <= number:
            if time.monotonic() > until:
                raise BenchmarkError("the worker never began")
            time.sleep(0.001)
        waits.append(1000 * (float(began[number]) - sent))
    return percentile(waits[1:], 0.5)  # the first one was cold


async def accepted(gateway: Running, count: int) -> float:
    """Events a second, each acknowledged before its sender sends another; nobody wants them."""
    numbers = iter(range(count))
    url = httpx.URL(gateway.public)

    async def send() -> None:
        reader, writer = await asyncio.open_connection(url.host, url.port)
        for number in numbers:
            fields = "".join(
                f"{name}: {value}\r\n" for name, value in attributes(f"a-{number}", "nobody").items()
            )
            writer.write(
                f"POST /events HTTP/1.1\r\nhost: b\r\n{fields}content-length: 2\r\n\r\n{{}}".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 202"):
                raise BenchmarkError(f"refused: {head[:80]!r}")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            await reader.readexactly(int(length))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(SENDERS)))
    return count / (time.perf_counter() - began)


def run_through(folder: Path, gateway: Running, count: int) -> float:
    """Runs of two steps a second, from the first one sent to the last one ended."""
    token = (folder / ".bff/admin-token").read_text().strip() if (folder / ".bff").exists() else None
    token = token or (folder / "admin-token").read_text().strip()
    headers = {"authorization": f"Bearer {token}"}
    began = time.perf_counter()
    for at in range(0, count, 100):
        batch = [
            {"id": f"r-{n}", "source": "/bench", "type": "run", "specversion": "1.0", "data": {"n": n}}
            for n in range(at, min(at + 100, count))
        ]
        kind = {"content-type": "application/cloudevents-batch+json"}
        assert gateway.client.post("/events", content=json.dumps(batch), headers=kind).status_code == 202
    with httpx.Client(base_url=gateway.admin, headers=headers, trust_env=False, timeout=60) as admin:
        while time.perf_counter() - began < PATIENCE:
            time.sleep(0.01)
            if not (folder / "ended").exists() or (folder / "ended").stat().st_size < count:
                continue  # asking for all of them again and again would be much of the work
            found = admin.get("/v1/pipelines/both/runs", params={"limit": 500}).json()
            if sum(each["state"] == "succeeded" for each in found) >= count:
                return count / (time.perf_counter() - began)
    raise BenchmarkError("the runs did not end")


def measured_peers(effort: Effort, server: postgres.Server, runs: int) -> dict[str, Found]:
    """Those whose environment there is; none of them is no failure, and the table says so."""
    python = os.environ.get(PEERS)
    if python is None:
        effort.say(f"  no peers: {PEERS} names no interpreter")
        return {}
    found: dict[str, Found] = {}
    with (
        tempfile.TemporaryDirectory(prefix="bff-bench-") as folder,
        redisserver.server() as redis,
        natsserver.server() as nats,
    ):
        where = {
            **{f"DBOS on SQLite, {way}": ("dbos", f"sqlite:///{folder}/{way}.db", way) for way in DBOS},
            **{f"DBOS on PostgreSQL, {way}": ("dbos", server.database(), way) for way in DBOS},
            "Celery on Redis": ("celery", redis.url),
            "taskiq on Redis": ("taskiq", redis.url),
            "taskiq on NATS": ("taskiq", nats),
        }
        for name, (script, url, *way) in where.items():
            done = subprocess.run(
                [python, str(PEER_APPS / f"offline_{script}.py"), url, str(runs), *way],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
                cwd=folder,
            )
            if done.returncode:
                raise BenchmarkError(f"{name}: {done.stderr[-500:]}")
            found[name] = json.loads(done.stdout.strip().splitlines()[-1])
            effort.say(f"  {name}: {told(found[name])}")
    return found
