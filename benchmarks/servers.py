"""A server under measurement: what it is, how it starts, how it surely stops.

Knows nothing about who is compared with whom (catalogue.py) nor about load (load.py). Linux only:
pinning and CPU times come from the kernel's own files.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if sys.platform != "linux":
    raise ImportError("the benchmarks pin processes and read /proc: they run on Linux only")

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 30.0
STOP_TIMEOUT = 5.0
# The server's core and the load's, the same one where there is only one. Read before anyone pins.
_USABLE = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _USABLE[0], _USABLE[min(1, len(_USABLE) - 1)]


class BenchmarkError(Exception):
    """A benchmark could not be carried out; a report row says so, and the run ends with 1."""


class ServerError(BenchmarkError):
    def __init__(self, name: str, why: str, log: str) -> None:
        super().__init__(f"{name} {why}; the end of its output:\n{log}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How to start one server. `{port}` and `{admin}` in argv are filled with free ports, `{config}` with a file
    that holds `config`, which has `{port}` and `{folder}` (its own folder) in it.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    cwd: Path = ROOT
    path: str = "/hello"
    fields: Mapping[str, str] = field(default_factory=dict)  # of every request
    expected: Any = None  # the JSON it must answer; None: any 200 will do
    logs_requests: bool = False  # it owes its output a JSON line with a status for every request


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    server: Server
    port: int
    admin: int
    process: subprocess.Popen[bytes]
    output: Path
    started: float  # time.perf_counter() just before the process was made

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.server.path}"

    def logged(self) -> int:
        """How many requests its access log holds."""
        with self.output.open("rb") as lines:
            return sum(b'"status":200' in line or b'"status": 200' in line for line in lines)

    def tail(self) -> str:
        with self.output.open("rb") as output:
            output.seek(max(0, output.seek(0, os.SEEK_END) - 3000))
            return output.read().decode(errors="replace")

    def failed(self, why: str) -> ServerError:
        return ServerError(self.server.name, why, self.tail())


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Pin this thread, hence every process it starts meanwhile (no fork hook, safe beside threads)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Little and always the same: no PYTHON* switch of the caller reaches one server and not another."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **extra}


@contextmanager
def started(server: Server, *, core: int = SERVER_CORE) -> Iterator[Running]:
    """The process, from the instant it is made; whoever needs an answer waits for it."""
    port, admin = free_port(), free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.NamedTemporaryFile("ab") as output,  # read by name: a shared handle shares its offset
    ):
        config = Path(folder) / "config"
        config.write_text(server.config.format(port=port, folder=folder))
        argv = [word.format(port=port, admin=admin, config=config) for word in server.argv]
        with on_core(core):
            began = time.perf_counter()
            process = subprocess.Popen(
                argv,
                cwd=server.cwd,
                env=environment(server.env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield Running(
                server=server,
                port=port,
                admin=admin,
                process=process,
                output=Path(output.name),
                started=began,
            )
        finally:
            stop(process)


@contextmanager
def running(server: Server, *, core: int = SERVER_CORE) -> Iterator[Running]:
    """The server, once it has given its first correct answer."""
    with started(server, core=core) as run:
        deadline = time.perf_counter() + START_TIMEOUT
        while not answers(run):
            if run.process.poll() is not None:
                raise run.failed(f"ended with {run.process.returncode} before it answered")
            if time.perf_counter() > deadline:
                raise run.failed(f"gave no correct answer within {START_TIMEOUT:.0f} s")
            time.sleep(0.01)
        yield run


def answers(run: Running) -> bool:
    """Whether it answers 200 now; a 200 with another body than the expected one is a failure."""
    try:
        status, body = ask(run.port, run.server.path, fields=run.server.fields)
    except (OSError, http.client.HTTPException):
        return False
    if status == 200 and run.server.expected is not None and json.loads(body) != run.server.expected:
        raise run.failed(f"answered {body[:200]!r} instead of {run.server.expected!r}")
    return status == 200


def ask(
    port: int, path: str, timeout: float = 5.0, *, fields: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers=dict(fields or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Politely, then by force; its whole session goes with it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_TIMEOUT)
