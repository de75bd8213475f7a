"""The admin listener without a socket: the real store in memory, and verbs that move traffic in it at once."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.admin.desk import House, Logging, Public
from bff.admin.face import Face
from bff.admin.keys import Key, hashed, local_key
from bff.admin.keys import Who as Who
from bff.admin.office import Office
from bff.clock import Clock, SystemClock
from bff.config import Config, ServiceConfig
from bff.events.operating import Operating
from bff.events.stages import Stages
from bff.revisions import archive
from bff.revisions.snapshot import Snapshot, take
from bff.revisions.store.database import Database
from bff.revisions.store.records import (
    Candidate,
    Change,
    Deployed,
    Planned,
    Published,
    ReleaseState,
    TrafficState,
)
from bff.revisions.store.sqlite import SQLite
from bff.revisions.store.store import Store
from bff.revisions.traffic import Target, Traffic
from bff.runtime.threads import Threads
from bff.services.room import Backends
from bff.signals import AdminWrite, Signals
from bff.telemetry.journal import Journal
from bff.telemetry.recorder import Recorder
from bff.telemetry.verbosity import Said, Verbosity
from tests.conftest import write

LOCAL = "bff_local-token-of-the-tests"
USUAL = Said(level="info")
READER = "reader-token-of-the-tests-that-is-long"


class Hello:
    """A function, as far as the admin listener asks it."""

    def status(self) -> dict[str, object]:
        return {"name": "hello", "revision": None, "state": "cold", "failure": None}


class Desk:
    """Moves traffic in the store and nowhere else: what revisions are is not this room's matter."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def deploy(
        self,
        function: str,
        archive: bytes,
        *,
        note: str,
        tag: str,
        no_traffic: bool,
        who: str,
        again: bool = False,
    ) -> Deployed:
        candidate = Candidate(
            function=function,
            digest=hashed(archive.decode("latin-1")),
            archive=archive,
            settings='{"timeout": 10.0}',
            author=who,
            note=note,
        )
        made = await self.store.deploy(
            candidate, lambda state, _made, _release: Planned(traffic=state.traffic)
        )
        if not tag:
            return made
        name = made.published.name
        return replace(made, traffic=await self.tag(function, tag, name, expected=None, who=who, why=""))

    async def move(
        self, function: str, traffic: Traffic, *, expected: int | None, who: str, why: str
    ) -> TrafficState:
        change = Change(
            function=function, what="traffic", who=who, why=why, traffic=traffic, expected=expected
        )
        return await self.store.move(change)

    async def tag(
        self, function: str, tag: str, revision: str | None, *, expected: int | None, who: str, why: str
    ) -> TrafficState:
        state = await self.store.traffic(function)
        targets = [*state.traffic.targets, Target(revision=revision, tag=tag)]
        return await self.move(function, Traffic(tuple(targets)), expected=expected, who=who, why=why)

    async def rollback(
        self, function: str, to: str | None, *, expected: int | None, who: str, why: str
    ) -> TrafficState:
        return await self.move(
            function, Traffic((Target(revision=to, percent=100),)), expected=expected, who=who, why=why
        )

    async def promote(self, function: str, revision: str | None, *, who: str, why: str) -> TrafficState:
        return await self.rollback(function, revision, expected=None, who=who, why=why)

    async def pause(self, function: str, *, who: str, why: str) -> ReleaseState:
        return await self._stands(function, "paused", who, why)

    async def resume(self, function: str, *, who: str, why: str) -> ReleaseState:
        return await self._stands(function, "running", who, why)

    async def _stands(self, function: str, state: str, who: str, why: str) -> ReleaseState:
        await turned(self.store, {"state": state}, goes_on=True, who=who, why=why)
        return await self.store.release(function)


async def turned(
    store: Store, release: Mapping[str, Any], *, goes_on: bool, who: str = "gateway", why: str = ""
) -> None:
    """The release of ``hello`` is so from now on; its traffic stays as it is."""
    change = Change(function="hello", what="release", who=who, why=why)
    planned = await store.turn(
        change,
        await store.release("hello"),
        lambda seen: Planned(traffic=seen.traffic, release=release, goes_on=goes_on, step="1"),
    )
    assert planned is not None


