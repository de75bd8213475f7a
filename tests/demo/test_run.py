"""``make run``: everything at once, a line to try, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def test_the_line_it_prints_works_and_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    """Behind a proxy that the environment names too: what runs on this machine is not asked of it."""
    port = free_port()
    mine = ("PORT", "BFF_CONFIG", "AIRPORTS_URL", "HOLIDAYS_URL", "CLOCKS_URL", "no_proxy", "NO_PROXY")
    env = {name: value for name, value in os.environ.items() if name not in mine}
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "demo.run", "--admin", f"127.0.0.1:{free_port()}", f"--data={tmp_path}"),
            *(f"--{name}-port=0" for name in ("airports", "holidays", "clocks")),
        ],
        cwd=ROOT,
        env={**env, "PORT": str(port), "http_proxy": f"http://127.0.0.1:{free_port()}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        giving_up = threading.Timer(STARTS_WITHIN, os.killpg, (process.pid, signal.SIGKILL))
        giving_up.start()
        try:
            assert process.stdout is not None
            heard: list[str] = []
            for line in process.stdout:
                heard.append(line)
                if found := re.search(r"curl (http://\S+/api/arrival/\S+)", line):
                    break
            else:
                raise AssertionError("".join(heard))
            page = httpx.get(found[1], trust_env=False, timeout=60)
            assert (page.status_code, page.headers["bff-complete"]) == (200, "true"), page.text
            os.killpg(process.pid, signal.SIGINT)
            rest = process.stdout.read()  # ends when the last of them is gone
            assert process.wait(60) == 0
            assert "Traceback" not in rest
        finally:
            giving_up.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
