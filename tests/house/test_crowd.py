"""A crowd before a cold function, each caller with a connection of its own. A sample in `make test`; `make soak`
has ten thousand.
"""

from __future__ import annotations

import os
import re
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Wire, write

CALLERS = 10_000 if os.environ.get("BFF_SOAK") else 1_000
FILES = {
    "routes.yaml": """
        telemetry: {access_log: false}
        functions: {crowded: {isolation: process, scale: {max: 1}, concurrency: 10, timeout: 100s}}
        routes:
          - {path: /crowded, function: crowded}
    """,
    "functions/crowded.py": """
        import asyncio, os
        from pathlib import Path
        class Handler:
            async def start(self):
                with Path("@/starts").open("a") as starts: starts.write(f"{os.getpid()} ")
                await asyncio.sleep(0.3)
            async def handle(self): return os.getpid()
        def new(): return Handler()
    """,
}


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.timeout(400 if os.environ.get("BFF_SOAK") else 180)
def test_a_crowd_before_a_cold_function_with_one_process(tmp_path: Path, gateway: Callable[..., Any]) -> None:
    """Over real HTTP: one warm-up, one process, and an answer for every one of them."""
    files = {name: text.replace("@", str(tmp_path)) for name, text in FILES.items()}
    served = gateway(write(tmp_path, files), "serve")
    limits = Path(f"/proc/{served.process.pid}/limits").read_text()
    (open_files,) = re.findall(r"Max open files +(\d+) +(\d+)", limits)
    assert open_files[0] == open_files[1], "a gateway takes as many connections as its system lets it"
    with ExitStack() as wires:
        callers = [wires.enter_context(Wire(served.public, within=60)) for _ in range(CALLERS)]
        for caller in callers:
            caller.say("GET /crowded HTTP/1.1\r\nhost: bff\r\n\r\n")
        answers = [caller.hear_answer() for caller in callers]
    (process,) = (tmp_path / "starts").read_text().split()
    assert Counter((answer.status, answer.body) for answer in answers) == {(200, process.encode()): CALLERS}
    (told,) = httpx.get(f"{served.admin}/v1/functions", trust_env=False, timeout=60).json()
    assert (told["waiting"], told["in_flight"], told["instances"]) == (0, 0, 1)
