"""Threads of synchronous handlers: those that nobody waits for are counted and replaced, then calls refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from bff.errors import DeadlineExceeded, FunctionStuck
from bff.runtime.handlerthreads import GRACE
from bff.runtime.threads import MAX_STUCK
from bff.signals import ThreadsStuck
from bff.testing import ManualClock
from tests.runtime.conftest import Runtime, failure_of, until

pytestmark = pytest.mark.anyio

HANGS = """
    import gate
    def handle(hang: bool = False) -> str:
        gate.see("in")
        if hang:
            gate.held.wait(30)
        return "ok"
"""


@pytest.fixture
def held(gate: object) -> Iterator[threading.Event]:
    """What hanging handlers wait for."""
    held = gate.held = threading.Event()  # type: ignore[attr-defined]
    yield held
    held.set()


@pytest.fixture
async def home(runtime: Runtime, held: threading.Event) -> AsyncIterator[Runtime]:
    """A function with two threads."""
    runtime.write(home=HANGS)
    await runtime.live("home", threads=2)
    yield runtime
    held.set()
    await until(lambda: not runtime.workshop.stuck.of("home"))


async def hang(runtime: Runtime, clock: ManualClock, count: int) -> None:
    """So many calls whose handlers go on after their 504."""
    before = len(busy(runtime))
    calls = [runtime.calling(query="hang=true", seconds=1) for _ in range(count)]
    await until(lambda: len(busy(runtime)) == before + count)
    await clock.advance(1)
    for call in calls:
        with pytest.raises(DeadlineExceeded):
            await call


def busy(runtime: Runtime) -> set[object]:
    live = runtime.invoker.functions["home"].live
    assert live is not None
    return live.instance.threads._running  # type: ignore[union-attr]


def running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("home-")]


def counts(runtime: Runtime) -> list[int]:
    return [said.count for said in runtime.of(ThreadsStuck)]


async def test_one_that_goes_on_is_counted_and_replaced(home: Runtime, clock: ManualClock) -> None:
    """Not before its grace is over; and both threads serve again then."""
    await hang(home, clock, 2)
    late = home.calling()
    await clock.advance(GRACE - 0.01)
    assert (counts(home), late.done()) == ([], False)
    await clock.advance(0.01)
    assert counts(home) == [1, 2]
    assert (await late).body == b"ok"
    assert home.invoker.functions["home"].status()["stuck_threads"] == 2
    assert await asyncio.gather(*(home.body() for _ in range(5))) == ["ok"] * 5
    assert len(running()) <= 4


async def test_one_that_ends_within_its_grace_is_not_stuck(
    home: Runtime, clock: ManualClock, held: threading.Event
) -> None:
    """Slow is not stuck."""
    await hang(home, clock, 2)
    held.set()
    await until(lambda: not busy(home))
    await clock.advance(GRACE)
    assert counts(home) == []


async def test_one_that_comes_back_is_counted_no_more(
    home: Runtime, clock: ManualClock, held: threading.Event
) -> None:
    """And there are no more threads than before."""
    await hang(home, clock, 2)
    await clock.advance(GRACE)
    assert await home.body() == "ok"
    held.set()
    await until(lambda: counts(home)[-1] == 0)
    assert counts(home) == [1, 2, 1, 0]
    assert await home.body() == "ok"
    await until(lambda: len(running()) <= 2)
    assert home.invoker.functions["home"].status()["stuck_threads"] == 0


async def all_stuck(home: Runtime, clock: ManualClock) -> None:
    for expected in range(2, MAX_STUCK + 3, 2):
        await hang(home, clock, 2)
        await clock.advance(GRACE)
        assert home.workshop.stuck.of("home") == expected
    assert len(running()) == MAX_STUCK + 2


async def test_past_the_bound_calls_are_refused(
    home: Runtime, clock: ManualClock, held: threading.Event
) -> None:
    """With 503 and Retry-After, at once; not for ever, should they end after all."""
    await all_stuck(home, clock)
    with pytest.raises(FunctionStuck) as refused:
        await home.call()
    assert (refused.value.status, dict(refused.value.headers())) == (503, {"retry-after": "1"})
    assert str(refused.value) == "10 threads of function home do not end; none is left for this call."
    held.set()
    await until(lambda: home.workshop.stuck.of("home") == 0)
    assert await home.body() == "ok"


async def test_who_waited_when_the_last_one_got_stuck_is_refused_too(
    home: Runtime, clock: ManualClock
) -> None:
    """Nobody would come for them."""
    for _ in range(MAX_STUCK // 2):
        await hang(home, clock, 2)
        await clock.advance(GRACE)
    await hang(home, clock, 2)
    waiting = [home.calling() for _ in range(3)]
    await clock.advance(GRACE)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [FunctionStuck] * 3


async def test_a_fresh_instance_finds_them_there(home: Runtime, clock: ManualClock) -> None:
    """The bound is the function's: neither eviction nor a save makes room for more that hang."""
    await all_stuck(home, clock)
    home.invoker.functions["home"].rest()
    with pytest.raises(FunctionStuck):
        await home.call()
    assert len(running()) == MAX_STUCK + 2


async def test_isolation_thread_is_for_plain_functions(runtime: Runtime) -> None:
    """A ``def`` runs as ever; an ``async def`` would run on the event loop, and is refused with place and remedy."""
    runtime.write(home="import threading\ndef handle(): return threading.current_thread().name\n")
    runtime.write(other="\nasync def handle(): ...\n")
    runtime.function("home", isolation="thread")
    assert await runtime.body() == "home-1"
    failure = await failure_of(runtime.function("other", isolation="thread"))
    assert failure.where == "functions/other.py:2"
    assert "isolation: thread" in failure.why
    assert "plain `def`" in failure.remedy
