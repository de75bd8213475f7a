"""Handlers that loop, crash, hoard and hang: the caller is told in time, and the process really ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from bff.errors import DeadlineExceeded, FunctionCrashed, OutOfMemory
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.isolation.limits import ProcessLimits
from bff.testing import ManualClock
from tests.runtime.isolation.conftest import Yard, as_time_passes, has_settled, is_running, until

pytestmark = pytest.mark.anyio

MEGABYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Notes:
    """How handlers tell that they have begun, and are told that they may go on. Nobody has to guess how long that takes:
    the gateway's clock stands still.
    """

    folder: Path

    def began(self, name: str = "") -> bool:
        return (self.folder / f"began{name}").exists()

    def let_go(self, name: str = "") -> None:
        (self.folder / f"go{name}").touch()

    def into(self, source: str) -> str:
        """The source with ``began(name)`` and ``may_go(name)``."""
        return f"""
from pathlib import Path
HERE = Path({str(self.folder)!r})
def began(name=""): (HERE / f"began{{name}}").touch()
def may_go(name=""): return (HERE / f"go{{name}}").exists()
{textwrap.dedent(source)}
"""


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path)


async def late(yard: Yard, instance: ProcessInstance, notes: Notes, query: str = "", name: str = "") -> None:
    """A call whose handler is inside when its deadline comes."""
    clock = yard.clock
    assert isinstance(clock, ManualClock)
    calling = asyncio.create_task(yard.call(instance, query, timeout=0.2))
    await until(lambda: notes.began(name))
    await clock.advance(0.2)
    with pytest.raises(DeadlineExceeded):
        await calling


@pytest.mark.parametrize(
    "home",
    [
        "async def handle():\n    began()\n    while True: pass",
        "def handle():\n    began()\n    while True: pass",
        "import time\ndef handle():\n    began()\n    time.sleep(600)",
        "import time\nasync def handle():\n    began()\n    time.sleep(600)",
        """
        import asyncio
        async def handle():
            began()
            while True:
                try: await asyncio.sleep(600)
                except asyncio.CancelledError: pass
        """,
    ],
    ids=["async loop", "sync loop", "sync sleep", "blocking sleep", "swallows its cancellation"],
)
async def test_a_handler_that_does_not_stop_costs_the_process_its_life(
    still_yard: Yard, notes: Notes, clock: ManualClock, home: str
) -> None:
    """504 leaves at the deadline, the kill follows."""
    instance = await still_yard.start(notes.into(home))
    await late(still_yard, instance, notes)
    assert is_running(instance.pid)
    await as_time_passes(clock, lambda: not is_running(instance.pid))
    assert not instance.is_alive
    await asyncio.wait_for(instance.gone(), 60)
    assert still_yard.gone == ["a handler did not stop when it was cancelled"]


WAITS = """
    import time
    def handle(name: str = ""):
        began(name)
        while not may_go(name): time.sleep(0.005)
