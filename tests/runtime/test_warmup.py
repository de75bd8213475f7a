"""From revision to instance and back: every shape of start, ready and stop, and nothing left of a failure."""

from __future__ import annotations

import asyncio
import threading
from textwrap import indent
from typing import Any

import pytest

from bff.errors import FunctionNotLoaded
from bff.runtime.hooks import GRACE
from bff.runtime.lifecycle import State
from bff.signals import Evicted, WarmedUp, WarmUpFailed
from bff.testing import ManualClock
from bff.testing.clock import settle
from tests.runtime.conftest import Gate, Runtime, failure_of, loaded, tasks, until

pytestmark = pytest.mark.anyio


def handler(body: str = "pass", head: str = "") -> str:
    """A `new()` function with these hooks; what it does is seen by the gate."""
    return (
        f"import asyncio, sys, gate\n{head}\nclass Handler:\n{indent(body, '    ')}\n"
        "    async def handle(self): return 'ok'\n"
        "def new(): return Handler()\n"
    )


async def test_the_phases_of_a_warm_up(runtime: Runtime, gate: Gate) -> None:
    """Body and `new()` on the loader thread, `start` and `ready` on the loop, in that order, once."""
    runtime.write(
        home="""
            import gate, threading
            gate.see(("body", threading.current_thread().name))
            class Handler:
                def __init__(self): gate.see(("new", threading.current_thread().name))
                async def start(self, cfg): gate.see(("start", cfg, threading.current_thread().name))
                def ready(self): gate.see("ready"); return True, ""
                async def stop(self): gate.see("stop")
                async def handle(self): return "ok"
            def new(): return Handler()
        """
    )
    loop = threading.current_thread().name
    function, activator = await runtime.live(env={"KEY": "value"})
    assert gate.seen == [
        ("body", "bff-loader-1"),
        ("new", "bff-loader-1"),
        ("start", {"KEY": "value"}, loop),
        "ready",
    ]
    assert list(activator.last_phases) == ["queue", "read", "compile", "imports", "construct", "start"]
    (warmed,) = runtime.of(WarmedUp)
    assert (warmed.function, warmed.revision) == ("home", "home-dev-1")
    assert list(warmed.phases) == list(activator.last_phases)
    await function.close()
    assert gate.seen[-1] == "stop"
    assert runtime.of(Evicted) == [Evicted(function="home", revision="home-dev-1")]


@pytest.mark.parametrize(
    "hooks",
    [
        "def start(self): gate.see('start')",
        "async def start(self): gate.see('start')",
        "def start(self, cfg): cfg['mine'] = 1; gate.see('start')",
        "async def start(self, cfg): gate.see('start'); return 'nonsense'",
        "def start(self, *args): gate.see('start')",
        "@staticmethod\ndef start(): gate.see('start')",
        "def start(self): gate.see('start'); return asyncio.sleep(0)",
    ],
)
async def test_start_may_be_written_in_many_ways(runtime: Runtime, gate: Gate, hooks: str) -> None:
    """Sync or async, with settings or without; what it returns is nobody's business."""
    runtime.write(home=handler(hooks))
    await runtime.live(env={"A": "b"})
    assert gate.seen == ["start"]
    assert await runtime.body() == "ok"


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        ("async def start(self): yield", "start() is a generator, so its body never ran"),
        ("def start(self): yield", "start() is a generator, so its body never ran"),
        ("async def ready(self): yield True", "ready() is a generator, so its body never ran"),
    ],
)
async def test_a_hook_that_yields_is_told_so(runtime: Runtime, gate: Gate, hook: str, why: str) -> None:
    """Rather than taken for one that ran."""
    runtime.write(home=handler(hook))
    with pytest.raises(FunctionNotLoaded) as failed:
        await runtime.function().activate()
    assert failed.value.why == why
    assert failed.value.remedy == "take the `yield` out of it"


@pytest.mark.parametrize(
    "returned", ["True", "None", "(True, 'fine')", "(True, '')", "1", "'yes'", "(None, '') and None"]
)
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_ready_says_yes(runtime: Runtime, gate: Gate, returned: str, kind: str) -> None:
    """Knative's pair, a plain boolean, or nothing at all."""
    runtime.write(home=handler(f"{kind} ready(self): return {returned}"))
    assert await runtime.function().activate()


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("False", "ready() said that it is not ready"),
        ("(False, 'the cellar is empty')", "ready() said that it is not ready: the cellar is empty"),
        ("(False, '')", "ready() said that it is not ready"),
        ("0", "ready() said that it is not ready"),
        ("''", "ready() said that it is not ready"),
        ("(None, 'why')", "ready() said that it is not ready: why"),
        ("(False,)", "ready() returned (False,)"),
        ("(False, 'a', 'b')", "ready() returned (False, 'a', 'b')"),
        ("()", "ready() returned ()"),
    ],
)
async def test_ready_says_no(runtime: Runtime, gate: Gate, returned: str, said: str) -> None:
    """Or something that is neither: the load fails in those words, and what was started is stopped."""
    hooks = f"def start(self): gate.see('start')\ndef ready(self): return {returned}\ndef stop(self): gate.see('stop')"
    runtime.write(home=handler(hooks))
    failure = await failure_of(runtime.function())
    assert (failure.where, failure.why) == ("functions/home.py", said)
    assert gate.seen == ["start", "stop"]
    assert loaded() == []


