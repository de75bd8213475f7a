"""nginx as the services behind a gateway: started by the benchmark on loopback, with a configuration of its own."""

import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import tree
from benchmarks.servers import (
    LOAD_CORE,
    START_TIMEOUT,
    BenchmarkError,
    Running,
    Server,
    ask,
    started,
)

# Kept connections without an end: no contender shall pay for new ones. Everything it writes is in its folder.
CONFIG = """\
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log stderr warn;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off;
  default_type application/json;
  sendfile on;
  tcp_nodelay on;
  server_tokens off;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
AROUND
  server {{
    listen 127.0.0.1:{port} backlog=4096;
LOCATIONS
  }}
}}
"""


class NoNginxError(BenchmarkError):
    def __init__(self) -> None:
        super().__init__("nginx is not installed; `apt-get install nginx-light` (Debian, Ubuntu) brings it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    url: str
    pids: tuple[int, ...]


def nginx(name: str, locations: str, *, around: str = "") -> Server:
    """nginx with these location blocks; `around` stands beside its server block."""
    where = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    binary = shutil.which("nginx", path=where)
    if binary is None:
        raise NoNginxError
    config = CONFIG.replace("AROUND", _literal(around)).replace("LOCATIONS", _literal(locations))
    return Server(name=name, argv=(binary, "-e", "stderr", "-c", "{config}"), config=config)


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@contextmanager
def upstream(bodies: Mapping[str, str], files: Path | None = None) -> Iterator[Upstream]:
    """Services that answer these JSON bodies at these paths, and these files below /files/, on the load's core."""
    locations = [_location(path, body) for path, body in bodies.items()]
    if files is not None:
        locations.append(f"    location /files/ {{ alias {files}/; }}")
    server = nginx("services", "\n".join(locations))
    with started(server, core=LOAD_CORE) as run:
        _wait_until_it_listens(run)
        for path, body in bodies.items():
            if ask(run.port, path) != (200, body.encode()):
                raise run.failed(f"does not answer {path} as it was told to")
        yield Upstream(url=f"http://127.0.0.1:{run.port}", pids=tuple(tree(run.process.pid)))


def _wait_until_it_listens(run: Running) -> None:
    deadline = time.perf_counter() + START_TIMEOUT
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", run.port), timeout=1):
            return
        if run.process.poll() is not None or time.perf_counter() > deadline:
            raise run.failed("does not listen")
        time.sleep(0.01)


def _location(path: str, body: str) -> str:
    quoted = body.replace("\\", "\\\\").replace("'", "\\'")
    if "$" in body:
        raise ValueError("nginx would take a $ for a variable")
    return f"    location = {path} {{ return 200 '{quoted}'; }}"