class Asking:
    """``await asking("GET", "/v1/functions")``: what the listener answers, as httpx has it."""

    def __init__(self, office: Office, store: Store, heard: list[AdminWrite], folder: Path) -> None:
        self.folder = folder
        self.office = office
        self.store = store
        self.desk = Desk(store)
        self.heard = heard
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=office.app), base_url="http://127.0.0.1:8001"
        )

    async def __call__(
        self, method: str, path: str, *, token: str | None = None, **options: Any
    ) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return await self._client.request(method, path, headers=headers, **options)

    async def write(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The same with the token of the state folder."""
        return await self(method, path, token=LOCAL, **options)

    async def publish(self, *sources: str) -> list[str]:
        """Revisions of ``hello``; their names."""
        made = [
            await self.desk.deploy(
                "hello", self.packed({"hello.py": source}), note="", tag="", no_traffic=False, who="ann"
            )
            for source in sources
        ]
        return [each.published.name for each in made]

    def packed(self, files: Mapping[str, str | bytes]) -> bytes:
        return packed(self.folder, files)

    async def close(self) -> None:
        await self._client.aclose()


def packed(folder: Path, files: Mapping[str, str | bytes]) -> bytes:
    """The archive of ``hello``, of these files in a folder of their own."""
    root = folder / secrets.token_hex(4) / "functions"
    write(root, files)
    return archive.packed(take(root, "hello", b'{"timeout": 10.0}'))


Ask = Callable[..., Any]


@asynccontextmanager
async def admin_office(
    folder: Path = Path(),
    *,
    host: str = "127.0.0.1",
    clock: Clock | None = None,
    keys: tuple[Key, ...] | None = None,
    purge: Any = lambda **_: 0,
    is_ready: Callable[[], bool] = lambda: True,
    describe: Any = None,
    database: Database | None = None,
    hosts: tuple[str, ...] = (),
    recorder: Recorder | None = None,
    journal: Journal | None = None,
    services: Mapping[str, Any] | None = None,
    public: Public | None = None,
    functions: Mapping[str, Any] | None = None,
    events: Callable[[], Operating | None] = lambda: None,
    stages: Callable[[], Stages | None] = lambda: None,
    face: Callable[[House], Face] | None = None,
    **more: Any,
) -> AsyncIterator[Asking]:
    """An office as app opens it, with what a test wants otherwise; ``more`` is what its House has, too."""
    clock = clock or SystemClock()
    thread, signals, heard = Threads("bff-store", 1), Signals(), list[AdminWrite]()
    store = Store(database or SQLite(None, wall=clock.wall), thread=thread, clock=clock)
    signals.listen(AdminWrite, heard.append)
    fixed = keys if keys is not None else (local_key(LOCAL), reader_key())

    async def nothing(_kept: Published, _taken: Snapshot) -> dict[str, Any]:
        return {}

    async def unpack(content: bytes) -> Snapshot:
        return archive.unpacked(content, folder)

    house = House(
        functions=lambda: {"hello": Hello()} if functions is None else functions,
        store=store,
        desk=Desk(store),
        unpack=unpack,
        describe=describe or nothing,
        purge=purge,
        is_ready=is_ready,
        metrics=None,
        logging=Logging(wanted=Verbosity(USUAL), usual=lambda: USUAL),
        clock=clock,
        recorder=recorder,
        events=events,
        stages=stages,
        backends=backends(clock, services or {}),
        journal=journal or Journal(clock=clock),
        public=public or Public(app=nowhere, url=lambda: "http://127.0.0.1:8000", document=no_routes),
        **more,
    )
    office = Office(
        house,
        host=host,
        keys=lambda: fixed,
        signals=signals,
        hosts=lambda: hosts,
        face=None if face is None else lambda: face(house),
    )
    asking = Asking(office, store, heard, folder)
    try:
        yield asking
    finally:
        await asking.close()
        await store.close()
        thread.close()


def backends(clock: Clock, services: Mapping[str, Any]) -> Backends:
    """The services of a routes.yaml that says this."""
    made = Backends(
        Config(),
        clock=clock,
        make_transport=None,
        emit=lambda _: None,
        heeds_fault_header=False,
        later=lambda work: work.close(),
    )
    configs = {name: ServiceConfig.model_validate(each) for name, each in services.items()}
    made.configure(Config().model_copy(update={"services": configs}))
    return made


async def nowhere(_scope: Any, _receive: Any, send: Any) -> None:
    """A public side without routes."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def no_routes() -> bytes:
    return b'{"paths": {}}'


def reader_key() -> Key:
    return Key(hashed(READER), Who(name="reader", scopes=frozenset({"read"})))


@pytest.fixture
async def asking(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Asking]:
    async with admin_office(tmp_path) as made:
        yield made


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def free_admin() -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """``free_admin(folder)``: ``bff serve`` with an admin listener that everybody could reach, and how it ended."""

    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bff.cli", "serve", "--config", str(folder / "routes.yaml")]
        return subprocess.run(
            [*command, "--port", "0", "--admin", "0.0.0.0:0"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
