"""A gateway in the caller's own loop, on a real socket: HTTP outside, and its rooms within reach."""

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
from bff.revisions import archive
from bff.revisions.plan import Wish
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing, age
from bff.revisions.traffic import Target, Traffic
from bff.telemetry.lines import open_lines


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Lay out files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


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
        taken = await self.house.invoker.functions[name].look()
        publisher = self.house.publisher
        (made,) = await publisher.store.publish([await publisher.candidate(taken)])
        publisher.learn(await publisher.store.traffic(name))
        return Revision(made.name, name, taken, made.created)

    async def deploy(self, name: str, source: str) -> str:
        """As `bff deploy` does it: an archive of a file as it is saved now, under the release policy; its name."""
        write(self.folder, {f"functions/{name}.py": source})
        function = self.house.invoker.functions[name]
        packed = archive.packed(await function.look())
        made, _ = await self.house.publisher.deploy(function, packed, Wish(who="ann"))
        return made.name

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
