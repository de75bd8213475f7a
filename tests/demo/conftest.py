"""The demo services as a process of their own, started once per worker and called over sockets."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    process: subprocess.Popen[bytes]
    data: Path
    urls: dict[str, str]


def _lines(process: subprocess.Popen[bytes], *, patience: float) -> list[str]:
    """What the process printed up to and including the line ``ready``."""
    assert process.stdout is not None
    heard, until = b"", time.monotonic() + patience
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not heard.endswith(b"ready\n"):
            assert selector.select(until - time.monotonic()), f"not ready after {patience} s: {heard!r}"
            chunk = os.read(process.stdout.fileno(), 4096)
            assert chunk, f"the services ended with {process.wait(60)}: {heard!r}"
            heard += chunk
    return heard.decode().splitlines()


@contextmanager
def started(data: Path, *options: str) -> Iterator[Demo]:
    ports = [f"--{name}-port=0" for name in ("airports", "holidays", "clocks")]
    command = [sys.executable, "-m", "demo", f"--data={data}", *ports, *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            *addresses, _ready = _lines(process, patience=30)
            urls = dict(line.split() for line in addresses)
            yield Demo(process=process, data=data, urls=urls)
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with started(tmp_path_factory.mktemp("demo")) as services:
        yield services


def _client(demo: Demo, name: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=demo.urls[name], timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def airports(demo: Demo) -> Iterator[httpx.Client]:
    yield from _client(demo, "airports")


@pytest.fixture(scope="session")
def holidays(demo: Demo) -> Iterator[httpx.Client]:
    yield from _client(demo, "holidays")


@pytest.fixture(scope="session")
def clocks(demo: Demo) -> Iterator[httpx.Client]:
    yield from _client(demo, "clocks")


@pytest.fixture(scope="session")
def start() -> object:
    """``with start(folder, *options) as services``: another process, stopped on the way out."""
    return started
