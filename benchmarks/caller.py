"""One kept connection that asks and times: no client library's own work is in the figure."""

import http.client
import json
import socket
import time
from types import TracebackType
from typing import Any

from benchmarks.servers import BenchmarkError, Running


class Caller:
    """Mutable state: its connection."""

    def __init__(self, run: Running, *, within: float = 30.0) -> None:
        self._run = run
        self._socket = socket.create_connection(("127.0.0.1", run.port), timeout=within)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Caller":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self, path: str) -> None:
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def hear(self) -> bytes:
        """One whole answer, which must be a 200."""
        said = b""
        while b"\r\n\r\n" not in said:
            said += self._piece(said)
        head, _, body = said.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < size:
            body += self._piece(body)
        if head.split(b" ", 2)[1] != b"200":
            raise BenchmarkError(f"{self._run.server.name} answered {head[:60]!r} {body[:200]!r}")
        return body

    def _piece(self, before: bytes) -> bytes:
        piece = self._socket.recv(65536)
        if not piece:
            raise BenchmarkError(f"{self._run.server.name} hung up after {before[:200]!r}")
        return piece

    def call(self, path: str) -> float:
        """Seconds from the request to its whole answer."""
        began = time.perf_counter()
        self.ask(path)
        self.hear()
        return time.perf_counter() - began


def functions(admin: int) -> dict[str, dict[str, Any]]:
    """What the admin listener tells, by name."""
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=30)
    try:
        connection.request("GET", "/v1/functions")
        return {each["name"]: each for each in json.loads(connection.getresponse().read())}
    finally:
        connection.close()


def all_cold(admin: int, within: float = 60.0) -> None:
    """Return once every function has been evicted."""
    ends = time.monotonic() + within
    while any(each["state"] != "cold" for each in functions(admin).values()):
        if time.monotonic() > ends:
            raise BenchmarkError(f"not every function was evicted within {within:g} s")
        time.sleep(0.1)
