"""A gateway in the test's own loop, on a real socket: HTTP outside, and its rooms within reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bff import listeners
from bff.app import House, Options, compose
from bff.config import load
from bff.revisions import archive, snapshot
from bff.revisions.plan import Deploy
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing, age
from bff.revisions.store.records import Change, Published, TrafficState
from bff.revisions.traffic import Target, Traffic
from bff.runtime.function import Function
from bff.telemetry.lines import open_lines
from tests.conftest import write


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """A house, its address, and somebody who calls it."""

    house: House
    address: str
    client: httpx.AsyncClient
    folder: Path

    async def publish(self, name: str, source: str) -> Revision:
        """A revision nobody has loaded, of a file as it is saved now."""
        write(self.folder, {f"functions/{name}.py": source})
        function = self.house.invoker.functions[name]
        publisher = self.house.publisher
        taken = await function.look()
        (made,) = await publisher.store.publish([await publisher.candidate(taken)])
        publisher.in_force.learn(await publisher.store.traffic(name))
        return Revision(made.name, name, taken, made.created)

    @property
    def _functions(self) -> Mapping[str, Function]:
        return self.house.invoker.functions

    async def deploy(self, name: str, source: str, **wish: Any) -> Published:
        """What `bff deploy` does: an archive of a folder elsewhere."""
        elsewhere = self.folder / "elsewhere/functions"
        write(elsewhere, {f"{name}.py": source})
        packed = archive.packed(snapshot.take(elsewhere, name))
        wished = Deploy(**{"who": "ann", **wish})
        return (await self.house.mover.deploy(self._functions[name], packed, wished)).published

    async def move(self, name: str, *shares: tuple[str, int], **change: Any) -> TrafficState:
        """What `bff traffic` does."""
        traffic = Traffic(tuple(Target(revision=each, percent=percent) for each, percent in shares))
        wanted = Change(function=name, what="traffic", who="ann", traffic=traffic, **change)
        return await self.house.mover.move(self._functions[name], wanted)

    async def rollback(self, name: str, to: str | None = None) -> TrafficState:
        """What `bff rollback` does."""
        change = Change(function=name, what="rollback", who="ann")
        return await self.house.mover.rollback(self._functions[name], to, change)

    async def revision(self, path: str = "/home") -> str:
        """Which revision answers a call now."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["bff-revision"])

    def route(
        self, *revisions: Revision, percent: tuple[int, ...], tags: Mapping[str, str] | None = None
    ) -> None:
        """Traffic over these; tags by revision's name."""
        targets = tuple(
            Target(revision=each.name, percent=share, tag=(tags or {}).get(each.name, ""))
            for each, share in zip(revisions, percent, strict=True)
        )
        by_name = {each.name: each for each in revisions}
        routing = Routing(traffic=Traffic(targets), revisions=by_name, latest=max(by_name, key=age))
        self.house.invoker.functions[revisions[0].function].route(routing)


@asynccontextmanager
async def inside(
    folder: Path, files: Mapping[str, str], *, dev: bool = False, keeps_state: bool = False
) -> AsyncIterator[Inside]:
    """Serve a project until the block is left; access lines go nowhere. With ``keeps_state`` it has a store, and
    keeps up with it.
    """
    config = load(write(folder, files) / "routes.yaml")
    silent = open_lines(format="json", level="error")
    with listeners.bind("127.0.0.1", 0) as socket:
        async with compose(config, Options(dev=dev, lines=silent, keeps_state=keeps_state)) as house:
            server = listeners._server(house.gateway, config, house.limits, 1.0)
            serving = asyncio.create_task(server.serve(sockets=[socket]))
            while not server.started:
                await asyncio.sleep(0.001)
            address = listeners._address(socket)
            house.keep_up()
            try:
                async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=60) as client:
                    yield Inside(house=house, address=address, client=client, folder=folder)
            finally:  # a test that fails must not hang at its end
                server.should_exit = True
                await serving
