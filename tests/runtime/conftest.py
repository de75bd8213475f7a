"""A runtime without a gateway: real files, a real loader and its thread, a clock that is moved by hand.

What happens inside of a function is steered by ``gate``, a module that functions import.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from bff import signals
from bff.clock import Clock, Deadline
from bff.errors import FunctionNotLoaded
from bff.revisions.loader import PREFIX, Loader
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing, age
from bff.revisions.snapshot import Snapshot
from bff.revisions.store.sqlite import SQLite
from bff.revisions.store.store import Store
from bff.revisions.traffic import Target, Traffic
from bff.runtime.activator import Activator
from bff.runtime.function import Function
from bff.runtime.invoker import Invoker
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.loaderthreads import LoaderThreads
from bff.runtime.publisher import Publisher
from bff.runtime.settings import Settings
from bff.runtime.shelf import Shelf
from bff.runtime.stuck import Stuck
from bff.runtime.threads import Threads
from bff.runtime.warmup import Workshop
from bff.sdk.invocation import Incoming, Invocation
from bff.sdk.reply import Answer
from bff.signals import Signal, Signals
from bff.testing import ManualClock

HEARD = (
    signals.RevisionReady,
    signals.LoadFailed,
    signals.WarmedUp,
    signals.WarmUpFailed,
    signals.Evicted,
    signals.Unexpected,
    signals.ThreadsStuck,
)


class Gate(ModuleType):
    """What functions import as ``gate`` to tell what happens and to wait until they may go on."""

    def __init__(self) -> None:
        super().__init__("gate")
        self.seen: list[Any] = []
        self.open = asyncio.Event()
        self.fail: BaseException | None = None

    def see(self, what: Any) -> None:
        self.seen.append(what)

    async def wait(self) -> None:
        await self.open.wait()
        if self.fail is not None:
            raise self.fail


class AtOnce:
    """In the place of every thread: what is done takes as many turns of the loop as ``pause`` does, before and after,
    and no time of its own. What happens is then the story's alone to say, and it can be told again.
    """

    def __init__(self, pause: Callable[[], Awaitable[None]]) -> None:
        self._pause = pause

    async def run(self, call: Callable[[], Any], *, unheard: Any = None, of: object = None) -> Any:
        await self._pause()
        made = call()
        try:
            await self._pause()
        except asyncio.CancelledError:
            if unheard is not None:
                unheard(made)
            raise
        return made

    def close(self) -> None:
        """There is nothing to end."""


class Runtime:
    """Functions of one folder behind an invoker, and every signal they gave."""

    def __init__(
        self, root: Path, loader: Loader, *, clock: Clock, dev: bool = True, threads: AtOnce | None = None
    ) -> None:
        """``threads`` are what loader, reader and store run on; threads of their own, if it is None."""
        self.root = root
        self.clock = clock
        self.heard: list[Signal] = []
        self.signals = Signals()
        for kind in HEARD:
            self.signals.listen(kind, self.heard.append)
        stuck = Stuck(self.signals.emit)
        self.loader_thread: Any = threads or LoaderThreads("bff-loader", clock=clock, stuck=stuck)
        self.reader_thread: Any = threads or Threads("bff-reader", 1)
        self.store_thread: Any = threads or Threads("bff-store", 1)
        self.store = Store(
            SQLite(None, wall=clock.wall), thread=self.store_thread, clock=clock, is_ephemeral=dev
        )
        self.publisher = Publisher(
            self.store,
            shelf=Shelf(self.store, root=root, thread=self.reader_thread),
            clock=clock,
            signals=self.signals,
            dev=dev,
        )
        self.workshop = Workshop(
            clock=clock,
            loader=loader,
            loader_thread=self.loader_thread,
            reader_thread=self.reader_thread,
            senders=dict,
            logger=lambda invocation: None,
            stuck=stuck,
        )
        self.invoker = Invoker(clock=clock)
        self._dev = dev
        root.mkdir(parents=True, exist_ok=True)

    def write(self, **files: str) -> None:
        """``write(home="…")``: modules, their text dedented."""
        for name, text in files.items():
            (self.root / f"{name}.py").write_text(dedent(text))

    def function(self, name: str = "home", **changed: Any) -> Function:
        """A function, known to the invoker; ``changed`` are settings that differ from the usual ones."""
        function = Function(
            name,
            settings(**changed),
            root=self.root,
            dev=self._dev,
            publisher=self.publisher,
            workshop=self.workshop,
            signals=self.signals,
            forkserver=Forkserver(),  # starts nothing until a process function is warmed
        )
        self.invoker.functions = {**self.invoker.functions, name: function}
        return function

    async def named(self, taken: Snapshot) -> Revision:
        """A published revision of a snapshot, which no function has heard of."""
        (made,) = await self.store.publish([await self.publisher.candidate(taken)])
        self.publisher.in_force.learn(await self.store.traffic(taken.function))
        return Revision(made.name, taken.function, taken, made.created)

    def invocation(
        self, function: str = "home", *, seconds: float = 60.0, query: str = "", route: str = "/"
    ) -> Invocation:
        now = self.clock.now()
        scope = {"type": "http", "method": "GET", "headers": [], "query_string": query.encode(), "path": "/"}
        invocation = Invocation(request_id="r", method="GET", clock=self.clock, started=now)
        invocation.route, invocation.function = route, function
        invocation.deadline = Deadline(now + seconds, seconds)
        invocation.incoming = Incoming(scope, _no_body, {}, 1000)
        return invocation

    async def call(self, function: str = "home", **options: Any) -> Answer:
        """The answer of one call, through the one door."""
        answers: list[Answer] = []

        async def keep(answer: Answer) -> None:
            answers.append(answer)

        await self.invoker.invoke(self.invocation(function, **options), keep)
        (answer,) = answers
        return answer

    async def body(self, function: str = "home", **options: Any) -> str:
        return (await self.call(function, **options)).body.decode()

    def calling(self, function: str = "home", **options: Any) -> asyncio.Task[Answer]:
        """A call that somebody waits for elsewhere."""
        return asyncio.create_task(self.call(function, **options))

    async def live(self, name: str = "home", **changed: Any) -> tuple[Function, Activator]:
        """A function that is warm."""
        function = self.function(name, **changed)
        return function, await function.activate()

    def of(self, kind: type[Any]) -> list[Any]:
        """The signals of one kind, in order."""
        return [signal for signal in self.heard if type(signal) is kind]

    async def close(self) -> None:
        await self.invoker.close()
        await self.store.close()
        self.store_thread.close()
        self.loader_thread.close()
        self.reader_thread.close()


def split(
    *revisions: Revision, percent: Sequence[int] = (), tags: Mapping[str, str] | None = None
) -> Routing:
    """Traffic over these, in equal parts if nothing else is said; tags by revision's name."""
    count = len(revisions)
    shares = percent or [100 // count + (at < 100 % count) for at in range(count)]
    targets = [
        Target(revision=each.name, percent=share, tag=(tags or {}).get(each.name, ""))
        for each, share in zip(revisions, shares, strict=True)
    ]
    by_name = {each.name: each for each in revisions}
    return Routing(traffic=Traffic(tuple(targets)), revisions=by_name, latest=max(by_name, key=age))


async def _no_body() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def settings(**changed: Any) -> Settings:
    usual: dict[str, Any] = {
        "timeout": 10.0,
        "warm_up_timeout": 10.0,
        "stop_timeout": 2.0,
        "threads": 2,
        "env": MappingProxyType({}),
        "routes": (),
        "cancel_on_disconnect": False,
        "stream_idle_timeout": 300.0,
        "stream_timeout": 3600.0,
    }
    return Settings(**usual | changed)


async def until(condition: Callable[[], Any], within: float = 60.0) -> Any:
    """The first true value, while threads do their part: their time is not ours to move."""
    ends = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < ends, f"not so within {within:g} s"
        await asyncio.sleep(0.001)
    return value


def nothing_is_to_be_done_before(clock: ManualClock, moment: float) -> bool:
    """Whether the loop rests, and no timer rings before then: whoever waits would have to be woken by somebody. To
    be asked on asyncio's own loop, once all has settled.
    """
    loop: Any = asyncio.get_running_loop()
    by_the_real_clock = [each for each in loop._scheduled if not each.cancelled()]
    next_one = clock._next()
    return not loop._ready and not by_the_real_clock and (next_one is None or next_one >= moment)


def loaded() -> list[str]:
    """What of functions is in sys.modules."""
    return sorted(name for name in sys.modules if name.startswith(PREFIX))


def tasks() -> set[asyncio.Task[Any]]:
    """Tasks that run besides the test's own and the runner's."""
    mine = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not mine and "TestRunner" not in repr(task)}


@asynccontextmanager
async def running(
    root: Path, *, clock: Clock | None = None, dev: bool = True, threads: AtOnce | None = None
) -> AsyncIterator[Runtime]:
    """A runtime; once it is closed no task runs that did not run before, and nothing of it is loaded."""
    before = tasks()
    with Loader() as loader:
        runtime = Runtime(root, loader, clock=clock or ManualClock(), dev=dev, threads=threads)
        try:
            yield runtime
        finally:
            await runtime.close()
        assert loaded() == []
        assert tasks() - before == set()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def runtime(anyio_backend: str, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Runtime]:
    async with running(tmp_path / "functions", clock=clock) as runtime:
        yield runtime


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = sys.modules["gate"] = Gate()
    yield gate
    del sys.modules["gate"]


async def failure_of(function: Function) -> FunctionNotLoaded:
    """How its first call fails."""
    with pytest.raises(FunctionNotLoaded) as caught:
        await function.activate()
    return caught.value
