"""What many warm functions allocate and what their eviction frees, as tracemalloc tells.

Every function is called and evicted once before the tracing is read: a revision's snapshot and compiled code
stay with the function (they make the next warm-up cheap) and belong to it, not to its instance.
"""

import asyncio
import gc
import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

from benchmarks.probes.house import evicted, invocation, open_house, sent
from benchmarks.projects import HELLO, names, project
from benchmarks.servers import ROOT

MOST_TOLD = 4


async def measure(count: int) -> dict[str, Any]:
    called = names(count)
    with project(dict.fromkeys(called, HELLO), "gateway: {max_warm: 100000}\n") as config:
        async with open_house(config) as house:

            async def all_called() -> None:
                for name in called:
                    await house.invoker.invoke(invocation(name), sent)

            tracemalloc.start()
            nothing = traced()
            await all_called()
            await evicted(house)
            before, cold = traced(), tracemalloc.take_snapshot()
            await all_called()
            warm = traced()
            await evicted(house)
            after = traced()
            kept = tracemalloc.take_snapshot().compare_to(cold, "lineno")
    return {
        "revision": before - nothing,
        "grown": warm - before,
        "returned": warm - after,
        "kept": [(place(each), each.size_diff) for each in kept[:MOST_TOLD] if each.size_diff > 0],
    }


def traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def place(difference: tracemalloc.StatisticDiff) -> str:
    frame = difference.traceback[0]
    path = Path(frame.filename)
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT / "bff") else path.name
    return f"{name}:{frame.lineno}"


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
