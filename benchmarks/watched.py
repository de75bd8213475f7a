"""A server under load below a program that watches it from within, and what that program wrote."""

import json
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.load import CONNECTIONS, Plan, Window, window
from benchmarks.servers import Running, Server, running

SAMPLER = Path(__file__).resolve().with_name("sampled.py")
COUNTER = Path(__file__).resolve().with_name("counted.py")
PATIENCE = 5.0


def watched(
    watcher: Path, server: Server, number: int, plan: Plan, callers: int = CONNECTIONS
) -> tuple[Window, Sequence[Any]]:
    """One window of load, and the rows that the watcher wrote of it."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.json"
        python, _, *module = server.argv
        argv, env = (python, str(watcher), *module), {**server.env, "TOLD": str(told)}
        with running(replace(server, argv=argv, env=env)) as run:
            window(run, number, replace(plan, seconds=1), callers)  # dropped
            run.process.send_signal(signal.SIGUSR1)
            seen = window(run, number, plan, callers)
            run.process.send_signal(signal.SIGUSR2)
            return seen, _read(run, told)


def _read(run: Running, told: Path) -> Sequence[Any]:
    deadline = time.perf_counter() + PATIENCE
    while not told.exists():
        if time.perf_counter() > deadline:
            raise run.failed("wrote nothing")
        time.sleep(0.01)
    rows: Sequence[Any] = json.loads(told.read_text())
    return rows
