"""Handlers that loop, crash, hoard and hang: the caller is told in time, and the process really ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bff.errors import DeadlineExceeded, FunctionCrashed, OutOfMemory
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.isolation.limits import ProcessLimits
from tests.runtime.isolation.conftest import Yard, is_running, until

pytestmark = pytest.mark.anyio

MEGABYTES = 1024 * 1024
PATIENT = ProcessLimits(kill_after=2.0)


@pytest.mark.parametrize(
    "home",
    [
        "async def handle():\n    while True: pass",
        "def handle():\n    while True: pass",
        "import time\ndef handle(): time.sleep(60)",
        "import time\nasync def handle(): time.sleep(60)",
        """
        import asyncio
        async def handle():
            while True:
                try: await asyncio.sleep(60)
                except asyncio.CancelledError: pass
        """,
    ],
    ids=["async loop", "sync loop", "sync sleep", "blocking sleep", "swallows its cancellation"],
)
async def test_a_handler_that_does_not_stop_costs_the_process_its_life(yard: Yard, home: str) -> None:
    """504 leaves at the deadline, the kill follows."""
    instance = await yard.start(home)
    began = yard.clock.now()
    with pytest.raises(DeadlineExceeded):
        await yard.call(instance, timeout=0.2)
    assert yard.clock.now() - began < 1.0
    await until(lambda: not is_running(instance.pid), 3.0)
    assert not instance.is_alive
    await asyncio.wait_for(instance.gone(), 60)
    assert yard.gone == ["a handler did not stop when it was cancelled"]


@pytest.mark.parametrize(
    "home",
    [
        "import asyncio\nasync def handle(seconds: float = 60): await asyncio.sleep(seconds)",
        "import time\ndef handle(seconds: float = 0.25): time.sleep(seconds)",
    ],
)
async def test_a_handler_that_stops_soon_costs_nothing(yard: Yard, home: str) -> None:
    """It confirms that it has ended."""
    instance = await yard.start(home, limits=PATIENT)
    with pytest.raises(DeadlineExceeded):
        await yard.call(instance, timeout=0.2)
    await asyncio.sleep(0.3)
    assert instance.is_alive
    assert (await yard.call(instance, "seconds=0")).status == 204


async def test_waiting_for_a_thread_is_no_crime(yard: Yard) -> None:
    """A call whose turn did not come has nothing to stop; the one that has the thread goes on."""
    instance = await yard.start(
        "import time\ndef handle(seconds: float): time.sleep(seconds)", threads=1, limits=PATIENT
    )
    slow = asyncio.create_task(yard.call(instance, "seconds=0.6"))
    await asyncio.sleep(0.05)
    with pytest.raises(DeadlineExceeded):
        await yard.call(instance, "seconds=0", timeout=0.1)
    assert (await slow).status == 204
    assert instance.is_alive


async def test_others_inside_may_finish_before_the_kill(yard: Yard) -> None:
    """Only new calls go elsewhere at once."""
    instance = await yard.start(
        """
        import asyncio, time
        def handle(seconds: float): time.sleep(seconds)
        """
    )
    other = asyncio.create_task(yard.call(instance, "seconds=0.8"))
    with pytest.raises(DeadlineExceeded):
        await yard.call(instance, "seconds=60", timeout=0.1)
    await until(lambda: not instance.is_alive, 3.0)
    assert is_running(instance.pid)
    assert (await other).status == 204
    await until(lambda: not is_running(instance.pid), 3.0)


async def test_a_handler_that_stops_late_is_not_killed_but_its_process_is_replaced(yard: Yard) -> None:
    """Whoever has replaced it by then stops it as any other."""
    instance = await yard.start("import time\ndef handle(seconds: float): time.sleep(seconds)")
    other = asyncio.create_task(yard.call(instance, "seconds=1.2"))
    with pytest.raises(DeadlineExceeded):
        await yard.call(instance, "seconds=0.6", timeout=0.1)
    await until(lambda: not instance.is_alive)
    assert (await other).status == 204
    assert is_running(instance.pid)
    assert await instance.stop(1.0) is None
    assert yard.gone == []


async def test_where_the_loop_is_held_nobody_inside_waits_for_a_deadline(yard: Yard) -> None:
    """Nothing they do would be heard: after the 504 of the one that loops the others are told 502."""
    instance = await yard.start(
        """
        import asyncio
        async def handle(stuck: bool = False):
            while stuck: pass
            await asyncio.sleep(600)
        """,
        limits=ProcessLimits(pulse_within=0.3),
    )
    others = [asyncio.create_task(yard.call(instance, timeout=600)) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(DeadlineExceeded):
        await yard.call(instance, "stuck=true", timeout=0.2)
    for other in others:
        with pytest.raises(FunctionCrashed, match="was killed, because a handler held its event loop"):
            await asyncio.wait_for(other, 60)
    assert not is_running(instance.pid)
    assert yard.gone == ["a handler did not stop when it was cancelled"]


async def test_a_loop_that_is_busy_for_a_while_is_no_dead_one(yard: Yard) -> None:
    """It answers in time, and whoever is inside finishes."""
    instance = await yard.start(
        """
        import asyncio, time
        async def handle(busy: float = 0, rest: float = 0):
            await asyncio.sleep(0.05)
            time.sleep(busy)
            await asyncio.sleep(rest)
        """,
        limits=ProcessLimits(pulse_within=20.0),
    )
    other = asyncio.create_task(yard.call(instance, "rest=0.8"))
    with pytest.raises(DeadlineExceeded):
        await yard.call(instance, "busy=0.5", timeout=0.1)
    assert (await other).status == 204
    assert await instance.stop(1.0) is None


async def test_a_caller_that_leaves_asks_for_no_pulse(yard: Yard) -> None:
    """Only a deadline says that something is wrong: who computes for another caller may go on."""
    instance = await yard.start(
        """
        import time
        async def handle(busy: float = 0): time.sleep(busy)
        """,
        limits=ProcessLimits(kill_after=5.0, pulse_within=0.05),
    )
    busy = asyncio.create_task(yard.call(instance, "busy=0.8"))
    await asyncio.sleep(0.05)
    leaver = asyncio.create_task(yard.call(instance))
    await asyncio.sleep(0.05)
    leaver.cancel()
    assert (await busy).status == 204
    assert is_running(instance.pid)
    assert await instance.stop(1.0) is None


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
    assert await instance.stop(1.0) is None


async def test_a_crash_is_heard_although_a_grandchild_holds_the_channel(yard: Yard) -> None:
    """The forkserver tells of the end; nobody waits for the channel to close."""
    instance = await yard.start(
        """
        import os, time
        async def handle():
            if os.fork() == 0:
                time.sleep(1.5)
                os._exit(0)
            os._exit(4)
        """
    )
    began = yard.clock.now()
    with pytest.raises(FunctionCrashed, match="code 4"):
        await yard.call(instance)
    assert yard.clock.now() - began < 1.2


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
    assert await instance.stop(1.0) is None


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
    assert await instance.stop(1.0) is None


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
    asyncio.run(until(lambda: not any(is_alive(pid) for pid in pids), 5.0))


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
