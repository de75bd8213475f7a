"""A gateway in the test's own loop, on a real socket: HTTP outside, and its rooms within reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bff import listeners
from bff.app import House, Options, compose
from bff.config import load
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing, age
from bff.revisions.traffic import Target, Traffic
from bff.runtime import warmup
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
        root = self.house.config.folder.resolve()
        taken = await warmup.read(root, name, function.settings, self.house._workshop)
        return self.house._registry.publish(taken)

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
async def inside(folder: Path, files: Mapping[str, str], *, dev: bool = False) -> AsyncIterator[Inside]:
    """Serve a project until the block is left; access lines go nowhere."""
    config = load(write(folder, files) / "routes.yaml")
    silent = open_lines(format="json", level="error")
    with listeners.bind("127.0.0.1", 0) as socket:
        async with compose(config, Options(dev=dev, lines=silent)) as house:
            server = listeners._server(house.gateway, config, house.limits, 1.0)
            serving = asyncio.create_task(server.serve(sockets=[socket]))
            while not server.started:
                await asyncio.sleep(0.001)
            address = listeners._address(socket)
            async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client:
                yield Inside(house=house, address=address, client=client, folder=folder)
            server.should_exit = True
            await serving