"""


@pytest.mark.parametrize(
    "home",
    [
        "import asyncio\nasync def handle():\n    began()\n    if not may_go(): await asyncio.sleep(600)",
        WAITS,
    ],
)
async def test_a_handler_that_stops_soon_costs_nothing(
    still_yard: Yard, notes: Notes, clock: ManualClock, home: str
) -> None:
    """It confirms that it has ended."""
    instance = await still_yard.start(notes.into(home))
    await late(still_yard, instance, notes)
    notes.let_go()
    await until(lambda: has_settled(instance))
    await clock.advance(10)
    assert instance.is_alive
    assert (await still_yard.call(instance)).status == 204


async def test_waiting_for_a_thread_is_no_crime(still_yard: Yard, notes: Notes, clock: ManualClock) -> None:
    """A call whose turn did not come has nothing to stop; the one that has the thread goes on."""
    instance = await still_yard.start(notes.into(WAITS), threads=1)
    slow = asyncio.create_task(still_yard.call(instance, timeout=600))
    await until(notes.began)
    waiting = asyncio.create_task(still_yard.call(instance, "name=other", timeout=0.1))
    await clock.advance(0.1)
    with pytest.raises(DeadlineExceeded):
        await waiting
    await until(lambda: has_settled(instance))
    await clock.advance(10)
    assert not notes.began("other")
    notes.let_go()
    assert (await slow).status == 204
    assert instance.is_alive


async def test_others_inside_may_finish_before_the_kill(
    still_yard: Yard, notes: Notes, clock: ManualClock
) -> None:
    """Only new calls go elsewhere at once."""
    instance = await still_yard.start(notes.into(WAITS))
    other = asyncio.create_task(still_yard.call(instance, "name=other", timeout=600))
    await until(lambda: notes.began("other"))
    await late(still_yard, instance, notes)
    await as_time_passes(clock, lambda: not instance.is_alive)
    assert is_running(instance.pid)
    notes.let_go("other")
    assert (await other).status == 204
    await as_time_passes(clock, lambda: not is_running(instance.pid))


async def test_a_handler_that_stops_late_is_not_killed_but_its_process_is_replaced(
    still_yard: Yard, notes: Notes, clock: ManualClock
) -> None:
    """Whoever has replaced it by then stops it as any other."""
    instance = await still_yard.start(notes.into(WAITS))
    other = asyncio.create_task(still_yard.call(instance, "name=other", timeout=600))
    await until(lambda: notes.began("other"))
    await late(still_yard, instance, notes)
    await as_time_passes(clock, lambda: not instance.is_alive)
    notes.let_go()
    await until(lambda: not instance._leavers)
    notes.let_go("other")
    assert (await other).status == 204
    assert is_running(instance.pid)
    assert await instance.stop(60.0) is None
    assert still_yard.gone == []


HOLDS = """
    import asyncio, time
    async def handle(name: str = "", holds: bool = False):
        began(name)
        while not may_go(name):
            if holds: time.sleep(0.005)
            else: await asyncio.sleep(0.005)
