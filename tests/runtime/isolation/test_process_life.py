"""A process instance from its fork to its end: what it costs, what it is refused for, what it leaves behind."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bff.errors import BffError, FunctionNotLoaded, GatewayDraining
from bff.revisions.loader import PREFIX, Loader
from bff.runtime import hooks
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.isolation.instance import ProcessInstance
from bff.testing import ManualClock
from tests.runtime.isolation.conftest import Yard, as_time_passes, is_running, until

pytestmark = pytest.mark.anyio

HELLO = "async def handle(): return 'hello'"


async def test_a_warm_up_is_measured_by_phase(yard: Yard) -> None:
    """Inline's phases and the fork; compiling is paid once, by the gateway."""
    revision = yard.revision(home="import time\ntime.sleep(0.05)\n" + HELLO)
    await yard.start_again(revision)
    await yard.start_again(revision)
    first, second = yard.warm_ups
    assert list(first.phases) == ["queue", "read", "compile", "fork", "imports", "construct", "start"]
    assert all(seconds >= 0 for seconds in first.phases.values())
    assert first.phases["imports"] >= 0.05
    assert first.phases["fork"] > 0
    assert [module.name for _, module in first.imports.walk()] == ["", "home"]
    assert (first.is_first_ever, second.is_first_ever) == (True, False)


async def test_what_every_function_needs_is_there_before_the_fork(yard: Yard) -> None:
    """The forkserver has imported it once; no process pays for it, the function's own packages it does."""
    home = "import httpx, pydantic, structlog, starlette.responses, bff, wave\n" + HELLO
    instance = await yard.start(home)
    imported = [module.name for _, module in yard.warm_ups[0].imports.walk()]
    assert imported[:2] == ["", "home"]
    assert "wave" in imported
    ours = ("httpx", "pydantic", "structlog", "starlette", "bff")
    assert not [name for name in imported if name.partition(".")[0] in ours]
    assert parent_of(instance.pid) == yard.forkserver.pid


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_nothing_of_the_function_is_imported_by_the_gateway(yard: Yard) -> None:
    """Its memory is the process's, all of it."""
    import sys

    await yard.start(HELLO)
    assert not [name for name in sys.modules if name.startswith(PREFIX)]


@pytest.mark.parametrize(
    ("home", "why", "where"),
    [
        ("import nowhere\nasync def handle(): ...", "No module named 'nowhere'", "functions/home.py:1"),
        ("x = 1\nraise ValueError('no')", "ValueError: no", "functions/home.py:2"),
        ("x = 1", "the module offers no handler", "functions/home.py"),
        ("return", "'return' outside function", "functions/home.py:1"),
        ("async def handle(*args): ...", "takes *args", "functions/home.py:1"),
        ("import os\nos._exit(3)", "its process exited with code 3 while it was loaded", "functions/home.py"),
        (
            "class O:\n    def handle(self): ...\n    def start(self): raise OSError('db')\ndef new(): return O()",
            "OSError: db",
            "functions/home.py:3",
        ),
        (
            "class O:\n    def handle(self): ...\n    def ready(self): return (False, 'no db')\ndef new(): return O()",
            "not ready: no db",
            "functions/home.py",
        ),
        ("async def handle():\n    yield 1", "generator", "functions/home.py:1"),
        ("def handle():\n    yield 1", "generator", "functions/home.py:1"),
        (
            "from collections.abc import AsyncIterator\nasync def handle() -> AsyncIterator[str]: ...",
            "returns a stream",
            "functions/home.py:2",
        ),
        (
            "from starlette.applications import Starlette\napp = Starlette()",
            "ASGI application",
            "functions/home.py",
        ),
    ],
)
async def test_what_cannot_be_loaded_is_refused_with_its_place(
    yard: Yard, home: str, why: str, where: str
) -> None:
    """The same report as inline, and no process is left."""
    failure = await yard.refused(home)
    assert why in failure.why
    assert failure.where.startswith(where)
    await until(lambda: not yard.forkserver._children)


async def test_a_refused_stream_has_a_remedy(yard: Yard) -> None:
    """Inline can do it."""
    assert "isolation: inline" in (await yard.refused("async def handle():\n    yield 1")).remedy


@pytest.mark.parametrize(
    ("home", "why"),
    [
        ("began()\nimport time\ntime.sleep(600)", "importing it did not end within 0.3 s"),
        ("began()\nwhile True: pass", "importing it did not end within 0.3 s"),
        (
            "import asyncio\nclass O:\n    def handle(self): ...\n"
            "    async def start(self):\n        began()\n        await asyncio.sleep(600)\ndef new(): return O()",
            "start did not end within 0.3 s",
        ),
        (
            "class O:\n    def handle(self): ...\n"
            "    async def start(self):\n        began()\n        while True: pass\ndef new(): return O()",
            "start did not end within 0.3 s",
        ),
    ],
)
async def test_a_warm_up_that_hangs_is_given_up(
    still_yard: Yard, tmp_path: Path, clock: ManualClock, home: str, why: str
) -> None:
    """Even where it holds the process's own loop."""
    began = tmp_path / "began"
    noting = f"from pathlib import Path\nbegan = Path({str(began)!r}).touch\n"
    refused = asyncio.create_task(still_yard.refused(noting + home, warm_up_timeout=0.3))
    await until(began.exists)
    await as_time_passes(clock, refused.done)
    failure = await refused
    assert failure.why == why
    assert "warm_up_timeout" in failure.remedy
    await until(lambda: not still_yard.forkserver._children)