async def test_a_stop_that_fails_after_ready_said_no_is_told_too(runtime: Runtime, gate: Gate) -> None:
    """Neither hides the other."""
    runtime.write(home=handler("def ready(self): return False\ndef stop(self): raise OSError('stuck')"))
    failure = await failure_of(runtime.function())
    assert failure.why == "ready() said that it is not ready (and stop raised OSError: stuck)"


@pytest.mark.parametrize(
    ("start", "why", "where"),
    [
        ("def start(self): raise OSError('no database')", "OSError: no database", ":4"),
        ("async def start(self): {}['x']", "KeyError: 'x'", ":4"),
        ("async def start(self): raise TimeoutError('slow')", "TimeoutError: slow", ":4"),
        ("def start(self): sys.exit(3)", "SystemExit: 3", ":4"),
        ("async def start(self): raise SystemExit", "SystemExit", ":4"),
        ("async def start(self): raise asyncio.CancelledError", "RuntimeError: it awaited something", ""),
        ("def start(self, a, b): ...", "TypeError: ", ""),
    ],
)
async def test_a_start_that_raises_fails_the_load(
    runtime: Runtime, gate: Gate, start: str, why: str, where: str
) -> None:
    """With the author's line. `stop` is not asked: nothing was started. The gateway goes on, SystemExit or not."""
    runtime.write(home=handler(f"{start}\ndef stop(self): gate.see('stop')"))
    failure = await failure_of(runtime.function())
    assert failure.why.startswith(why)
    assert failure.where == f"functions/home.py{where}"
    assert gate.seen == []
    assert loaded() == []
    (failed,) = runtime.of(WarmUpFailed)
    assert failed.why == failure.report()


async def test_a_start_that_hangs_is_given_up(runtime: Runtime, gate: Gate, clock: ManualClock) -> None:
    """After `warm_up_timeout`, with the remedy; it was cancelled, and nothing of it runs on."""
    runtime.write(
        home=handler(
            "async def start(self):\n    gate.see('start')\n    try: await gate.wait()\n    finally: gate.see('end')"
        )
    )
    function = runtime.function(warm_up_timeout=3.0)
    warming = asyncio.create_task(failure_of(function))
    await until(lambda: gate.seen)
    await clock.advance(2.9)
    assert not warming.done()
    await clock.advance(0.2)
    failure = await warming
    assert failure.report() == (
        "functions/home.py: start did not end within 3 s\n"
        "  remedy: make it faster, or raise warm_up_timeout in routes.yaml"
    )
    assert gate.seen == ["start", "end"]
    assert tasks() == set()
    assert loaded() == []


async def test_a_start_that_cannot_be_stopped_is_left_behind(
    runtime: Runtime, gate: Gate, clock: ManualClock
) -> None:
    """`except BaseException` around a retry loop fails the load all the same."""
    runtime.write(
        home=handler(
            "async def start(self):\n"
            "    while True:\n"
            "        gate.see('again')\n"
            "        try: return await gate.wait()\n"
            "        except BaseException: pass"
        )
    )
    warming = asyncio.create_task(failure_of(runtime.function(warm_up_timeout=3.0)))
    await until(lambda: gate.seen)
    await clock.advance(3 + GRACE)
    assert (await warming).why == "start did not end within 3 s"
    gate.open.set()
    await until(lambda: tasks() == set())


async def test_a_ready_that_hangs_is_given_up_and_stopped(
    runtime: Runtime, gate: Gate, clock: ManualClock
) -> None:
    """It shares the limit with start; what was started is stopped."""
    runtime.write(
        home=handler(
            "async def ready(self):\n    gate.see('asked')\n    await gate.wait()\ndef stop(self): gate.see('stop')"
        )
    )
    warming = asyncio.create_task(failure_of(runtime.function(warm_up_timeout=3.0)))
    await until(lambda: gate.seen)
    await clock.advance(3)
    assert (await warming).why == "start did not end within 3 s"
    assert gate.seen == ["asked", "stop"]


