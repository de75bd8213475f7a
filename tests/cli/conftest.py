"""Commands as people run them: a process of their own, in a folder of their own. Each is forked from one that has
imported the program already: that they start as such is for test_cli_start.py."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.zygote import ZYGOTE

FOREIGN = ("PORT", "BFF_CONFIG", "HOST", "BFF_ADMIN")
NOBODY = "http://127.0.0.1:9"
"""Where no gateway listens (RFC 863's port): what runs on this machine is none of a test's business."""


class Ran:
    """How a command ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        assert "Traceback" not in done.stderr, done.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs ``bff`` in a folder. No run may show a traceback, whatever was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str, stdin: str = "", **environ: str) -> Ran:
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        env = kept | {"BFF_ADMIN": NOBODY} | environ
        with ExitStack() as files:
            given, out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given.write(stdin.encode())
            given.seek(0)
            streams = (given.fileno(), out.fileno(), err.fileno())
            process = ZYGOTE.start(args, cwd=self.folder, env=env, streams=streams)
            try:
                process.wait(150)
            finally:
                process.kill()
            said = []
            for each in (out, err):
                each.seek(0)
                said.append(each.read().decode())
        assert process.returncode is not None
        return Ran(subprocess.CompletedProcess(process.args, process.returncode, *said))


@pytest.fixture
def bff(tmp_path: Path) -> Shell:
    """``bff("check", "--json")`` in the test's own folder."""
    return Shell(tmp_path)


@pytest.fixture
def project(write_project: Callable[..., Path]) -> Callable[..., Path]:
    """``project(routes, hello="async def handle() …")``: a routes.yaml and functions by name."""

    def lay_out(routes: str, **functions: str) -> Path:
        files = {f"functions/{name}.py": source for name, source in functions.items()}
        return write_project({"routes.yaml": routes, **files})

    return lay_out