async def test_a_warm_up_that_nobody_waits_for_leaves_nothing(yard: Yard) -> None:
    """Whenever it is given up."""
    revision = yard.revision(home="import time\ntime.sleep(60)\n" + HELLO)
    for seconds in (0.0, 0.005, 0.1):
        starting = asyncio.create_task(yard.start_again(revision))
        await asyncio.sleep(seconds)
        starting.cancel()
        await asyncio.wait({starting})
        assert starting.cancelled()
    await until(lambda: not yard.forkserver._children and not yard.forkserver._waiting)


async def test_stop_runs_in_the_process_and_ends_it(yard: Yard, tmp_path: Path) -> None:
    """And says nothing where nothing went wrong."""
    log = tmp_path / "log"
    instance = await yard.start(
        f"""
        import os
        from pathlib import Path
        class O:
            def handle(self): ...
            async def stop(self): Path({str(log)!r}).write_text(str(os.getpid()))
        def new(): return O()
        """
    )
    assert await instance.stop(60.0) is None
    assert log.read_text() == str(instance.pid)
    assert not is_running(instance.pid)
    assert not instance.is_alive
    assert yard.gone == []
    assert await instance.stop(60.0) is None


@pytest.mark.parametrize(
    ("stop", "why"),
    [
        ("async def stop(self): await asyncio.sleep(60)", "stop did not end within 0.2 s"),
        ("def stop(self): time.sleep(60)", "stop did not end within 0.2 s"),
        ("def stop(self): raise OSError('db')", "stop raised OSError: db"),
        ("def stop(self): os._exit(5)", "its process exited with code 5 in stop"),
    ],
)
async def test_stop_that_goes_wrong_is_told_and_the_process_ends_all_the_same(
    yard: Yard, stop: str, why: str
) -> None:
    """Always."""
    instance = await yard.start(
        f"import asyncio, os, time\nclass O:\n    def handle(self): ...\n    {stop}\ndef new(): return O()"
    )
    assert await instance.stop(0.2 if "0.2 s" in why else 60.0) == why
    assert not is_running(instance.pid)


async def test_a_stop_that_holds_its_process_has_its_limit_and_no_more(
    still_yard: Yard, tmp_path: Path, clock: ManualClock
) -> None:
    """Half a second after it, as anywhere, nobody waits any more; and the limit is what is told."""
    began = tmp_path / "began"
    instance = await still_yard.start(
        f"""
        import pathlib, time
        class O:
            def handle(self): ...
            def stop(self):
                pathlib.Path({str(began)!r}).touch()
                time.sleep(600)
        def new(): return O()
        """
    )
    stopping = asyncio.create_task(instance.stop(2.0))
    await until(began.exists)
    await clock.advance(2.0)
    assert not stopping.done()
    await clock.advance(hooks.GRACE)
    assert await asyncio.wait_for(stopping, 60) == "stop did not end within 2 s"
    assert not is_running(instance.pid)


async def test_what_goes_on_after_an_answer_is_part_of_the_limit(
    still_yard: Yard, tmp_path: Path, clock: ManualClock
) -> None:
    """The hook has what is left of it: a timer that would ring with the whole limit does not ring."""
    seen = tmp_path / "seen"
    instance = await still_yard.start(
        f"""
        import asyncio, pathlib
        from starlette.background import BackgroundTask
        from starlette.responses import Response
        rung = []
        class O:
            async def handle(self):
                return Response("x", background=BackgroundTask(asyncio.sleep, 600))
            async def stop(self):
                asyncio.get_running_loop().call_later(1.8, rung.append, "too late")
                try: await asyncio.sleep(600)
                finally: pathlib.Path({str(seen)!r}).write_text(str(rung))
        def new(): return O()
        """
    )
    await still_yard.call(instance)
    assert await instance.stop(2.0) == "stop did not end within 2 s"
    assert seen.read_text() == "[]"


async def test_a_stop_that_is_broken_off_kills(yard: Yard) -> None:
    """Shutdown whose patience has ended."""
    instance = await yard.start(
        "import time\nclass O:\n    def handle(self): ...\n    def stop(self): time.sleep(60)\ndef new(): return O()"
    )
    stopping = asyncio.create_task(instance.stop(30.0))
    await asyncio.sleep(0.05)
    stopping.cancel()
    await asyncio.wait({stopping})
    await until(lambda: not is_running(instance.pid))


