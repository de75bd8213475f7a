"""Several gateways' parts on one shared store, in one process: each with a folder, a loader and functions of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bff.clock import Clock, SystemClock
from bff.config import ReleaseConfig
from bff.revisions import archive, snapshot
from bff.revisions.loader import Loader
from bff.revisions.plan import Deploy
from bff.revisions.release import Release, from_json
from bff.revisions.store.database import Session
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.records import Change, Deployed, TrafficState
from bff.revisions.store.retention import Retention
from bff.revisions.store.sqlite import SQLite
from bff.revisions.store.store import Store
from bff.revisions.traffic import Target, Traffic
from bff.runtime.follower import Follower
from bff.runtime.function import Function
from bff.runtime.ledger import StoreLedger
from bff.runtime.mover import Mover
from bff.runtime.publisher import Publisher
from bff.runtime.shelf import Shelf
from bff.runtime.threads import Threads
from bff.testing import ManualClock
from tests.conftest import write
from tests.runtime.conftest import Runtime

CANARY = ReleaseConfig(strategy="canary", steps=(10, 50, 100))


def says(word: str) -> str:
    return f"async def handle(): return {word!r}\n"


class Trouble(SQLite):
    """A file's database that does as it is told. Mutable state besides: ``writes`` and ``reads`` that still succeed,
    None for all.
    """

    writes: int | None = None
    reads: int | None = None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        self.writes = _one_less(self.writes, "is full")
        with super().writing() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        self.reads = _one_less(self.reads, "is away")
        with super().reading() as session:
            yield session


def _one_less(left: int | None, why: str) -> int | None:
    if left == 0:
        raise StoreUnavailable(why)
    return None if left is None else left - 1


class Gateway:
    """A gateway's part of a shared store."""

    def __init__(
        self,
        runtime: Runtime,
        where: Path,
        name: str,
        *,
        release: ReleaseConfig = CANARY,
        retention: Retention | None = None,
    ) -> None:
        clock = runtime.clock
        self.runtime = runtime
        self.thread = Threads("bff-store", 1)
        self.database = Trouble(where, wall=clock.wall)
        self.store = Store(self.database, thread=self.thread, clock=clock)
        runtime.publisher = self.publisher = Publisher(
            self.store,
            shelf=Shelf(self.store, root=runtime.root, thread=runtime.loader_thread),
            clock=clock,
            signals=runtime.signals,
            dev=False,
            retention=lambda: retention or Retention(),
            release=lambda function: release,
        )
        self.mover = Mover(self.publisher, clock=clock)
        self.ledger = StoreLedger(self.mover, gateway=name, functions=lambda: runtime.invoker.functions)
        self.follower = Follower(
            self.publisher,
            functions=lambda: runtime.invoker.functions,
            clock=clock,
            signals=runtime.signals,
        )
        self.function: Function = runtime.function()

    async def deploy(self, word: str) -> None:
        """What is saved in its folder under ``serve --watch``."""
        self.runtime.write(home=says(word))
        await self.function.look()
        await self.publisher.refresh(self.function)

    async def upload(self, source: str) -> Deployed:
        """What `bff deploy` does."""
        root = self.runtime.root.parent / "elsewhere/functions"
        write(root, {"home.py": source})
        packed = archive.packed(snapshot.take(root, "home"))
        return await self.publisher.deploy(self.function, packed, Deploy(who="ann"))

    async def move(self, *shares: tuple[str, int]) -> TrafficState:
        """What `bff traffic` does."""
        traffic = Traffic(tuple(Target(revision=name, percent=percent) for name, percent in shares))
        change = Change(function="home", what="traffic", who="ann", traffic=traffic)
        return await self.mover.move(self.function, change)

    async def release(self) -> Release:
        state = (await self.store.release("home")).state
        assert state is not None
        return from_json(state)

    def shares(self) -> dict[str, int]:
        """What is in force here, of those that have any."""
        assert self.function.routing is not None
        return {name: percent for name, percent in self.function.routing.shares().items() if percent}

    async def follows(self, **shares: int) -> None:
        """Return once it has taken what the others did."""
        wanted = {name.replace("_", "-"): percent for name, percent in shares.items()}
        await self.follower.catch_up()
        clock = self.runtime.clock
        for _ in range(2000):
            if self.shares() == wanted:
                return
            if isinstance(clock, ManualClock):
                await clock.advance(0.0)
            await asyncio.sleep(0.005)
        raise AssertionError(f"{self.shares()} and not {wanted}")

    async def close(self) -> None:
        for task in list(self.follower._tasks.values()):
            task.cancel()
        await self.runtime.close()
        await self.store.close()
        self.thread.close()


@asynccontextmanager
async def gateways(
    folder: Path,
    *names: str,
    clock: Clock | None = None,
    release: ReleaseConfig = CANARY,
    retention: Retention | None = None,
) -> AsyncIterator[list[Gateway]]:
    """Some on one store, until the block is left."""
    with Loader() as loader:
        made = [
            Gateway(
                Runtime(folder / name, loader, clock=clock or SystemClock(), dev=False),
                folder / "state.db",
                name,
                release=release,
                retention=retention,
            )
            for name in names
        ]
        try:
            yield made
        finally:
            for each in made:
                await each.close()
