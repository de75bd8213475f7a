"""Which revision is live: first calls, saves good and bad, changed settings, and the end."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bff.errors import FunctionNotLoaded, GatewayDraining
from bff.runtime.autoscaler import Policy
from bff.runtime.function import Function
from bff.runtime.lifecycle import State
from bff.signals import Evicted, LoadFailed, RevisionReady, Signals, Unexpected, WarmedUp, WarmUpFailed
from bff.testing import ManualClock
from tests.runtime.conftest import Gate, Runtime, failure_of, loaded, running, settings, tasks, until

pytestmark = pytest.mark.anyio


def version(number: object, body: str = "") -> str:
    return f"{body}\nasync def handle(): return '{number}'\n"


GATED = """
    import gate
    class Handler:
        def __init__(self): self.is_running = False
        async def start(self):
            gate.see("start {0}")
            await gate.wait()
            self.is_running = True
        async def stop(self):
            self.is_running = False
            gate.see("stop {0}")
        async def handle(self):
            assert self.is_running
            return "{0}"
    def new(): return Handler()
"""

INSIDE = """
    import asyncio, gate
    class Handler:
        async def handle(self):
            gate.see("in {0}")
            await gate.wait()
            return "{0}"
        def stop(self): gate.see("stop {0}")
    def new(): return Handler()
