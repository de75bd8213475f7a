"""A private NATS server with JetStream for the comparison of work offline: its own folder, loopback only."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.servers import START_TIMEOUT, BenchmarkError


@contextmanager
def server() -> Iterator[str]:
    """A running server; its URL."""
    binary = shutil.which("nats-server")
    if binary is None:
        raise BenchmarkError("nats-server is missing: install Debian's `nats-server`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="bff-nats-") as folder:
        process = subprocess.Popen(
            [binary, "--addr", "127.0.0.1", "--port", str(port), "--jetstream", "--store_dir", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + START_TIMEOUT
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise BenchmarkError("nats-server does not answer")
                time.sleep(0.01)
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return connection.recv(4) == b"INFO"
    except OSError:
        return False
