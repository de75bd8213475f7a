"""``alive`` is asked and awaited, whatever it does; who does not say yes is replaced, and nobody else."""

from __future__ import annotations

import pytest

from bff.runtime.hooks import GRACE
from bff.runtime.keeper import PROBE_EVERY, PROBE_TIMEOUT, Keeper
from bff.signals import Evicted, InstanceDead, WarmedUp
from bff.testing import ManualClock
from bff.testing.clock import settle
from tests.runtime.conftest import Gate, Runtime, until

pytestmark = pytest.mark.anyio

COUNTER = """
    import asyncio, gate
    class Counter:
        def __init__(self): self.calls = 0
        {alive}
        async def stop(self): gate.see("stop")
        async def handle(self):
            self.calls += 1
            return self.calls
    def new(): return Counter()
"""


@pytest.fixture
async def keeper(runtime: Runtime, clock: ManualClock) -> Keeper:
    runtime.signals.listen(InstanceDead, runtime.heard.append)
    return Keeper(
        functions=lambda: runtime.invoker.functions, clock=clock, signals=runtime.signals, max_warm=100
    )


async def asked(runtime: Runtime, keeper: Keeper, clock: ManualClock, alive: str) -> None:
    """A function that was called twice, once its ``alive`` was asked and had all the time it may take."""
    runtime.write(home=COUNTER.format(alive=alive))
    runtime.function()
    assert [await runtime.body() for _ in range(2)] == ["1", "2"]
    await clock.advance(PROBE_EVERY)
    keeper.look()
    await clock.advance(PROBE_TIMEOUT + GRACE)


@pytest.mark.parametrize(
    ("alive", "why"),
    [
        ("def alive(self): return False", "alive said no"),
        ("async def alive(self): await asyncio.sleep(0); return False, 'tired'", "alive said no: tired"),
        ("async def alive(self): await gate.wait()", "alive did not answer within 1 s"),
        ("def alive(self): raise OSError('db')", "alive raised OSError: db"),
        ("async def alive(self): raise TimeoutError('mine')", "alive raised TimeoutError: mine"),
        ("def alive(self): return ()", "alive raised ContractBroken: alive() returned ()"),
    ],
)
async def test_one_that_does_not_say_that_it_is_alive_is_replaced(
    runtime: Runtime, keeper: Keeper, clock: ManualClock, gate: Gate, alive: str, why: str
) -> None:
    """By a fresh instance of the same revision; the old one is stopped, and why is told."""
    await asked(runtime, keeper, clock, alive)
    await until(lambda: len(runtime.of(WarmedUp)) == 2 and runtime.of(Evicted))
    (dead,) = runtime.of(InstanceDead)
    assert (dead.function, dead.revision) == ("home", "home-dev-1")
    assert dead.why.startswith(why)
    assert await runtime.body() == "1"
    assert gate.seen == ["stop"]


@pytest.mark.parametrize(
    "alive",
    [
        "",
        "def alive(self): return True",
        "async def alive(self): await asyncio.sleep(0); return True, 'well'",
        "async def alive(self): ...",
    ],
)
async def test_one_that_is_alive_stays(
    runtime: Runtime, keeper: Keeper, clock: ManualClock, gate: Gate, alive: str
) -> None:
    """So does one that cannot be asked, and one that says nothing."""
    await asked(runtime, keeper, clock, alive)
    await settle()
    assert await runtime.body() == "3"
    assert (runtime.of(InstanceDead), gate.seen) == ([], [])
