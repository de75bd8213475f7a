"""Runs one of the programs in benchmarks/probes on the server's core, and hands over what it prints."""

import json
import subprocess
import sys
from typing import Any

from benchmarks.servers import ROOT, SERVER_CORE, BenchmarkError, environment, on_core

WITHIN = 300.0


def told(name: str, *arguments: object) -> Any:
    """The JSON value that the probe prints."""
    with on_core(SERVER_CORE):
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.probes.{name}", *map(str, arguments)],
            cwd=ROOT,
            env=environment({}),
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )
    if done.returncode:
        raise BenchmarkError(f"the probe {name} ended with {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout)
