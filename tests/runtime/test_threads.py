"""Threads for blocking work: few, daemonic, used again, and honest about what came of it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bff.errors import Overloaded
from bff.runtime.threads import MAX_STUCK, NoThreadLeft, Threads
from tests.runtime.conftest import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads("test", 2)
    yield threads
    threads.close()


def names() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("test-"))


class Blocked:
    """A job that runs until it is released."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self) -> str:
        self.entered.set()
        assert self.release.wait(60)
        return threading.current_thread().name


def give_up_all(threads: Threads) -> None:
    """Wait for none of those that run now."""
    for job in list(threads._running):
        assert threads._give_up(job)


async def test_a_call_runs_in_a_daemon_thread_of_that_name(threads: Threads) -> None:
    """Never on the loop, and shutdown does not wait for it."""
    thread = await threads.run(threading.current_thread)
    assert thread is not threading.main_thread()
    assert (thread.name, thread.daemon) == ("test-1", True)


async def test_one_thread_is_used_again(threads: Threads) -> None:
    """Calls that follow each other need one thread."""
    assert len({await threads.run(threading.get_ident) for _ in range(50)}) == 1
    assert repr(threads) == "<Threads test: 0 busy of 1, at most 2>"


async def test_there_are_never_more_than_allowed(threads: Threads) -> None:
    """A third call waits for one of the two, and is then done by it."""
    first, second, third = Blocked(), Blocked(), Blocked()
    jobs = [asyncio.create_task(threads.run(each)) for each in (first, second, third)]
    await until(lambda: first.entered.is_set() and second.entered.is_set())
    assert not third.entered.is_set()
    assert names() == ["test-1", "test-2"]
    third.release.set()
    second.release.set()
    freed = await jobs[1]
    assert await jobs[2] == freed
    first.release.set()
    assert {await jobs[0], freed} == {"test-1", "test-2"}


async def test_a_waiter_that_leaves_drops_its_job(threads: Threads) -> None:
    """What has not begun is never done; the one behind it comes sooner."""
    blocked = [Blocked(), Blocked()]
    jobs = [asyncio.create_task(threads.run(each)) for each in blocked]
    done: list[str] = []
    left = asyncio.create_task(threads.run(lambda: done.append("left")))
    stays = asyncio.create_task(threads.run(lambda: done.append("stays")))
    await until(lambda: all(each.entered.is_set() for each in blocked))
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    for each in blocked:
        each.release.set()
    await asyncio.gather(*jobs, stays)
    assert done == ["stays"]
    await until(lambda: "0 busy" in repr(threads))


async def test_a_job_that_has_begun_runs_on_unheard(threads: Threads) -> None:
    """Its thread takes the next one afterwards."""
    blocked = Blocked()
    job = asyncio.create_task(threads.run(blocked))
    await until(blocked.entered.is_set)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert "1 busy" in repr(threads)
    blocked.release.set()
    await until(lambda: "0 busy" in repr(threads))
    assert await threads.run(lambda: 3) == 3


@pytest.mark.parametrize("late", [False, True], ids=["while it runs", "as it ends"])
async def test_a_result_nobody_waits_for_is_handed_on(threads: Threads, *, late: bool) -> None:
    """What was made for nobody can still be let go of, also when it came in the turn of the cancellation."""
    unheard: list[str] = []
    blocked = Blocked()
    job = asyncio.create_task(threads.run(blocked, unheard=unheard.append))
    await until(blocked.entered.is_set)
    if late:
        deliver = threads._deliver

        def delivered_then_cancelled(*args: Any) -> None:
            deliver(*args)
            job.cancel()

        threads._deliver = delivered_then_cancelled  # type: ignore[method-assign]
        blocked.release.set()
    else:
        job.cancel()
        blocked.release.set()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert await until(lambda: unheard) == ["test-1"]


async def test_what_is_heard_or_fails_or_never_began_is_not_handed_on(threads: Threads) -> None:
    """Only a result without a listener."""
    unheard: list[Any] = []
    assert await threads.run(lambda: 1, unheard=unheard.append) == 1
    blocked = [Blocked(), Blocked()]
    jobs = [asyncio.create_task(threads.run(each)) for each in blocked]
    waiting = asyncio.create_task(threads.run(lambda: 2, unheard=unheard.append))
    await until(lambda: all(each.entered.is_set() for each in blocked))
    waiting.cancel()

    def fail() -> None:
        raise OSError

    failing = asyncio.create_task(threads.run(fail, unheard=unheard.append))
    await asyncio.sleep(0)
    failing.cancel()
    for each in blocked:
        each.release.set()
    await asyncio.gather(*jobs, waiting, failing, return_exceptions=True)
    await until(lambda: "0 busy" in repr(threads))
    assert unheard == []


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        KeyError("y"),
        SystemExit(3),
        asyncio.CancelledError(),
        TimeoutError(),
    ],
    ids=repr,
)
async def test_what_a_call_raises_is_raised_here(threads: Threads, error: BaseException) -> None:
    """The same exception, whatever it is, and the thread lives on."""

    def fail() -> None:
        raise error

    try:
        await threads.run(fail)
    except BaseException as raised:
        assert raised is error  # noqa: PT017 - pytest.raises would not catch them all alike
    assert await threads.run(lambda: "next") == "next"


async def test_stop_iteration_arrives_as_what_it_is(threads: Threads) -> None:
    """It cannot travel through an await: a RuntimeError comes, and it is the cause (PEP 479)."""

    def fail() -> None:
        raise StopIteration(7)

    with pytest.raises(RuntimeError, match="StopIteration was raised") as caught:
        await threads.run(fail)
    assert isinstance(caught.value.__cause__, StopIteration)
    assert caught.value.__cause__.value == 7


