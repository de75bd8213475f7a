"""What docs/how-to/cold-start.md tells of ``distance``: its cold start is at least twice as fast as it was.

``distance_before`` is the function as it was. Work is counted, not timed: the calls that Python makes, in all
threads, from the first call of a cold function to its answer.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import running, until

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
BEFORE = Path(__file__).parent / "distance_before"
QUERY = "lat=52.37&lon=4.9"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Calls of Python and of C functions, in this thread and in those that begin meanwhile."""
    counts: Counter[str] = Counter()

    def count(_frame: Any, event: str, _argument: Any) -> None:
        counts["calls"] += event in ("call", "c_call")

    before = sys.getprofile()
    threading.setprofile(count)
    sys.setprofile(count)
    try:
        yield counts
    finally:
        sys.setprofile(before)
        threading.setprofile(None)  # type: ignore[arg-type]


async def cold_starts(root: Path, package: Path) -> tuple[int, int, str]:
    """Calls of the first cold start of all, of the one after an eviction, and the answer."""
    root.mkdir()
    shutil.copytree(package, root / "distance", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_geo.py", "distance/airports.csv"):
        shutil.copy(ROOT / "functions" / name, root / name)
    async with running(root) as runtime:
        function = runtime.function("distance")
        with counted() as first:
            answer = await runtime.body("distance", query=QUERY)
        function.rest()
        await until(lambda: not [each for each in function.lives.retired if each.state != "evicted"])
        gc.collect()
        # Threads that are there already are not counted: the function's own shall begin anew.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        with counted() as again:
            assert await runtime.body("distance", query=QUERY) == answer
    return first["calls"], again["calls"], answer


async def test_it_starts_twice_as_fast_as_before(tmp_path: Path) -> None:
    """First ever and after an eviction, its first call included; and it answers the same."""
    first, again, answer = await cold_starts(tmp_path / "now", ROOT / "functions" / "distance")
    first_before, again_before, answer_before = await cold_starts(tmp_path / "before", BEFORE)
    assert answer == answer_before
    assert '"iata":"AMS"' in answer
    assert first_before >= 2 * first
    assert again_before >= 2 * again