@pytest.mark.parametrize(
    ("source", "why", "where"),
    [
        ("import gate\ngate.nothing", "AttributeError: ", "functions/home.py:2"),
        ("import sys\nsys.exit()", "SystemExit", "functions/home.py:2"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "functions/home.py"),
        ("def new():\n    raise OSError('no')", "OSError: no", "functions/home.py:2"),
        ("def new():\n    raise SystemExit(2)", "SystemExit: 2", "functions/home.py:2"),
        ("def new():\n    raise KeyboardInterrupt", "KeyboardInterrupt", "functions/home.py:2"),
        (
            "class H:\n    def handle(self): ...\n    def start(self): raise KeyboardInterrupt\ndef new(): return H()",
            "KeyboardInterrupt",
            "functions/home.py:3",
        ),
        ("def new(): ...", "new() returned None without a `handle`", "functions/home.py"),
        ("x = 1", "the module offers no handler", "functions/home.py"),
        ("async def handle(*args): ...", "the handler takes *args", "functions/home.py:1"),
        ("async def handle(x: 'Nothing'): ...", "the handler's annotations cannot be read", "functions/home.py"),
        ("def handle() -> object(): ...", "", "functions/home.py"),
    ],
)  # fmt: skip
async def test_whatever_breaks_on_the_way_is_a_failed_load(
    runtime: Runtime, gate: Gate, source: str, why: str, where: str
) -> None:
    """Body, `new()`, contract: one kind of failure, with a place, and nothing stays in memory."""
    runtime.write(home=source)
    failure = await failure_of(runtime.function(routes=(("/", ()),)))
    assert failure.why.startswith(why)
    assert failure.where.startswith(where)
    assert loaded() == []
    assert tasks() == set()
    assert await runtime.loader_thread.run(threading.current_thread), "the loader thread lives on"


async def test_memory_that_runs_out_is_not_the_functions_mistake(runtime: Runtime) -> None:
    """It comes as it is, and the next call tries again."""
    runtime.write(home="raise MemoryError")
    function = runtime.function()
    for _ in range(2):
        with pytest.raises(MemoryError):
            await function.activate()
    assert loaded() == []


@pytest.mark.parametrize(
    ("stop", "why"),
    [
        ("def stop(self): raise OSError('stuck')", "stop raised OSError: stuck"),
        ("async def stop(self): raise ValueError", "stop raised ValueError"),
        ("async def stop(self): raise TimeoutError('mine')", "stop raised TimeoutError: mine"),
        ("def stop(self): sys.exit(1)", "stop raised SystemExit: 1"),
        ("async def stop(self): raise asyncio.CancelledError", "stop raised RuntimeError: it awaited something"),
        ("async def stop(self): raise GeneratorExit", "stop raised GeneratorExit"),
        ("def stop(self, what): ...", "stop raised TypeError: "),
    ],
)  # fmt: skip
async def test_a_stop_that_raises_is_reported(runtime: Runtime, gate: Gate, stop: str, why: str) -> None:
    """In the signal of the eviction, which happens all the same."""
    runtime.write(home=handler(stop))
    function, activator = await runtime.live()
    await function.close()
    assert activator.state is State.EVICTED
    (evicted,) = runtime.of(Evicted)
    assert evicted.stop_error.startswith(why)
    assert loaded() == []


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_stop_that_hangs_does_not_block(
    runtime: Runtime, gate: Gate, clock: ManualClock, *, stubborn: bool
) -> None:
    """Two seconds are all it gets, even if it swallows its cancellation."""
    wait = (
        "\n        try: await gate.wait(); return\n        except BaseException: pass"
        if stubborn
        else " await gate.wait(); return"
    )
    runtime.write(home=handler(f"async def stop(self):\n    gate.see('stop')\n    while True:{wait}"))
    function, _ = await runtime.live(stop_timeout=2.0)
    closing = asyncio.create_task(function.close())
    await until(lambda: gate.seen)
    await clock.advance(1.9)
    assert not closing.done()
    await clock.advance(0.1 + GRACE)
    await asyncio.wait_for(closing, 60)
    (evicted,) = runtime.of(Evicted)
    assert evicted.stop_error == "stop did not end within 2 s"
    assert loaded() == []
    gate.open.set()
    await until(lambda: tasks() == set())


async def test_stop_runs_once(runtime: Runtime, gate: Gate) -> None:
    """However often and by whom it is asked for."""
    runtime.write(home=handler("def stop(self): gate.see('stop')"))
    function, activator = await runtime.live()
    activator.drain()
    activator.drain()
    await asyncio.gather(function.close(), function.close(), activator.close(), runtime.invoker.close())
    await activator.close()
    assert gate.seen == ["stop"]
    assert len(runtime.of(Evicted)) == 1