async def test_context_variables_travel(threads: Threads) -> None:
    """As they were when the call was made; what the thread sets stays there."""
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
    var.set("mine")

    def read_and_set() -> str:
        seen = var.get()
        var.set("theirs")
        return seen

    assert [await threads.run(read_and_set) for _ in range(2)] == ["mine", "mine"]
    assert var.get() == "mine"


async def test_an_idle_thread_holds_nothing(threads: Threads) -> None:
    """What was called, what it returned, what it raised and its context can be collected."""

    class Thing:
        def __call__(self) -> Thing:
            return Thing()

        def fail(self) -> None:
            raise ValueError(self)

    def once(method: Callable[[Thing], Callable[[], Any]]) -> tuple[weakref.ref[Any], Callable[[], Any]]:
        thing = Thing()
        return weakref.ref(thing), method(thing)

    refs = []
    for method in (lambda thing: thing, lambda thing: thing.fail):
        ref, call = once(method)
        refs.append(ref)
        job: Any = asyncio.create_task(threads.run(call))
        await asyncio.wait({job})
        job.exception()
        del job, call

    def is_gone() -> bool:
        gc.collect()
        return [ref() for ref in refs] == [None, None]

    await until(is_gone)  # the thread lets go a moment after it has delivered


async def test_closing_ends_the_threads_once_they_are_idle(threads: Threads) -> None:
    """What runs and what waits is still done; nothing new is taken."""
    blocked = Blocked()
    job = asyncio.create_task(threads.run(blocked))
    await until(blocked.entered.is_set)
    behind = asyncio.create_task(threads.run(lambda: "behind"))
    await asyncio.sleep(0)
    threads.close()
    threads.close()
    with pytest.raises(RuntimeError, match="closed"):
        await threads.run(lambda: None)
    blocked.release.set()
    assert (await job, await behind) == ("test-1", "behind")
    await until(lambda: names() == [])


async def test_closed_before_anything_began() -> None:
    """No thread was started, none is left."""
    threads = Threads("test", 1)
    threads.close()
    assert names() == []


def test_a_loop_that_closed_meanwhile_is_no_accident() -> None:
    """The thread ends quietly: nobody waits any more."""
    threads, blocked = Threads("test", 1), Blocked()

    async def leave() -> None:
        job = asyncio.create_task(threads.run(blocked))
        await until(blocked.entered.is_set)
        job.cancel()

    asyncio.run(leave())
    blocked.release.set()
    ends = time.monotonic() + 10
    while names():
        assert time.monotonic() < ends
        time.sleep(0.001)


async def test_fresh_threads_take_over_from_those_that_hang() -> None:
    """Replaced, the work behind a hanging job is done at once; the old thread ends with what it does."""
    threads, hanging = Threads("test", 1), Blocked()
    stuck = asyncio.create_task(threads.run(hanging))
    await until(hanging.entered.is_set)
    behind = asyncio.create_task(threads.run(lambda: threading.current_thread().name))
    await asyncio.sleep(0)
    give_up_all(threads)
    assert await behind == "test-2"
    assert "1 stuck" in repr(threads)
    hanging.release.set()
    assert await stuck == "test-1"
    await until(lambda: names() == ["test-2"])
    assert await threads.run(lambda: threading.current_thread().name) == "test-2"
    assert repr(threads) == "<Threads test: 0 busy of 1, at most 1>"
    threads.close()
    await until(lambda: names() == [])


async def test_an_idle_thread_needs_no_replacement(threads: Threads) -> None:
    """It hangs in nothing."""
    await threads.run(lambda: None)
    give_up_all(threads)
    assert await threads.run(lambda: threading.current_thread().name) == "test-1"


async def test_one_that_came_back_serves_again_where_it_was_not_replaced() -> None:
    """Nobody waited meanwhile, so there was no need for another."""
    threads, hanging = Threads("test", 1), Blocked()
    stuck = asyncio.create_task(threads.run(hanging))
    await until(hanging.entered.is_set)
    give_up_all(threads)
    assert names() == ["test-1"]
    hanging.release.set()
    assert await stuck == "test-1"
    assert await threads.run(lambda: threading.current_thread().name) == "test-1"
    threads.close()
    await until(lambda: names() == [])


async def test_threads_that_hang_are_replaced_only_so_often() -> None:
    """None of them can be killed: past the bound who waits is told at once, until one comes back."""
    threads, gate = Threads("test", 1), threading.Event()
    hanging = []
    for _ in range(MAX_STUCK + 1):
        assert threads.can_serve
        hanging.append(threads.submit(gate.wait))
        await until(lambda: len(threads._running) == len(hanging))
        behind = threads.submit(lambda: "behind")
        (job,) = (each for each in threads._running if not each.is_stuck)
        threads._give_up(job)
        if threads.can_serve:
            assert await behind == "behind"
    assert (len(names()), threads.can_serve) == (MAX_STUCK + 1, False)
    with pytest.raises(NoThreadLeft):
        await behind
    with pytest.raises(NoThreadLeft):
        threads.submit(lambda: None)
    gate.set()
    await asyncio.gather(*hanging)
    assert await threads.run(lambda: "again") == "again"
    threads.close()
    await until(lambda: names() == [])


async def test_no_more_jobs_wait_than_the_queue_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all threads hung, whoever comes after the bound is refused at once with 503."""
    monkeypatch.setattr("bff.runtime.threads.LONGEST_QUEUE", 3)
    gate = threading.Event()
    threads = Threads("queue", 1)
    try:
        jobs = [threads.submit(gate.wait) for _ in range(4)]
        with pytest.raises(Overloaded):
            threads.submit(gate.wait)
    finally:
        gate.set()
        await asyncio.gather(*jobs)
        threads.close()
