"""A pool of real processes behind a function: evicted, crashed and replaced under calls, and nobody is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bff.clock import SystemClock
from bff.errors import DeadlineExceeded, FunctionCrashed
from bff.runtime.autoscaler import Policy
from bff.runtime.keeper import Keeper
from bff.runtime.pool import Pool
from bff.signals import Evicted, InstanceDead, WarmedUp
from tests.runtime.conftest import Runtime, running, until
from tests.runtime.isolation.conftest import is_running

pytestmark = pytest.mark.anyio

CONCURRENCY = 2
WORK = """
    import asyncio, os, time
    inside = 0
    async def handle(do: str = ""):
        global inside
        inside += 1
        try:
            if do == "exit": os._exit(3)
            while do == "loop": pass
            await asyncio.sleep(0.005)
            return f"{os.getpid()} {inside}"
        finally:
            inside -= 1
"""


@asynccontextmanager
async def house(root: Path, **changed: Any) -> AsyncIterator[Runtime]:
    """A runtime with one process function, and its forkserver closed at the end."""
    async with running(root, clock=SystemClock()) as runtime:
        runtime.signals.listen(InstanceDead, runtime.heard.append)
        runtime.write(home=WORK)
        policy = Policy(max=2, initial=2, idle=60)
        usual: dict[str, Any] = {
            "env": {},
            "isolation": "process",
            "timeout": 60.0,
            "warm_up_timeout": 60.0,
            "concurrency": CONCURRENCY,
            "scale": policy,
        }
        function = runtime.function("home", **usual | changed)
        try:
            yield runtime
        finally:
            await runtime.close()
            await function._making._forkserver.close()


def pool_of(runtime: Runtime) -> Pool:
    live = runtime.invoker.functions["home"].live
    assert isinstance(live, Pool)
    return live


def fresh(runtime: Runtime, killed: set[int]) -> Any:
    """The instance that has come after those."""
    instance = pool_of(runtime).instance
    return instance if instance is not None and instance.pid not in killed else None


STEPS = st.lists(
    st.sampled_from(["call", "call", "call", "exit", "loop", "evict", "kill", "leave", "moment"]),
    min_size=6,
    max_size=14,
)


@pytest.mark.timeout(240)
@given(STEPS)
@hypothesis_settings(max_examples=4, deadline=None)
def test_no_call_is_lost_whatever_becomes_of_the_processes(steps: list[str]) -> None:
    """Each is answered, told of the crash it was inside of or of its deadline, or has left; never more inside
    than allowed; and no process is left.
    """

    async def tell() -> None:
        pids: set[int] = set()
        left: set[asyncio.Task[Any]] = set()
        with tempfile.TemporaryDirectory() as folder:
            async with house(Path(folder) / "functions") as runtime:
                calls = [runtime.calling(seconds=60)]
                await asyncio.wait(calls)
                for step in steps:
                    await take(step, runtime, calls, left)
                    pids |= {instance.pid for instance in pool_of(runtime).warm_instances}
                results = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 120)
                for call, result in zip(calls, results, strict=True):
                    judge(call, result, left)
        await until(lambda: not any(is_running(pid) for pid in pids))
        assert len(runtime.of(Evicted)) + len(runtime.of(InstanceDead)) == len(runtime.of(WarmedUp))

    asyncio.run(tell())


async def take(step: str, runtime: Runtime, calls: list[Any], left: set[asyncio.Task[Any]]) -> None:
    match step:
        case "call":
            calls.extend(runtime.calling(seconds=2) for _ in range(8))
        case "exit":
            calls.append(runtime.calling(query="do=exit", seconds=2))
        case "loop":
            calls.append(runtime.calling(query="do=loop", seconds=0.3))
        case "evict":
            runtime.invoker.functions["home"].rest()
        case "kill" if instance := pool_of(runtime).instance:
            os.kill(instance.pid, signal.SIGKILL)
        case "leave" if staying := [call for call in calls if not call.done()]:
            left.add(staying[-1])
            staying[-1].cancel()
        case "moment":
            await asyncio.sleep(0.02)
    await asyncio.sleep(0)


def judge(call: asyncio.Task[Any], result: Any, left: set[asyncio.Task[Any]]) -> None:
    if isinstance(result, asyncio.CancelledError):
        assert call in left, "cancelled, though it did not leave"
    elif isinstance(result, BaseException):
        assert isinstance(result, FunctionCrashed | DeadlineExceeded), repr(result)
    else:
        _, inside = result.body.split()
        assert int(inside) <= CONCURRENCY


@pytest.mark.timeout(240)
async def test_ten_thousand_calls_at_once_and_one_process(tmp_path: Path) -> None:
    """``max: 1`` and room for a hundred: one warm-up, one process, ten thousand answers."""
    async with house(tmp_path / "functions", scale=Policy(max=1), concurrency=100) as runtime:
        answers = await asyncio.gather(*(runtime.body(seconds=200) for _ in range(10_000)))
        assert len({answer.split()[0] for answer in answers}) == 1
        assert max(int(answer.split()[1]) for answer in answers) <= 100
        assert len(runtime.of(WarmedUp)) == 1


async def test_nobody_is_let_in_where_a_handler_still_runs(tmp_path: Path) -> None:
    """An infinite loop with one place: who waits is not handed the place of the one that was told 504, but that
    of the process that takes over; none of them is lost with it.
    """
    async with house(tmp_path / "functions", scale=Policy(max=1), concurrency=1) as runtime:
        first = await runtime.body()
        loop = runtime.calling(query="do=loop", seconds=0.3)
        await until(lambda: pool_of(runtime).in_flight)
        waiting = [runtime.calling(seconds=60) for _ in range(5)]
        with pytest.raises(DeadlineExceeded):
            await loop
        answers = [answer.body.decode() for answer in await asyncio.gather(*waiting)]
        assert {answer.split()[1] for answer in answers} == {"1"}
        assert first.split()[0] not in {answer.split()[0] for answer in answers}


async def test_min_comes_back_later_and_later_where_processes_die_by_themselves(tmp_path: Path) -> None:
    """Kept warm, but not by forking without end: after the second death in a row each waits twice as long."""
    died: list[float] = []
    waited: list[float] = []
    async with house(tmp_path / "functions", scale=Policy(min=1, max=1)) as runtime:
        runtime.signals.listen(InstanceDead, lambda _: died.append(runtime.clock.now()))
        runtime.signals.listen(
            WarmedUp, lambda _: waited.append(runtime.clock.now() - died[-1] if died else 0)
        )
        await runtime.invoker.functions["home"].keep_warm()
        killed: set[int] = set()
        for _ in range(4):
            instance = await until(lambda: fresh(runtime, killed))
            killed.add(instance.pid)
            os.kill(instance.pid, signal.SIGKILL)
            await until(lambda: len(died) == len(killed))
        await until(lambda: len(waited) == 5)
    for least, found in zip((0.0, 0.0, 0.1, 0.2, 0.4), waited, strict=True):
        assert found >= least


async def test_a_process_that_had_its_calls_makes_room_for_a_fresh_one(tmp_path: Path) -> None:
    """Recycled after ``max_calls``: no call is lost on the way."""
    changed = {"max_calls": 5, "scale": Policy(max=1), "concurrency": 1}
    async with house(tmp_path / "functions", **changed) as runtime:
        pids = [(await runtime.body()).split()[0] for _ in range(20)]
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [5, 5, 5, 5]
        together = await asyncio.gather(*(runtime.body(seconds=30) for _ in range(20)))
        assert len({answer.split()[0] for answer in together}) == 4
        await until(lambda: len(runtime.of(Evicted)) >= 7)


async def test_every_process_is_asked_whether_it_is_alive(tmp_path: Path) -> None:
    """And the one that says no goes, no other."""
    async with house(tmp_path / "functions", scale=Policy(min=2, max=2)) as runtime:
        runtime.write(
            home="""
                import os
                from pathlib import Path
                class Handler:
                    def alive(self): return not Path(__file__).with_name(f"{os.getpid()}.dead").exists()
                    async def handle(self): return os.getpid()
                def new(): return Handler()
            """
        )
        function = runtime.invoker.functions["home"]
        await function.keep_warm()
        await until(lambda: len(pool_of(runtime).warm_instances) == 2)
        kept, dead = pool_of(runtime).warm_instances
        (tmp_path / "functions" / f"{dead.pid}.dead").touch()
        keeper = Keeper(
            functions=lambda: runtime.invoker.functions,
            clock=runtime.clock,
            signals=runtime.signals,
            max_warm=10,
        )
        keeper._warm["home"] = function
        keeper._probe_all(runtime.clock.now())
        await until(lambda: runtime.of(InstanceDead))
        await until(lambda: len(pool_of(runtime).warm_instances) == 2)
        assert kept in pool_of(runtime).warm_instances
        assert dead not in pool_of(runtime).warm_instances
        assert len(runtime.of(InstanceDead)) == 1
