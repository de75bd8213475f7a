"""CPU microseconds of a warm call through the invoker, and of the instance's own part of it alone: of a handler
that answers at once, and of one that waits once, for which the deadline's timer is set and cancelled.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks.probes.house import invocation, open_house, sent
from benchmarks.projects import HELLO, project
from bff.app import House
from bff.runtime.activator import Activator
from bff.sdk.invocation import Invocation, current

WAITS = "import asyncio\n" + HELLO.replace("    return", "    await asyncio.sleep(0)\n    return")
HANDLERS = {"answers at once": "hello", "waits once": "waits"}
SETTINGS = "functions: {hello: {concurrency: 100}, waits: {concurrency: 100}}\n"


async def measure(rounds: int, calls: int) -> dict[str, list[float]]:
    with project({"hello": HELLO, "waits": WAITS}, SETTINGS) as config:
        async with open_house(config) as house:
            house.signals.listen(Invocation, lambda said: None)
            compared = {
                f"{handler}, {name}": call
                for handler, function in HANDLERS.items()
                for name, call in (await both(house, function)).items()
            }
            found: dict[str, list[float]] = {name: [] for name in compared}
            for number in range(-1, rounds):  # the first is dropped
                for name, call in compared.items():
                    took = await timed(call, calls)
                    if number >= 0:
                        found[name].append(took)
            return found


async def both(house: House, function: str) -> dict[str, Callable[[], Awaitable[None]]]:
    """A call of a function that is warm, through the door and without it."""
    await house.invoker.invoke(invocation(function), sent)
    live = house.invoker.functions[function].live
    assert isinstance(live, Activator)
    assert live.instance is not None
    instance = live.instance

    async def through() -> None:
        made = invocation(function)
        await house.invoker.invoke(made, sent)
        made.ended = made.clock.now()
        house.signals.emit(made)

    async def alone() -> None:
        made = invocation(function)
        current.set(made)
        await sent(await instance.call(made))

    return {"through the door": through, "the instance alone": alone}


async def timed(call: Callable[[], Awaitable[None]], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        await call()
    return 1e6 * (time.process_time() - began) / calls


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))))
