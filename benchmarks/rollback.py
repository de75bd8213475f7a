"""Going back: how long until a revision that nobody has in memory any more answers the next call."""

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, Table, spread
from tests.house.inside import Inside, inside

FILES = {
    "routes.yaml": "telemetry: {access_log: false}\nroutes:\n- {path: /hello, function: hello}\n",
    "functions/hello.py": "async def handle() -> dict:\n    return {}\n",
}
HELLO = 'async def handle() -> dict:\n    return {{"hello": "{}"}}\n'


def measure(effort: Effort) -> Outcome:
    milliseconds = asyncio.run(rollbacks(effort.edits))
    found = Series.of(milliseconds)
    effort.say(f"  rollback to a cold hello: {spread(found, 1)} ms")
    table = Table(
        title="Rollback → first answer from the old revision",
        head=("what", "ms"),
        rows=[
            (
                "a hello that is cold: fetched, warmed, written down, traffic moved, called over HTTP",
                spread(found, 1),
            )
        ],
        note=f"{effort.edits} rollbacks on one gateway over a kept connection; median (lowest to highest).",
    )
    return Outcome(
        figures={"rollback.cold": found},
        tables=[table],
        rows=[{"benchmark": "rollback", "milliseconds": each} for each in milliseconds],
    )


async def rollbacks(count: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        async with inside(Path(folder), FILES, keeps_state=True) as served:
            await served.client.get("/hello")
            return [await one_rollback(served, number) for number in range(count)]


async def one_rollback(served: Inside, number: int) -> float:
    """A good revision and a bad one after it; milliseconds from the decision to go back to the good one's answer,
    the store's write to the disk included.
    """
    function = served.house.invoker.functions["hello"]
    for kind in ("good", "bad"):
        made = await served.deploy("hello", HELLO.format(f"{kind} {number}"))
        await served.move("hello", (made.name, 100))
        assert (await served.client.get("/hello")).headers["bff-revision"] == made.name
    while function.lives.retired and any(each.in_flight or each.instances for each in function.lives.retired):
        await asyncio.sleep(0.001)
    began = time.perf_counter()
    await served.rollback("hello")
    answer = await served.client.get("/hello")
    took = 1000 * (time.perf_counter() - began)
    assert answer.json() == {"hello": f"good {number}"}
    return took
