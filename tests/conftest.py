"""Whole gateways for tests: real processes on real ports, and a socket that hides nothing.

``gateway(project, mode)`` starts ``bff serve``, ``bff dev`` or ``bff worker`` on a project folder and waits until it
listens; every one is ended with SIGTERM and must then exit with 0 and must not have spoken of an accident.
``module_gateway`` is the same for fixtures that a whole module shares, ``write_project`` lays out a folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
from hypothesis import settings

from tests import postgres
from tests.hanging import pytest_timeout_set_timer  # noqa: F401  (a hook of pytest-timeout's)
from tests.zygote import ZYGOTE

# How long an example takes on a machine under load says nothing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As shells start what runs in the background. What a test starts would inherit it, and never hear of ^C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: half of a worker's time is waiting for gateways that it started."""
    return len(os.sched_getaffinity(0)) + 1


# None is ever waited for in full unless something is broken; a machine with others on it may stall for ten seconds.
STARTS_WITHIN = 60.0
STOPS_WITHIN = 60.0
ANSWERS_WITHIN = 45.0

ACCIDENTS = (
    "Exception in ASGI",
    "ASGI callable",
    "unexpected failure",
    "never awaited",
    "never retrieved",
    "Fatal Python error",
    "Exception ignored",
    "Unhandled exception",
    "Exception in callback",
    "failed on ",  # a listener of signals
    "ResourceWarning",
)
"""Words in the output that tell of a bug of ours, whatever the callers were told."""


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Lay out files below a folder; text is dedented."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
    return folder


def save(path: Path, text: str) -> None:
    """Save as careful editors do: a new file takes the old one's place in one step."""
    fresh = path.with_name(f".{path.name}.tmp")
    fresh.write_text(dedent(text))
    fresh.replace(path)


def eventually(condition: Callable[[], Any], within: float = ANSWERS_WITHIN, *, every: float = 0.01) -> Any:
    """The first true value of ``condition``, asked again and again for a bounded time."""
    ends = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < ends, f"not so within {within:g} s"
        time.sleep(every)


class Wire:
    """A client's end of one TCP connection: says and hears bytes, nothing in between."""

    def __init__(self, address: str, *, within: float = ANSWERS_WITHIN) -> None:
        url = httpx.URL(address)
        assert url.port is not None
        self.socket = socket.create_connection((url.host, url.port), timeout=within)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def say(self, data: bytes | str) -> Wire:
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def hear_until(self, end: bytes) -> bytes:
        """Everything up to and with ``end``; fails when the connection closes before."""
        while end not in self.heard:
            piece = self.socket.recv(65536)
            assert piece, f"closed before {end!r}; heard {self.heard!r}"
            self.heard += piece
        said, _, self.heard = self.heard.partition(end)
        return said + end

    def hear_bytes(self, size: int) -> bytes:
        while len(self.heard) < size:
            piece = self.socket.recv(65536)
            assert piece, f"closed after {len(self.heard)} of {size} bytes: {self.heard!r}"
            self.heard += piece
        said, self.heard = self.heard[:size], self.heard[size:]
        return said

    def hear_all(self) -> bytes:
        """Everything until the gateway closes; a reset counts as closed."""
        with contextlib.suppress(ConnectionResetError):
            while piece := self.socket.recv(65536):
                self.heard += piece
        said, self.heard = self.heard, b""
        return said

    def hear_answer(self, *, head_only: bool = False) -> Heard:
        """One whole response, framed by its Content-Length."""
        heard = Heard(self.hear_until(b"\r\n\r\n"))
        if not head_only:
            heard.body = self.hear_bytes(int(heard.headers.get("content-length", 0)))
        return heard

    def is_closed(self) -> bool:
        """Whether the gateway ends the connection without another word."""
        with contextlib.suppress(ConnectionResetError):
            return not self.heard and self.socket.recv(1) == b""
        return True


