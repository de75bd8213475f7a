"""``make run``: the demo services and the gateway side by side, until one of them or the user ends it."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import urllib.request
from types import FrameType
from typing import Any

START_SECONDS = 60.0
# The gateway is on this machine: a proxy that the environment names is not asked for it.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main(argv: list[str] | None = None) -> int:
    """Start both, print where to look, wait, and stop what was started."""
    signal.signal(signal.SIGTERM, _interrupt)
    started: list[subprocess.Popen[Any]] = []
    try:
        arguments, of_the_services = _arguments(argv)
        services = subprocess.Popen(
            [sys.executable, "-m", "demo", *of_the_services], stdout=subprocess.PIPE, text=True
        )
        started.append(services)
        addresses = _addresses(services)
        if addresses is None:
            return services.wait() or 1
        gateway = subprocess.Popen(
            [
                *(sys.executable, "-m", "bff.cli", "dev"),
                *("--port", str(arguments.port), "--admin", arguments.admin),
            ],
            env={**addresses, **os.environ},
        )
        started.append(gateway)
        public = f"http://127.0.0.1:{arguments.port}"
        if not _answers(gateway, f"{public}/health/readiness"):
            return gateway.wait() or 1
        print(f"\na page from three services:\n  curl {public}/api/arrival/NL/AMS\n", flush=True)
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


def _arguments(argv: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m demo.run",
        description="The demo services and the gateway. Other options are for the services.",
    )
    port = os.environ.get("PORT", "8000")
    parser.add_argument("--port", type=int, default=port, help="of the gateway (default: %(default)s)")
    parser.add_argument("--admin", default="127.0.0.1:8001", help="admin listener (default: %(default)s)")
    return parser.parse_known_args(argv)


def _addresses(services: subprocess.Popen[str]) -> dict[str, str] | None:
    """Read the services' own lines until they listen: where, as routes.yaml asks for it; None if they ended."""
    assert services.stdout is not None
    addresses: dict[str, str] = {}
    for line in services.stdout:
        print(line, end="", flush=True)
        if line.strip() == "ready":
            return addresses
        name, _, url = line.partition(" ")
        addresses[f"{name.upper()}_URL"] = url.strip()
    return None


def _answers(gateway: subprocess.Popen[bytes], url: str) -> bool:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and gateway.poll() is None:
        try:
            with DIRECT.open(url, timeout=1):
                return True
        except OSError:
            time.sleep(0.05)
    return False


if __name__ == "__main__":
    raise SystemExit(main())