"""


# The first call


async def test_the_first_call_makes_the_first_revision(runtime: Runtime) -> None:
    """Nothing is read, loaded or told before somebody calls."""
    function = runtime.function()
    assert (function.live, loaded(), runtime.heard) == (None, [], [])
    runtime.write(home=version(1))
    assert await runtime.body() == "1"
    (ready,) = runtime.of(RevisionReady)
    live = function.live
    assert live is not None
    assert (ready.revision, ready.digest) == ("home-dev-1", live.revision.digest)
    assert live.state is State.IDLE


async def test_first_callers_share_one_load(runtime: Runtime, gate: Gate) -> None:
    """One snapshot, one start, whoever comes while it lasts, and whoever leaves."""
    runtime.write(home=GATED.format(1))
    function = runtime.function()
    callers = [runtime.calling() for _ in range(20)]
    await until(lambda: gate.seen)
    for caller in callers[:10]:
        caller.cancel()
    await asyncio.wait(callers[:10])
    callers.append(runtime.calling())
    gate.open.set()
    answers = await asyncio.gather(*callers[10:])
    assert {answer.body for answer in answers} == {b"1"}
    assert gate.seen == ["start 1"]
    assert len(runtime.of(WarmedUp)) == 1
    await function.close()
    assert gate.seen == ["start 1", "stop 1"]


async def test_a_warm_up_slower_than_every_caller_is_finished(
    runtime: Runtime, gate: Gate, clock: ManualClock
) -> None:
    """Callers whose time runs out are told 504; the next finds it warm. It is never begun again."""
    runtime.write(home=GATED.format(1))
    runtime.function(warm_up_timeout=60.0)
    for _ in range(3):
        caller = runtime.calling(seconds=1.0)
        await until(lambda: gate.seen)
        await clock.advance(1.0)
        with pytest.raises(Exception, match=r"did not answer within 1 s\."):
            await caller
    gate.open.set()
    assert await runtime.body(seconds=1.0) == "1"
    assert gate.seen == ["start 1"]


@pytest.mark.parametrize(
    ("source", "signal"), [("def (", LoadFailed), ("1/0", WarmUpFailed)], ids=["snapshot", "warm-up"]
)
async def test_a_broken_function_is_told_to_every_caller_and_once_to_the_operator(
    runtime: Runtime, source: str, signal: type[Any]
) -> None:
    """All who wait hear of one load; each later call tries again; a corrected file is found by the next."""
    runtime.write(home=source)
    function = runtime.function()
    results = await asyncio.gather(*(function.activate() for _ in range(10)), return_exceptions=True)
    assert len({id(result) for result in results}) == 1
    assert isinstance(results[0], FunctionNotLoaded)
    assert [type(each) for each in runtime.heard] == [signal]
    assert function.failure is results[0]
    await failure_of(function)
    assert len(runtime.of(signal)) == 2
    runtime.write(home=version("fixed"))
    assert await runtime.body() == "fixed"
    assert function.failure is None


async def test_a_first_load_nobody_waited_for_is_told(runtime: Runtime, gate: Gate) -> None:
    """All callers left; the failure is a signal, and nothing goes unretrieved."""
    gate.fail = OSError("no database")
    runtime.write(home=GATED.format(1))
    runtime.function()
    caller = runtime.calling()
    await until(lambda: gate.seen)
    caller.cancel()
    await asyncio.wait({caller})
    gate.open.set()
    await until(lambda: runtime.of(WarmUpFailed))
    await until(lambda: tasks() == set())
    gc.collect()


# Saves


async def test_a_save_goes_live_whole(runtime: Runtime) -> None:
    """The new revision answers, the old one is evicted, the operator is told."""
    runtime.write(home=version(1))
    function, first = await runtime.live()
    runtime.write(home=version(2))
    assert await function.refresh()
    assert await runtime.body() == "2"
    await first.gone()
    assert [each.revision for each in runtime.of(RevisionReady)] == ["home-dev-1", "home-dev-2"]
    assert [each.revision for each in runtime.of(Evicted)] == ["home-dev-1"]
    assert len(loaded()) == 2


async def test_nothing_happens_without_a_change(runtime: Runtime) -> None:
    """The same digest: no signal, the same instance."""
    runtime.write(home=version(1))
    function, first = await runtime.live()
    heard = len(runtime.heard)
    runtime.write(home=version(1))
    assert not await function.refresh()
    assert function.live is first
    assert len(runtime.heard) == heard


@pytest.mark.parametrize("source", ["def (", "1/0", "x = 1", "import nobody_has_this"])
async def test_a_broken_save_leaves_the_last_good_one(runtime: Runtime, source: str) -> None:
    """It goes on serving; why is told and kept, until the file is good again, be it the old text."""
    runtime.write(home=version(1))
    function, first = await runtime.live()
    runtime.write(home=source)
    assert not await function.refresh()
    (failed,) = runtime.of(LoadFailed)
    assert (failed.function, failed.serving) == ("home", "home-dev-1")
    assert failed.report.startswith("functions/home.py")
    assert function.status()["failure"] == failed.report
    assert (await runtime.body(), function.live) == ("1", first)
    runtime.write(home=version(1))
    assert not await function.refresh()
    assert function.failure is None
    runtime.write(home=version(2))
    assert await function.refresh()
    assert await runtime.body() == "2"


async def test_a_removed_file_leaves_the_last_good_one(runtime: Runtime) -> None:
    """Until routes.yaml or the folder says that the function is gone."""
    runtime.write(home=version(1))
    function, _ = await runtime.live()
    (runtime.root / "home.py").unlink()
    assert not await function.refresh()
    assert await runtime.body() == "1"


async def test_an_undone_save_is_the_old_revision_again(runtime: Runtime) -> None:
    """With its name; and as the newest text it has the real paths that debuggers need."""
    runtime.write(home=version(1))
    function, first = await runtime.live()
    assert _file_of(function) == str(runtime.root / "home.py")
    runtime.write(home=version(2))
    await function.refresh()
    runtime.write(home=version(1))
    assert await function.refresh()
    assert function.live is not None
    assert function.live is not first
    revision = function.live.revision
    assert (revision.name, revision.digest) == (first.revision.name, first.revision.digest)
    assert _file_of(function) == str(runtime.root / "home.py")


async def test_under_serve_paths_are_virtual(tmp_path: Path, gate: Gate) -> None:
    """A traceback must not show text that was deployed later."""
    async with running(tmp_path / "functions", dev=False) as runtime:
        runtime.write(home=version(1))
        function, activator = await runtime.live()
        assert activator.revision.name == "home-00001"
        assert _file_of(function) == f"functions@{activator.revision.digest[:12]}/home.py"


def _file_of(function: Function) -> str | None:
    assert function.live is not None
    assert function.live.instance is not None
    return function.live.instance.package.module().__file__


async def test_calls_inside_end_on_their_own_revision(runtime: Runtime, gate: Gate) -> None:
    """Several saves while calls run: each call gets its own answer, each old instance goes when empty."""
    runtime.write(home=INSIDE.format(1))
    function, _ = await runtime.live()
    callers = [runtime.calling()]
    for number in (2, 3):
        await until(lambda: len(gate.seen) == len(callers))
        runtime.write(home=INSIDE.format(number))
        assert await function.refresh()
        callers.append(runtime.calling())
    await until(lambda: len(gate.seen) == 3)
    assert function.status()["draining"] == 2
    gate.open.set()
    assert [(await caller).body for caller in callers] == [b"1", b"2", b"3"]
    await until(lambda: {"stop 1", "stop 2"} <= set(gate.seen))
    assert "stop 3" not in gate.seen
    assert function.status()["draining"] == 0


async def test_the_old_revision_serves_while_the_new_one_warms(runtime: Runtime, gate: Gate) -> None:
    """A slow start costs nobody anything."""
    runtime.write(home=version(1))
    function, _ = await runtime.live()
    runtime.write(home=GATED.format(2))
    refreshing = asyncio.create_task(function.refresh())
    await until(lambda: gate.seen)
    assert await runtime.body() == "1"
    gate.open.set()
    assert await refreshing
    assert await runtime.body() == "2"


async def test_a_watcher_that_leaves_does_not_cancel_the_save(runtime: Runtime, gate: Gate) -> None:
    """What was begun is finished; nothing half-made stays behind."""
    runtime.write(home=GATED.format(1))
    function = runtime.function()
    refreshing = asyncio.create_task(function.refresh())
    await until(lambda: gate.seen)
    refreshing.cancel()
    await asyncio.wait({refreshing})
    gate.open.set()
    assert await runtime.body() == "1"
    assert gate.seen == ["start 1"]
    assert function.live is not None


async def test_first_call_and_save_at_once(runtime: Runtime, gate: Gate) -> None:
    """One load; the save sees that nothing is new."""
    runtime.write(home=GATED.format(1))
    function = runtime.function()
    caller = runtime.calling()
    refreshing = asyncio.create_task(function.refresh())
    await until(lambda: gate.seen)
    gate.open.set()
    assert (await caller).body == b"1"
    assert await refreshing is False
    assert gate.seen == ["start 1"]


async def test_many_saves_at_once_end_with_the_last(runtime: Runtime) -> None:
    """Looks at the disk follow each other; the text that is there last is live."""
    runtime.write(home=version(0))
    function, _ = await runtime.live()
    looking = []
    for number in range(1, 11):
        runtime.write(home=version(number))
        looking.append(asyncio.create_task(function.refresh()))
        await asyncio.sleep(0.001)
    assert sum(await asyncio.gather(*looking)) >= 1
    assert await runtime.body() == "10"
    await until(lambda: len(loaded()) == 2)


async def test_a_bug_of_ours_does_not_end_the_watching(runtime: Runtime) -> None:
    """Anything but a failed load is told as unexpected; the last good revision goes on."""
    runtime.write(home=version(1))
    function, _ = await runtime.live()
    runtime.write(home="raise MemoryError")
    assert not await function.refresh()
    (unexpected,) = runtime.of(Unexpected)
    assert isinstance(unexpected.error, MemoryError)
    assert unexpected.where == "refresh of home"
    assert await runtime.body() == "1"


async def test_refreshing_several_names_at_once(runtime: Runtime) -> None:
    """Side by side; names nobody knows are none of its business."""
    runtime.write(a=version("a"), b=version("b"))
    runtime.function("a"), runtime.function("b")
    await runtime.invoker.refresh(["a", "b", "nobody"])
    assert {each.function for each in runtime.of(RevisionReady)} == {"a", "b"}


# What a change concerns


async def test_changes_that_concern_it(runtime: Runtime) -> None:
    """Its own file always; shared files it imports, or would; anything while it is broken."""
    runtime.write(
        home="from ._shared import X\ntry:\n    from . import _more\nexcept ImportError: ...\n" + version(1)
    )
    runtime.write(_shared="X = 1", _other="")
    function = runtime.function()
    assert function.depends_on({"home.py"})
    assert function.depends_on({"home/__init__.py"})
    assert not function.depends_on({"_shared.py"})
    await function.activate()
    for path in ("_shared.py", "_more.py", "home.py", "home/data.txt"):
        assert function.depends_on({"x.py", path}), path
    assert not function.depends_on({"_other.py", "homely.py"})
    runtime.write(home="def (")
    await function.refresh()
    assert function.depends_on({"_other.py"})


# Settings


async def test_changed_env_makes_a_new_instance_of_the_same_revision(runtime: Runtime, gate: Gate) -> None:
    """Calls inside keep theirs; code is not read again, whatever is on disk."""
    runtime.write(
        home="import gate\nasync def handle(ctx):\n    gate.see(ctx.settings['KEY'])\n    await gate.wait()\n    return ctx.settings['KEY']"
    )
    function, first = await runtime.live(env={"KEY": "old"})
    inside = runtime.calling()
    await until(lambda: gate.seen)
    (runtime.root / "home.py").unlink()
    assert function.reconfigure(settings(env={"KEY": "new"}))
    await function.remake()
    after = runtime.calling()
    gate.open.set()
    assert ((await inside).body, (await after).body) == (b"old", b"new")
    assert function.live is not None
    assert function.live is not first
    revision = function.live.revision
    assert (revision.name, revision.digest) == (first.revision.name, first.revision.digest)
    await first.gone()


async def test_a_changed_timeout_is_a_new_revision_of_the_same_files(runtime: Runtime) -> None:
    """Timeouts are frozen into a revision: the digest says so, and the name."""
    runtime.write(home=version(1))
    function, first = await runtime.live(timeout=1.0)
    (runtime.root / "home.py").unlink()
    assert function.reconfigure(settings(timeout=2.0))
    await function.remake()
    assert function.live is not None
    revision = function.live.revision
    assert (revision.name, revision.snapshot.files) == ("home-dev-2", first.revision.snapshot.files)
    assert revision.digest != first.revision.digest
    assert runtime.of(RevisionReady)[-1].revision == "home-dev-2"
    assert await runtime.body() == "1"
    assert function.reconfigure(settings(timeout=1.0))
    await function.remake()
    revision = function.live.revision
    assert (revision.name, revision.digest) == (first.revision.name, first.revision.digest)


@pytest.mark.parametrize(
    ("changed", "is_remade"),
    [
        ({}, False),
        ({"routes": (("/x", ()),)}, False),
        ({"stop_timeout": 9.0}, False),
        ({"cancel_on_disconnect": True}, False),
        ({"stream_timeout": 1.0, "stream_idle_timeout": 1.0}, False),
        ({"env": {"A": "b"}}, True),
        ({"threads": 9}, True),
        ({"timeout": 9.0}, True),
    ],
)
async def test_which_settings_need_a_new_instance(
    runtime: Runtime, changed: dict[str, Any], *, is_remade: bool
) -> None:
    """Those it was made with; everything else applies to the instance there is."""
    runtime.write(home=version(1))
    function, activator = await runtime.live()
    assert function.reconfigure(settings(**changed)) is is_remade
    assert function.settings == settings(**changed)
    frozen = activator.revision.snapshot.settings
    assert activator.settings == settings(**changed).for_revision(frozen), "what a revision froze stays"


async def test_settings_that_break_it_leave_the_old_instance(runtime: Runtime) -> None:
    """And are told like a broken save; the next good ones take over."""
    runtime.write(
        home="""
            class Handler:
                def start(self, cfg): self.key = cfg["KEY"]
                async def handle(self): return self.key
            def new(): return Handler()
        """
    )
    function, first = await runtime.live(env={"KEY": "good"})
    function.reconfigure(settings(env={}))
    await function.remake()
    assert function.live is first
    assert runtime.of(LoadFailed)[0].serving == "home-dev-1"
    assert await runtime.body() == "good"
    function.reconfigure(settings(env={"KEY": "better"}))
    await function.remake()
    assert await runtime.body() == "better"
    assert function.failure is None


async def test_remaking_what_was_never_made(runtime: Runtime) -> None:
    """Nothing to do: the first call will use the present settings."""
    function = runtime.function()
    function.reconfigure(settings(env={"A": "b"}))
    await function.remake()
    assert (function.live, runtime.heard) == (None, [])


async def test_settings_that_change_during_the_first_load(runtime: Runtime, gate: Gate) -> None:
    """The load is finished with the old ones, and made again with the new."""
    runtime.write(
        home="""
            import gate
            class Handler:
                async def start(self, cfg):
                    self.key = cfg["KEY"]
                    gate.see(self.key)
                    await gate.wait()
                async def handle(self): return self.key
            def new(): return Handler()
        """
    )
    function = runtime.function(env={"KEY": "old"})
    caller = runtime.calling()
    await until(lambda: gate.seen)
    assert function.reconfigure(settings(env={"KEY": "new"}))
    remaking = asyncio.create_task(function.remake())
    gate.open.set()
    await remaking
    assert (await caller).body in (b"old", b"new")
    assert await runtime.body() == "new"


# The end


async def test_closing_while_a_save_warms_up(runtime: Runtime, gate: Gate) -> None:
    """Neither the old nor the half-made instance is left, and nothing comes back to life."""
    runtime.write(home=version(1))
    function, _ = await runtime.live()
    runtime.write(home=GATED.format(2))
    refreshing = asyncio.create_task(function.refresh())
    await until(lambda: gate.seen)
    await function.close()
    assert await refreshing is False
    gate.open.set()
    await asyncio.sleep(0)
    assert (function.live, loaded(), tasks()) == (None, [], set())


async def test_after_closing_nothing_begins(runtime: Runtime) -> None:
    """Calls are told to go elsewhere; saves and settings are ignored."""
    runtime.write(home=version(1))
    function, _ = await runtime.live()
    await function.close()
    with pytest.raises(GatewayDraining):
        await runtime.call()
    assert await function.refresh() is False
    await function.remake()
    assert (function.live, loaded()) == (None, [])


async def test_closing_what_was_never_called(runtime: Runtime) -> None:
    """Harmless."""
    await runtime.function().close()
    assert runtime.heard == []


async def test_closing_ends_the_draining_ones_too(runtime: Runtime, gate: Gate) -> None:
    """Whoever is inside: their time has been given before."""
    runtime.write(home=INSIDE.format(1))
    function, _ = await runtime.live()
    inside = runtime.calling()
    await until(lambda: gate.seen)
    runtime.write(home=INSIDE.format(2))
    await function.refresh()
    await function.close()
    assert sorted(gate.seen) == ["in 1", "stop 1", "stop 2"]
    gate.open.set()
    assert (await inside).body == b"1"


async def test_closing_takes_as_long_as_the_slowest(runtime: Runtime, gate: Gate, clock: ManualClock) -> None:
    """Functions whose `stop` hangs are given up side by side, not one after the other."""
    source = "import gate\nclass Handler:\n    async def stop(self):\n        gate.see(1)\n        await gate.wait()\n    async def handle(self): ...\ndef new(): return Handler()"
    names = [f"f{number}" for number in range(5)]
    runtime.write(**dict.fromkeys(names, source))
    for name in names:
        await runtime.live(name)
    closing = asyncio.create_task(runtime.invoker.close())
    await until(lambda: len(gate.seen) == 5)
    await clock.advance(2.0)
    await asyncio.wait_for(closing, 60)
    assert [each.stop_error for each in runtime.of(Evicted)] == ["stop did not end within 2 s"] * 5


async def test_retiring_waits_for_the_calls_inside(runtime: Runtime, gate: Gate) -> None:
    """A function that is removed takes no new calls, ends those it has, and is gone."""
    runtime.write(home=INSIDE.format(1))
    function, _ = await runtime.live()
    inside = runtime.calling()
    await until(lambda: gate.seen)
    retiring = asyncio.create_task(function.retire())
    await asyncio.sleep(0)
    with pytest.raises(GatewayDraining):
        await runtime.call()
    assert not retiring.done()
    gate.open.set()
    assert (await inside).body == b"1"
    await retiring
    assert (gate.seen, loaded()) == (["in 1", "stop 1"], [])


async def test_retiring_in_a_hurry(runtime: Runtime, gate: Gate) -> None:
    """Cancelled, it closes at once: the gateway itself is ending."""
    runtime.write(home=INSIDE.format(1))
    function, _ = await runtime.live()
    inside = runtime.calling()
    await until(lambda: gate.seen)
    retiring = asyncio.create_task(function.retire())
    await asyncio.sleep(0.01)
    retiring.cancel()
    await asyncio.wait({retiring})
    assert (gate.seen, loaded()) == (["in 1", "stop 1"], [])
    gate.open.set()
    await inside


async def test_closing_while_the_snapshot_is_taken(runtime: Runtime, gate: Gate) -> None:
    """The loader thread may be busy with somebody else for long; closing does not wait for it."""
    release = threading.Event()
    busy = asyncio.create_task(runtime.loader_thread.run(lambda: release.wait(60)))
    await asyncio.sleep(0)
    runtime.write(home=version(1))
    function = runtime.function()
    caller = runtime.calling()
    await asyncio.sleep(0)
    await asyncio.wait_for(function.close(), 60)
    with pytest.raises(GatewayDraining):
        await caller
    release.set()
    await busy
    assert tasks() == set()


# Scale in the gateway itself

ONE_AT_MOST = {
    "inline": "import gate\nasync def handle():\n    gate.see('in')\n    await gate.wait()\n",
    "thread": "import gate\ndef handle():\n    gate.see('in')\n    gate.held.wait(60)\n",
}


@pytest.mark.parametrize("isolation", ONE_AT_MOST)
async def test_more_instances_on_one_loop_are_never_made(
    runtime: Runtime, gate: Gate, clock: ManualClock, isolation: str
) -> None:
    """They would add no capacity: none or one, whatever `scale` says and however many are inside; `min` means one."""
    held = gate.held = threading.Event()  # type: ignore[attr-defined]
    runtime.write(home=ONE_AT_MOST[isolation])
    policy = Policy(min=2, initial=4, max=8, target=1, activation=3)
    function = runtime.function(isolation=isolation, scale=policy, threads=4)
    calls = [runtime.calling(seconds=100_000) for _ in range(20)]
    await until(lambda: gate.seen)
    for _ in range(10):
        await clock.advance(2)
        function.consider(clock.now())
        assert (function.status()["instances"], len(runtime.of(WarmedUp))) == (1, 1)
    gate.open.set()
    held.set()
    await asyncio.gather(*calls)
    await clock.advance(10_000)
    function.consider(clock.now())
    assert (function.status()["state"], function.status()["instances"]) == ("idle", 1)
    function.reconfigure(settings(isolation=isolation, scale=Policy(max=8), threads=4))
    function.consider(clock.now())
    assert (function.status()["state"], function.status()["instances"]) == ("cold", 0)


# What operators see


async def test_its_status_follows_its_life(runtime: Runtime, gate: Gate) -> None:
    """Name, revision, state, calls, phases, failure."""
    runtime.write(home=INSIDE.format(1))
    function = runtime.function()
    cold = function.status()
    assert cold == {
        "name": "home", "revision": None, "state": "cold", "instances": 0, "in_flight": 0, "waiting": 0,
        "warm_up": {"count": 0, "p50_ms": None, "p99_ms": None}, "last_used": None, "evictions": 0,
        "bytes_returned": None, "draining": 0, "warm_up_ms": {}, "failure": None,
        "blocked": {"count": 0, "longest_ms": 0, "line": None}, "stuck_threads": 0, "traffic": [],
    }  # fmt: skip
    caller = runtime.calling()
    await until(lambda: gate.seen)
    warm = function.status()
    assert (warm["revision"], warm["state"], warm["in_flight"]) == ("home-dev-1", "warm", 1)
    phases = {"queue", "read", "compile", "imports", "construct", "start"}
    assert set(warm["warm_up_ms"]) == phases  # type: ignore[call-overload]
    gate.open.set()
    await caller
    assert repr(function) == "<Function home: <Lives <Activator home-dev-1: idle, 0 in flight>; 0 drain>>"


async def test_an_evicted_revision_can_be_collected(runtime: Runtime) -> None:
    """Through the whole runtime: instance, binders, adapters and threads let go of its classes."""
    runtime.write(
        home="""
            from typing import Generic, Optional, TypeVar
            from pydantic import BaseModel
            T = TypeVar("T")
            class Thing(BaseModel):
                name: str = "x"
                other: Optional["Thing"] = None
                def go(self): ...
            class Box(BaseModel, Generic[T]):
                inside: T
            Boxed = Box[Thing]
            def handle(ctx, q: int = 1, things: Optional[list[str]] = None) -> Box[Thing]:
                return Box[Thing](inside=Thing())
        """
    )
    function, _ = await runtime.live(routes=(("/", ()),))
    assert await runtime.body() == '{"inside":{"name":"x","other":null}}'

    def classes() -> list[Callable[[], Any]]:
        assert function.live is not None
        assert function.live.instance is not None
        module = function.live.instance.package.module()
        return [weakref.ref(each) for each in (module, module.Thing, module.Box, module.handle)]

    refs = classes()
    for number in range(3):
        runtime.write(home=version(number))
        await function.refresh()
        await runtime.body()
    await until(lambda: len(runtime.of(Evicted)) == 3)
    await runtime.loader_thread.run(lambda: None)
    gc.collect()
    assert [ref() for ref in refs] == [None] * 4


async def test_listeners_that_fail_do_not_stop_it(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody who emits fails with who listens."""

    def fail(_signal: object) -> None:
        raise OSError

    assert isinstance(runtime.signals, Signals)
    runtime.signals.listen(WarmedUp, fail)
    runtime.write(home=version(1))
    assert await runtime.body() if runtime.function() else False
    assert "failed on WarmedUp" in capsys.readouterr().err