class Heard:
    """A response as it came over the wire."""

    def __init__(self, head: bytes, body: bytes = b"") -> None:
        line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.status = int(line.split(" ")[1])
        self.fields = [tuple(part.strip() for part in field.split(":", 1)) for field in fields]
        self.headers = {name.lower(): value for name, value in self.fields}
        self.body = body

    @classmethod
    def parse(cls, said: bytes) -> Heard:
        head, _, body = said.partition(b"\r\n\r\n")
        return cls(head, body)

    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """A gateway process that listens. Its output is read as it comes, so that it never blocks on us."""

    def __init__(self, folder: Path, mode: str, *args: str, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._output: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        command = [
            *(mode, "--config", str(folder / "routes.yaml")),
            *(() if mode == "worker" else ("--port", "0")),
            *("--admin", "127.0.0.1:0", "--json", *args),
        ]
        reading, writing = os.pipe()
        with open(os.devnull, "rb") as nothing:
            streams = (nothing.fileno(), writing, writing)
            environ = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
            self.process = ZYGOTE.start(command, cwd=Path.cwd(), env=environ, streams=streams)
        os.close(writing)
        self.process.stdout = open(reading, encoding="utf-8", errors="replace")  # noqa: SIM115
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.public = self.admin = ""
        self.clients: list[httpx.Client] = []

    def listening(self) -> Running:
        addresses = self.wait_for(lambda line: '"admin":"http' in line, within=STARTS_WITHIN)
        found = json.loads(addresses)
        self.public, self.admin = found.get("public", ""), found["admin"]
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self._output.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(
        self, wanted: Callable[[str], bool], *, within: float = ANSWERS_WITHIN, since: int = 0
    ) -> str:
        """The first line of output that is wanted, waiting for it."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [line for line in self._output[since:] if wanted(line)]
            return bool(found) or self._ended

        with self._changed:
            self._changed.wait_for(look, timeout=within)
        assert found, f"no such line within {within:g} s in:\n{self.output}"
        return found[0]

    def log(
        self, event: str = "request", *, within: float = ANSWERS_WITHIN, since: int = 0, **fields: Any
    ) -> Any:
        """The first JSON log line whose event begins so and that has these fields."""

        def wanted(line: str) -> bool:
            entry = _json(line)
            return str(entry.get("event", "")).startswith(event) and all(
                entry.get(name) == value for name, value in fields.items()
            )

        return json.loads(self.wait_for(wanted, within=within, since=since))

    def logs(self, event: str = "request", **fields: Any) -> list[Any]:
        """Every such line so far, without waiting."""
        entries = [_json(line) for line in list(self._output)]
        return [
            entry
            for entry in entries
            if str(entry.get("event", "")).startswith(event)
            and all(entry.get(name) == value for name, value in fields.items())
        ]

    @property
    def output(self) -> str:
        return "\n".join(self._output)

    @property
    def lines_so_far(self) -> int:
        """A place in the output, for ``since``."""
        return len(self._output)

    @property
    def client(self) -> httpx.Client:
        """One client for the public listener, made when first used."""
        if not self.clients:
            self.clients.append(httpx.Client(base_url=self.public, timeout=ANSWERS_WITHIN, trust_env=False))
        return self.clients[0]

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def wire(self, address: str | None = None) -> Wire:
        return Wire(address or self.public)

    def say(self, data: bytes | str) -> bytes:
        """Say bytes on a new connection and hear everything until it is closed."""
        with self.wire() as wire:
            return wire.say(data).hear_all()

    def rss(self) -> int:
        """Bytes of memory the process holds now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code, once it has ended."""
        code = self.process.wait(timeout=STOPS_WITHIN)
        self._reader.join(timeout=STOPS_WITHIN)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def stop(self) -> int:
        """End it as a supervisor does, and give its exit code."""
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the gateway did not stop:\n{self.output}") from None

    def check_calm(self, *, apart_from: tuple[str, ...] = ()) -> None:
        """Nothing in the output tells of a bug of the gateway's own."""
        for line in self._output:
            if any(word in line for word in apart_from):
                continue
            assert not any(word in line for word in ACCIDENTS), self.output
            assert not line.startswith("Traceback"), self.output


def _json(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


GatewayFactory = Callable[..., Running]


@contextlib.contextmanager
def running_gateways() -> Iterator[GatewayFactory]:
    started: list[Running] = []

    def start(
        project: Path, mode: str = "serve", *args: str, env: Mapping[str, str] | None = None
    ) -> Running:
        running = Running(project, mode, *args, env=env)
        started.append(running)
        return running.listening()

    try:
        yield start
    finally:
        codes = [(running, running.process.poll() is not None, running.stop()) for running in started]
    for running, had_ended, code in codes:
        assert had_ended or code == 0, f"exit code {code}:\n{running.output}"
        running.check_calm()


@pytest.fixture
def gateway() -> Iterator[GatewayFactory]:
    """``gateway(folder, "serve" | "dev" | "worker", *options, env={})``: a gateway process for one test."""
    with running_gateways() as start:
        yield start


@pytest.fixture(scope="module")
def module_gateway() -> Iterator[GatewayFactory]:
    """The same, living as long as the module's tests."""
    with running_gateways() as start:
        yield start


@pytest.fixture
def write_project(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], Path]:
    """``write_project({"routes.yaml": …, "functions/hello.py": …})``: a project folder of one test."""
    return lambda files: write(tmp_path, files)


@pytest.fixture(scope="module")
def module_project(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Mapping[str, str | bytes]], Path]:
    """The same for a module's shared gateway; each call makes a new folder."""
    return lambda files: write(tmp_path_factory.mktemp("project"), files)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A private PostgreSQL server for all tests of this process that want one."""
    with postgres.server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> str:
    """An empty database of this test's own."""
    return postgres_server.database()