"""


async def test_where_the_loop_is_held_nobody_inside_waits_for_a_deadline(
    still_yard: Yard, notes: Notes, clock: ManualClock
) -> None:
    """Nothing they do would be heard: after the 504 of the one that loops the others are told 502."""
    instance = await still_yard.start(notes.into(HOLDS), limits=ProcessLimits(pulse_within=0.3))
    queries = ("name=one", "name=two")
    others = [asyncio.create_task(still_yard.call(instance, each, timeout=6000)) for each in queries]
    await until(lambda: notes.began("one") and notes.began("two"))
    await late(still_yard, instance, notes, "holds=true")
    await as_time_passes(clock, lambda: all(other.done() for other in others))
    for other in others:
        with pytest.raises(FunctionCrashed, match="was killed, because a handler held its event loop"):
            await other
    assert not is_running(instance.pid)
    assert still_yard.gone == ["a handler did not stop when it was cancelled"]


async def test_a_loop_that_is_busy_for_a_while_is_no_dead_one(
    still_yard: Yard, notes: Notes, clock: ManualClock
) -> None:
    """It answers in time, and whoever is inside finishes."""
    instance = await still_yard.start(notes.into(HOLDS), limits=ProcessLimits(pulse_within=20.0))
    other = asyncio.create_task(still_yard.call(instance, "name=other", timeout=600))
    await until(lambda: notes.began("other"))
    await late(still_yard, instance, notes, "holds=true")
    await clock.advance(19)
    notes.let_go()
    await until(lambda: instance._leavers._verdict is None)
    await clock.advance(100)
    notes.let_go("other")
    assert (await other).status == 204
    assert await instance.stop(60.0) is None


async def test_a_caller_that_leaves_asks_for_no_pulse(
    still_yard: Yard, notes: Notes, clock: ManualClock
) -> None:
    """Only a deadline says that something is wrong: who computes for another caller may go on."""
    limits = ProcessLimits(kill_after=500.0, pulse_within=0.05)
    instance = await still_yard.start(notes.into(HOLDS), limits=limits)
    busy = asyncio.create_task(still_yard.call(instance, "holds=true", timeout=600))
    await until(notes.began)
    leaver = asyncio.create_task(still_yard.call(instance, "name=leaver", timeout=600))
    await clock.advance(1)
    leaver.cancel()
    await clock.advance(100)
    notes.let_go()
    assert (await busy).status == 204
    assert is_running(instance.pid)
    assert await instance.stop(60.0) is None


@pytest.mark.parametrize(
    ("statement", "how"),
    [
        ("os._exit(3)", "exited with code 3"),
        ("os._exit(0)", "exited with code 0"),
        ("ctypes.string_at(0)", r"was ended by signal 11 \(SIGSEGV\)"),
        ("os.kill(os.getpid(), 9)", r"was ended by signal 9 \(SIGKILL\)"),
        ("os.abort()", r"was ended by signal 6 \(SIGABRT\)"),
        ("os.closerange(3, 100)", "was ended by signal"),
    ],
)
@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_a_crash_fails_every_call_inside_and_says_how(
    yard: Yard, kind: str, statement: str, how: str
) -> None:
    """502 for all of them, none hangs, and what was logged before is not lost."""
    instance = await yard.start(
        f"""
        import ctypes, os, time
        {kind} handle(ctx, crash: bool = False):
            if crash:
                ctx.log.info("last words")
                {statement}
            {"await __import__('asyncio').sleep(60)" if kind == "async def" else "time.sleep(60)"}
        """
    )
    others = [asyncio.create_task(yard.call(instance)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(FunctionCrashed, match=f"Function home crashed: its process {how}"):
        await yard.call(instance, "crash=true")
    for other in others:
        with pytest.raises(FunctionCrashed):
            await other
    assert not instance.is_alive
    assert len(yard.gone) == 1
    assert [event for _, event, _ in yard.logs.lines] == ["last words"]
    with pytest.raises(FunctionCrashed):
        await yard.call(instance)
    assert await instance.stop(60.0) is None


async def test_a_crash_is_heard_although_a_grandchild_holds_the_channel(yard: Yard, notes: Notes) -> None:
    """The forkserver tells of the end; nobody waits for the channel to close."""
    instance = await yard.start(
        notes.into(
            """
            import os, time
            async def handle():
                if os.fork() == 0:
                    began(os.getpid())
                    while not may_go(): time.sleep(0.005)
                    os._exit(0)
                os._exit(4)
            """
        )
    )
    with pytest.raises(FunctionCrashed, match="code 4"):
        await yard.call(instance)
    await until(lambda: list(notes.folder.glob("began*")))
    (grandchild,) = notes.folder.glob("began*")
    pid = int(grandchild.name.removeprefix("began"))
    assert is_alive(pid)
    notes.let_go()
    await until(lambda: not is_alive(pid))


async def test_a_hog_is_told_of_its_limit_and_replaced(yard: Yard) -> None:
    """507; small calls go on until the pool has let it go."""
    instance = await yard.start(
        """
        async def handle(megabytes: int):
            hoard = [bytearray(1024 * 1024) for _ in range(megabytes)]
            return len(hoard)
        """,
        limits=ProcessLimits(memory=64 * MEGABYTES),
    )
    assert (await yard.call(instance, "megabytes=30")).body == b"30"
    assert instance.is_alive
    with pytest.raises(OutOfMemory, match="Function home needed more than the 67108864 bytes"):
        await yard.call(instance, "megabytes=200")
    assert not instance.is_alive
    assert (await yard.call(instance, "megabytes=1")).body == b"1"
    assert await instance.stop(60.0) is None


async def test_a_hog_in_a_thread_is_told_too(yard: Yard) -> None:
    """Threads' stacks count little: eight of them fit beside the function's own memory."""
    instance = await yard.start(
        """
        import threading
        together = threading.Barrier(8, timeout=60)
        def handle(megabytes: int):
            if not megabytes: together.wait()
            return len(bytearray(megabytes * 1024 * 1024))
        """,
        limits=ProcessLimits(memory=32 * MEGABYTES),
        threads=8,
    )
    answers = await asyncio.gather(*(yard.call(instance, "megabytes=0") for _ in range(8)))
    assert len(answers) == 8
    with pytest.raises(OutOfMemory):
        await yard.call(instance, "megabytes=64")


async def test_a_module_that_needs_too_much_is_not_loaded(yard: Yard) -> None:
    """With the limit and the remedy."""
    failure = await yard.refused(
        "x = bytearray(10**9)\nasync def handle(): ...", limits=ProcessLimits(memory=MEGABYTES * 32)
    )
    assert "memory than its limit of 33554432 bytes" in failure.why
    assert "raise memory" in failure.remedy


async def test_after_its_calls_a_process_takes_no_more(yard: Yard) -> None:
    """Those inside still end."""
    instance = await yard.start("async def handle(): return 1", limits=ProcessLimits(max_calls=2))
    await yard.call(instance)
    assert instance.is_alive
    assert (await yard.call(instance)).body == b"1"
    assert not instance.is_alive
    assert yard.gone == []
    assert await instance.stop(60.0) is None


async def test_ctrl_c_and_a_supervisor_s_sigterm_are_for_the_gateway(yard: Yard) -> None:
    """The child goes on, and so does what forks it; what the function executes gets signals as ever."""
    instance = await yard.start(
        """
        import signal, subprocess, sys
        async def handle():
            shown = "import signal; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)"
            return subprocess.run([sys.executable, "-c", shown], capture_output=True).stdout
        """
    )
    for pid in (instance.pid, yard.forkserver.pid):
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
    await asyncio.sleep(0.1)
    assert (await yard.call(instance)).body == b"True\n"
    await yard.start("async def handle(): return 1")


async def test_without_its_forkserver_a_process_ends_and_another_begins(yard: Yard) -> None:
    """Calls inside are told, and the next start has a new forkserver."""
    instance = await yard.start("import asyncio\nasync def handle(): await asyncio.sleep(60)")
    calling = asyncio.create_task(yard.call(instance))
    await asyncio.sleep(0.05)
    before = yard.forkserver.pid
    os.kill(before, signal.SIGKILL)
    with pytest.raises(FunctionCrashed):
        await calling
    await until(lambda: not is_running(instance.pid))
    again = await yard.start("async def handle(): return 1")
    assert (await yard.call(again)).body == b"1"
    assert yard.forkserver.pid != before


GATEWAY = """
    import asyncio, sys
    from pathlib import Path
    from bff.clock import SystemClock
    from bff.revisions.loader import Loader
    from bff.runtime.isolation.forkserver import Forkserver
    from tests.runtime.isolation.conftest import Yard

    async def main():
        with Loader() as loader:
            yard = Yard(Path(sys.argv[1]), loader, Forkserver())
            instance = await yard.start("async def handle():\\n    while True: pass")
            idle = await yard.start("async def handle(): ...")
            asyncio.create_task(yard.call(instance))
            await asyncio.sleep(0.2)
            print(instance.pid, idle.pid, yard.forkserver.pid, flush=True)
            await asyncio.sleep(60)
    asyncio.run(main())
"""


def test_when_the_gateway_is_killed_nobody_stays(tmp_path: Path) -> None:
    """Not the forkserver, not an idle child, not one whose handler holds its loop."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(GATEWAY), str(tmp_path / "functions")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        text=True,
    ) as gateway:
        assert gateway.stdout is not None
        pids = [int(pid) for pid in gateway.stdout.readline().split()]
        assert [is_running(pid) for pid in pids] == [True] * 3
        gateway.kill()
        gateway.wait()
    asyncio.run(until(lambda: not any(is_alive(pid) for pid in pids)))


def is_alive(pid: int) -> bool:
    """Running, and no zombie whom somebody else has to reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_process_that_was_never_asked_to_end_is_reported_by_name(yard: Yard) -> None:
    """For whoever is awake at three."""
    instance: ProcessInstance = await yard.start("async def handle(): return 1")
    assert repr(instance) == f"<ProcessInstance of home-00001, pid {instance.pid}: 0 inside, warm>"
    os.kill(instance.pid, signal.SIGKILL)
    await asyncio.wait_for(instance.gone(), 60)
    assert yard.gone == ["its process was ended by signal 9 (SIGKILL)"]
    assert repr(instance).endswith("its process was ended by signal 9 (SIGKILL)>")
