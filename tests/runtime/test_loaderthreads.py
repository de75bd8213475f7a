"""Where module bodies run: one that does not end costs a thread, never the others their turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bff.errors import FunctionNotLoaded, LoaderHeldUp, LoadHangs
from bff.runtime.loaderthreads import HELP_AFTER
from bff.runtime.threads import MAX_STUCK
from bff.testing import ManualClock
from tests.runtime.conftest import Gate, Runtime, failure_of, until

pytestmark = pytest.mark.anyio

HANGS = "import gate\ngate.see('{0}')\nassert gate.held.wait(30)\nasync def handle(): return '{0}'\n"
FINE = (
    "import gate, threading\ngate.see(threading.current_thread().name)\nasync def handle(): return 'fine'\n"
)
LONG = 10.0
"""The warm_up_timeout of all."""


@pytest.fixture
def held(gate: Gate) -> Iterator[threading.Event]:
    """What hanging module bodies wait for."""
    held = gate.held = threading.Event()  # type: ignore[attr-defined]
    yield held
    held.set()


def threads_of(runtime: Runtime, name: str) -> Any:
    return runtime.invoker.functions[name].status()["stuck_threads"]


async def hang(runtime: Runtime, clock: ManualClock, gate: Gate, name: str) -> FunctionNotLoaded:
    """How the first call of a function fails that does not import."""
    before = len(gate.seen)
    calling = asyncio.create_task(failure_of(runtime.invoker.functions[name]))
    await until(lambda: len(gate.seen) > before or calling.done())
    if not calling.done():
        await clock.advance(LONG)
    return await calling


async def test_a_second_thread_helps_while_an_import_takes_long(
    runtime: Runtime, clock: ManualClock, gate: Gate, held: threading.Event
) -> None:
    """Not at once, but soon; and it leaves again: whoever comes later finds the first."""
    runtime.write(slow=HANGS.format("slow"), home=FINE, later=FINE)
    for name in ("slow", "home", "later"):
        runtime.function(name)
    slow = runtime.calling("slow")
    await until(lambda: gate.seen == ["slow"])
    hello = runtime.calling()
    await until(lambda: runtime.loader_thread._busy == 2)
    assert gate.seen == ["slow"]
    await clock.advance(HELP_AFTER)
    assert (await hello).body == b"fine"
    assert gate.seen == ["slow", "bff-loader-2"]
    held.set()
    assert (await slow).body == b"slow"
    await until(lambda: runtime.loader_thread._serving == 1)
    assert (await runtime.call("later")).body == b"fine"


async def test_revisions_that_load_at_once_know_nothing_of_each_other(
    runtime: Runtime, clock: ManualClock, gate: Gate, held: threading.Event
) -> None:
    """Each warm-up has its own imports, and no more, in its tree."""
    runtime.write(
        slow=f"import _a\n{HANGS.format('slow')}import _b\n", _a="", _b="", home=f"import _c\n{FINE}", _c=""
    )
    slow, home = runtime.function("slow"), runtime.function()
    warming = asyncio.create_task(slow.activate())
    await until(lambda: gate.seen == ["slow"])
    other = asyncio.create_task(home.activate())
    await until(lambda: runtime.loader_thread._busy == 2)
    await clock.advance(HELP_AFTER)
    inside = await other
    held.set()
    outside = await warming

    def names(live: Any) -> set[str]:
        return {module.name for _, module in live.last_warm_up.imports.walk()} - {""}

    assert names(inside) == {"home", "_c"}
    assert names(outside) == {"slow", "_a", "_b"}


async def test_files_that_hang_are_not_tried_for_ever(
    runtime: Runtime, clock: ManualClock, gate: Gate, held: threading.Event
) -> None:
    """Two threads are all a revision may cost; then 503 at once with the remedy, until its files are others."""
    runtime.write(home=HANGS.format("home"))
    function = runtime.function()
    for count in (1, 2):
        assert (await hang(runtime, clock, gate, "home")).why == "importing it did not end within 10 s"
        assert threads_of(runtime, "home") == count
    await clock.advance(20)  # past any back-off
    refused = await failure_of(function)
    assert isinstance(refused, LoadHangs)
    assert (refused.status, len(gate.seen)) == (503, 2)
    assert "2 threads run its module" in refused.why
    assert "isolation: process" in refused.remedy
    assert refused.report() == function.status()["failure"]
    runtime.write(home=FINE)
    assert await function.refresh()
    assert (await runtime.call()).body == b"fine"
    held.set()
    await until(lambda: threads_of(runtime, "home") == 0)


async def test_one_that_comes_back_may_be_tried_again(
    runtime: Runtime, clock: ManualClock, gate: Gate, held: threading.Event
) -> None:
    """It was slow, and did not hang; nothing of the late load is left."""
    runtime.write(home=HANGS.format("home"))
    runtime.function()
    for _ in range(2):
        await hang(runtime, clock, gate, "home")
    held.set()
    await until(lambda: threads_of(runtime, "home") == 0)
    await clock.advance(20)
    assert (await runtime.call()).body == b"home"


async def test_innocent_functions_are_not_blamed_when_no_thread_is_left(
    runtime: Runtime, clock: ManualClock, gate: Gate, held: threading.Event
) -> None:
    """Past the bound it is 503, at once, and the gateway's fault; who waited already is told in that moment."""
    hanging = [f"hung{at}" for at in range(MAX_STUCK + 2)]
    for name in hanging:
        runtime.write(**{name: HANGS.format(name)})
        runtime.function(name)
    runtime.write(home=FINE)
    home = runtime.function()
    for name in hanging[:-1]:
        await hang(runtime, clock, gate, name)
    last = runtime.calling(hanging[-1])
    await until(lambda: hanging[-1] in gate.seen)
    waiting = asyncio.create_task(failure_of(home))
    await until(lambda: runtime.loader_thread._busy == 2)
    await clock.advance(LONG)
    with pytest.raises(FunctionNotLoaded):
        await last
    for failure in (await waiting, await failure_of(home)):
        assert isinstance(failure, LoaderHeldUp), failure.report()
        assert (failure.status, failure.fault) == (503, "gateway")
        assert failure.why.startswith("no thread is left to import it, held up by hung0, hung1, ")
    held.set()
    await until(lambda: not runtime.workshop.stuck.loading)
    await clock.advance(20)
    assert (await runtime.call()).body == b"fine"


