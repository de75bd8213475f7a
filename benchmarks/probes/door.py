"""CPU microseconds of a warm call through the invoker, and of the instance's own part of it alone."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks.probes.house import invocation, open_house, sent
from benchmarks.projects import HELLO, project
from bff.runtime.activator import Activator
from bff.sdk.invocation import Invocation, current

SETTINGS = "functions: {hello: {concurrency: 100}}\n"


async def measure(rounds: int, calls: int) -> dict[str, list[float]]:
    with project({"hello": HELLO}, SETTINGS) as config:
        async with open_house(config) as house:
            await house.invoker.invoke(invocation("hello"), sent)
            live = house.invoker.functions["hello"].live
            assert isinstance(live, Activator)
            assert live.instance is not None
            instance = live.instance
            house.signals.listen(Invocation, lambda said: None)

            async def through() -> None:
                made = invocation("hello")
                await house.invoker.invoke(made, sent)
                made.ended = made.clock.now()
                house.signals.emit(made)

            async def alone() -> None:
                made = invocation("hello")
                current.set(made)
                await sent(await instance.call(made))

            found: dict[str, list[float]] = {"through the door": [], "the instance alone": []}
            for number in range(-1, rounds):  # the first is dropped
                for name, call in (("through the door", through), ("the instance alone", alone)):
                    took = await timed(call, calls)
                    if number >= 0:
                        found[name].append(took)
            return found


async def timed(call: Callable[[], Awaitable[None]], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        await call()
    return 1e6 * (time.process_time() - began) / calls


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))))
