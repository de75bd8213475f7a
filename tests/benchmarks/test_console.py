"""What the console costs is measured on a house whose pages really are watched."""

import asyncio
import json
import re
from pathlib import Path

from benchmarks import console
from benchmarks.__main__ import BENCHMARKS
from benchmarks.figures import GOALS
from bff.app import Options, compose
from bff.config import load


async def parts_of(folder: Path) -> int:
    """How many parts a watcher is sent at first."""
    told: list[bytes] = []
    async with compose(load(folder / "routes.yaml"), Options()) as house:

        async def sent(message):
            told.append(message.get("body", b""))

        watching = asyncio.create_task(console.watch(house, "/console", sent))
        async with asyncio.timeout(60):
            while not re.search(rb"event: parts", b"".join(told)):
                await asyncio.sleep(0.01)
        watching.cancel()
    (data,) = re.findall(rb"data: (.*)\n", b"".join(told))
    return len(json.loads(data))


def test_a_page_is_watched(tmp_path):
    console.project(str(tmp_path))
    assert asyncio.run(parts_of(tmp_path)) >= 4


def test_both_goals_are_known():
    assert {goal.key for goal in GOALS if goal.benchmark == "console"} == {"console.watched", "console.paint"}
    assert BENCHMARKS["console"] is console.measure
