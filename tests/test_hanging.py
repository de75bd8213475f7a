"""The suite itself: a test that waits for ever fails, and those after it run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HANGING = """
import asyncio, pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio", {"use_uvloop": True}

@pytest.fixture
async def opened():
    yield
    print("closed")

async def test_waits(opened):
    await asyncio.Event().wait()

async def test_waits_for_what_swallows_its_cancellation(opened):
    async def stubborn():
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if not waiting.done():
                    waiting.set_result(None)
                    return
    waiting = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(stubborn())
    try:
        await asyncio.sleep(3600)
    finally:
        await task

async def test_is_good(opened):
    pass
"""


def test_a_test_that_hangs_on_uvloop_ends(tmp_path: Path) -> None:
    """Told as failed, with where it waited; and the next test runs."""
    (tmp_path / "test_it.py").write_text(HANGING)
    ran = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "tests.hanging",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:xdist",
            ),
            *(
                "--rootdir",
                str(tmp_path),
                "-c",
                "/dev/null",
                "--timeout",
                "0.3",
                "-rA",
                str(tmp_path / "test_it.py"),
            ),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "2 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "still running after 0.3 s" in ran.stdout
    assert "test_it.py:16 in test_waits" in ran.stdout