APP = """
    import gate
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                phase = (await receive())["type"]
                gate.see(phase)
                {extra}
                await send({{"type": phase + ".complete"}})
                if phase.endswith("shutdown"): return
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"ok"}})
"""


async def test_an_applications_lifespan_is_its_start_and_stop(runtime: Runtime, gate: Gate) -> None:
    """Started at warm-up, shut down at eviction."""
    runtime.write(home=APP.format(extra="pass"))
    function, _ = await runtime.live()
    assert gate.seen == ["lifespan.startup"]
    await function.close()
    assert gate.seen == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_an_application_that_hangs_leaves_no_task(
    runtime: Runtime, gate: Gate, clock: ManualClock, phase: str
) -> None:
    """It is told as start and stop are, and its lifespan is cancelled."""
    runtime.write(home=APP.format(extra=f"if phase.endswith('{phase}'): await gate.wait()"))
    function = runtime.function(warm_up_timeout=3.0, stop_timeout=2.0)
    if phase == "startup":
        warming = asyncio.create_task(failure_of(function))
        await until(lambda: gate.seen)
        await clock.advance(3)
        assert (await warming).why == "start did not end within 3 s"
    else:
        await function.activate()
        closing = asyncio.create_task(function.close())
        await until(lambda: len(gate.seen) == 2)
        await clock.advance(2)
        await closing
        assert runtime.of(Evicted)[0].stop_error == "stop did not end within 2 s"
    await settle()
    assert tasks() == set()


async def test_an_application_whose_startup_fails(runtime: Runtime, gate: Gate) -> None:
    """In its own words."""
    runtime.write(
        home=APP.format(extra="await send({'type': phase + '.failed', 'message': 'no database'}); return")
    )
    failure = await failure_of(runtime.function())
    assert failure.report() == "functions/home.py: no database"
    assert loaded() == []


async def test_an_import_that_hangs_is_given_up(runtime: Runtime, gate: Gate, clock: ManualClock) -> None:
    """Its callers are told after `warm_up_timeout`; others do not wait behind it, and when it ends after all,
    what it made is dropped.
    """
    entered, release = threading.Event(), threading.Event()
    gate.entered, gate.release = entered, release  # type: ignore[attr-defined]
    runtime.write(
        home="import gate\ngate.entered.set()\nassert gate.release.wait(60)\nasync def handle(): return 'late'",
        other="async def handle(): return 'other'",
    )
    runtime.function("other")
    warming = asyncio.create_task(failure_of(runtime.function(warm_up_timeout=3.0)))
    await until(entered.is_set)
    behind = runtime.calling("other")
    await clock.advance(3)
    assert (await warming).why == "importing it did not end within 3 s"
    assert (await behind).body == b"other"
    assert len(loaded()) > 2, "the body still runs"
    release.set()
    await until(lambda: not any(name.endswith(".home") for name in loaded()))
    gate.see("done")
    assert await runtime.body() == "late"


async def test_closing_while_a_body_runs_drops_what_comes_of_it(runtime: Runtime, gate: Gate) -> None:
    """The thread cannot be cancelled; its module is gone once it is through, `start` never runs."""
    entered, release = threading.Event(), threading.Event()
    gate.entered, gate.release = entered, release  # type: ignore[attr-defined]
    runtime.write(
        home=handler("def start(self): gate.see('start')", "gate.entered.set()\nassert gate.release.wait(60)")
    )
    function = runtime.function()
    waiting = asyncio.create_task(function.activate())
    await until(entered.is_set)
    await function.close()
    with pytest.raises(Exception, match="shutting down"):
        await waiting
    release.set()
    await until(lambda: loaded() == [])
    assert gate.seen == []
    assert runtime.of(WarmUpFailed) == []


async def test_closing_while_start_runs(runtime: Runtime, gate: Gate) -> None:
    """It is cancelled and cleans up; its waiters are told; nothing is left."""
    runtime.write(
        home=handler(
            "async def start(self):\n    gate.see('in')\n    try: await gate.wait()\n    finally: gate.see('out')"
        )
    )
    function = runtime.function()
    waiting: Any = asyncio.create_task(function.activate())
    await until(lambda: gate.seen)
    await function.close()
    with pytest.raises(Exception, match="shutting down"):
        await waiting
    assert gate.seen == ["in", "out"]
    assert loaded() == []
    assert runtime.of(WarmUpFailed) == []


async def test_failures_are_of_one_kind(runtime: Runtime) -> None:
    """A missing file too."""
    failure = await failure_of(runtime.function("nobody"))
    assert isinstance(failure, FunctionNotLoaded)
    assert failure.why.startswith("no file functions/nobody.py")
