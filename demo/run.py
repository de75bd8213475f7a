"""``make run``: the demo services and the gateway side by side, until one of them or the user ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from types import FrameType
from typing import Any

START_SECONDS = 60.0
GATEWAY = os.environ.get("PORT", "8000")


def main() -> int:
    """Start both, print where to look, wait, and stop what was started."""
    signal.signal(signal.SIGTERM, _interrupt)
    services = subprocess.Popen([sys.executable, "-m", "demo"], stdout=subprocess.PIPE, text=True)
    started: list[subprocess.Popen[Any]] = [services]
    try:
        if not _is_ready(services):
            return services.wait() or 1
        gateway = subprocess.Popen([sys.executable, "-m", "bff.cli", "dev", "--port", GATEWAY])
        started.append(gateway)
        if not _answers(gateway, f"http://127.0.0.1:{GATEWAY}/health/readiness"):
            return gateway.wait() or 1
        print(
            f"\na page from three services:\n  curl http://127.0.0.1:{GATEWAY}/api/arrival/NL/AMS\n",
            flush=True,
        )
        return gateway.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(timeout=35)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _is_ready(services: subprocess.Popen[str]) -> bool:
    """Read the services' own lines until they say that they listen."""
    assert services.stdout is not None
    for line in services.stdout:
        print(line, end="", flush=True)
        if line.strip() == "ready":
            return True
    return False


def _answers(gateway: subprocess.Popen[bytes], url: str) -> bool:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and gateway.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return True
        except OSError:
            time.sleep(0.05)
    return False


if __name__ == "__main__":
    raise SystemExit(main())
