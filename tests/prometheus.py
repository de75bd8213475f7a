"""A private Prometheus for tests: its own folder, loopback only, ended by its process id.

The binaries must be there (`.ci/run` installs Debian's `prometheus`); without them the tests that need them fail.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

STARTS_WITHIN = 60.0
EVERY = "2s"
"""Between scrapes, and at most for one."""


def promtool(*args: str, stdin: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool; its output is in ``stdout`` and ``stderr``."""
    return subprocess.run(
        [_binary("promtool"), *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        check=False,
    )


def _binary(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: install Debian's `prometheus`, as .ci/run does"
    return found


class Server:
    """One server. ``url`` leads to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=20, trust_env=False)

    def asked(self, path: str, **params: str) -> Any:
        """What its API answers."""
        answer = self.client.get(f"/api/v1/{path}", params=params).json()
        assert answer["status"] == "success", (params, answer)
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series an expression has now."""
        return list(self.asked("query", query=expression)["result"])


@contextmanager
def server(folder: Path, target: str, rules: Path) -> Iterator[Server]:
    """A Prometheus that scrapes ``target`` (host:port) every two seconds and has loaded these rules."""
    config = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "bff", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [
            _binary("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    made = Server(f"http://{address}")
    try:
        _await_ready(made, process)
        yield made
    finally:
        made.client.close()
        process.terminate()
        process.wait(timeout=30)


def _await_ready(made: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while True:
        assert process.poll() is None, "prometheus ended at once"
        assert time.monotonic() < until, "prometheus is not ready"
        try:
            if made.client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