async def test_a_turn_that_does_not_come_is_the_gateways_fault(
    runtime: Runtime, clock: ManualClock, gate: Gate, held: threading.Event
) -> None:
    """Where both threads are busy with imports that are only slow."""
    for name in ("slow1", "slow2"):
        runtime.write(**{name: HANGS.format(name)})
        runtime.function(name, warm_up_timeout=60.0)
    slow = [runtime.calling(name) for name in ("slow1", "slow2")]
    await until(lambda: runtime.loader_thread._busy == 2)
    await clock.advance(HELP_AFTER)
    await until(lambda: sorted(gate.seen) == ["slow1", "slow2"])
    runtime.write(home=FINE)
    failing = asyncio.create_task(failure_of(runtime.function()))
    await until(lambda: runtime.loader_thread._busy == 3)
    await clock.advance(LONG)
    failure = await failing
    assert isinstance(failure, LoaderHeldUp)
    assert failure.why == "its turn to be imported did not come within 10 s"
    held.set()
    await asyncio.gather(*slow)


async def test_files_are_read_while_imports_hang(
    runtime: Runtime, clock: ManualClock, gate: Gate, held: threading.Event
) -> None:
    """A broken file is told as that, whoever holds up the loader."""
    runtime.write(home="def (", hung=HANGS.format("hung"))
    runtime.function("hung")
    hung = runtime.calling("hung")
    await until(lambda: gate.seen == ["hung"])
    assert (await failure_of(runtime.function())).where == "functions/home.py:1:5"
    held.set()
    await hung


async def test_reading_that_does_not_end_is_told(runtime: Runtime, clock: ManualClock) -> None:
    """A dead network disk, say: the first call of all has an end."""
    runtime.write(home=FINE)
    release = threading.Event()
    busy = runtime.reader_thread.submit(lambda: release.wait(60))
    failing = asyncio.create_task(failure_of(runtime.function()))
    await until(lambda: runtime.reader_thread._busy == 2)
    await clock.advance(LONG)
    assert (await failing).why == "reading its files did not end within 10 s"
    release.set()
    await busy