async def test_who_is_inside_when_it_is_stopped_is_told_that_the_gateway_drains(still_yard: Yard) -> None:
    """No function's fault."""
    instance = await still_yard.start("import asyncio\nasync def handle(): await asyncio.sleep(60)")
    calling = asyncio.create_task(still_yard.call(instance))
    await asyncio.sleep(0.05)
    assert await instance.stop(0.2) is None
    with pytest.raises(GatewayDraining):
        await calling


async def test_alive_is_asked_in_the_process(yard: Yard) -> None:
    """Where the handler has such a hook."""
    assert (await yard.start(HELLO)).alive is None
    instance = await yard.start(
        """
        class O:
            asked = 0
            def handle(self): ...
            async def alive(self):
                self.asked += 1
                return True if self.asked == 1 else (False, "tired")
        def new(): return O()
        """
    )
    assert instance.alive is not None
    assert await instance.alive() == (True, "")
    assert await instance.alive() == (False, "tired")


async def test_memory_is_measured_and_given_back(yard: Yard) -> None:
    """Private bytes: what the machine has more of once the process has ended."""
    instance = await yard.start("hoard = bytearray(b'x' * 50_000_000)\n" + HELLO)
    small = await yard.start(HELLO)
    assert instance.memory() > 50_000_000 > 20_000_000 > small.memory() > 0
    await instance.stop(1.0)
    assert instance.bytes_returned > 50_000_000
    assert instance.memory() == 0
    assert not is_running(instance.pid)


def open_files() -> set[str]:
    """What this process has open, apart from the listing itself."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            continue
    return found


def children_of(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No file, no process, no zombie, whatever way instances ended; nor of the forkserver."""
    mine = children_of(os.getpid())
    with Loader() as loader:
        yard = Yard(tmp_path / "functions", loader, Forkserver())
        await yard.start(HELLO)
        await yard.instances[0].stop(1.0)
        before = open_files()
        for home in (
            HELLO,
            "import os\nasync def handle(): os._exit(1)",
            "async def handle():\n    while True: pass",
        ):
            instance = await yard.start(home)
            with suppress(BffError):
                await yard.call(instance, timeout=0.1)
            await instance.stop(1.0)
            await asyncio.wait_for(instance.gone(), 60)
        with pytest.raises(FunctionNotLoaded):
            await yard.start("raise ValueError")
        await until(lambda: not yard.forkserver._children)
        assert open_files() == before
        assert children_of(yard.forkserver.pid) == set()
        await yard.forkserver.close()
        yard.threads.close()
    assert children_of(os.getpid()) == mine
    assert not any("socket" in each for each in open_files() - before)


async def test_a_closed_forkserver_takes_its_children_along(tmp_path: Path) -> None:
    """Those that nobody has stopped."""
    with Loader() as loader:
        yard = Yard(tmp_path / "functions", loader, Forkserver())
        instance = await yard.start(HELLO)
        await yard.forkserver.close()
        await asyncio.wait_for(instance.gone(), 60)
        await until(lambda: not is_running(instance.pid))
        yard.threads.close()


async def test_many_start_at_once(yard: Yard) -> None:
    """Each has its own process."""
    revision = yard.revision(home="import os\nasync def handle(): return os.getpid()")
    instances = await asyncio.gather(*(yard.start_again(revision) for _ in range(8)))
    answers = await asyncio.gather(*(yard.call(each) for each in instances))
    assert [int(answer.body) for answer in answers] == [each.pid for each in instances]
    assert len({each.pid for each in instances}) == 8


async def test_a_process_that_cannot_be_had_is_told_as_such(yard: Yard, tmp_path: Path) -> None:
    """With what to look at."""

    class Barren(Forkserver):
        async def fork(self, *_: Any, **__: Any) -> int:
            from bff.runtime.isolation.forkserver import ForkFailed

            raise ForkFailed("Resource temporarily unavailable")

    yard.forkserver = Barren()
    failure = await yard.refused(HELLO)
    assert failure.why == "no process could be made: Resource temporarily unavailable"
    assert "limits of memory and processes" in failure.remedy
    await yard.forkserver.close()


async def test_starting_one_process_does_not_hold_up_the_calls_of_another(yard: Yard, tmp_path: Path) -> None:
    """They are answered while it goes on."""
    instance = await yard.start(HELLO)
    go = tmp_path / "go"
    waits = (
        f"import time\nfrom pathlib import Path\nwhile not Path({str(go)!r}).exists(): time.sleep(0.005)\n"
    )
    starting = [asyncio.create_task(yard.start(waits + HELLO)) for _ in range(2)]
    for _ in range(20):
        assert (await yard.call(instance)).body == b"hello"
    assert not any(each.done() for each in starting)
    go.touch()
    await asyncio.gather(*starting)


def test_instances_have_the_face_of_those_inside_the_gateway() -> None:
    """The pool and the invoker use either."""
    from bff.runtime.instance import Instance

    for name in ("call", "check", "prepare"):
        assert callable(getattr(ProcessInstance, name))
        assert callable(getattr(Instance, name))
