"""Real processes: a forkserver per module, functions written to a folder, calls as the invoker makes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.clock import Clock, Deadline, Expiry, SystemClock
from bff.config import ServiceConfig
from bff.errors import DeadlineExceeded, FunctionNotLoaded
from bff.measured import WarmUp
from bff.revisions import snapshot
from bff.revisions.loader import Loader
from bff.revisions.revision import Revision
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.isolation.limits import ProcessLimits
from bff.runtime.settings import Settings
from bff.runtime.threads import Threads
from bff.runtime.warmup import Workshop
from bff.sdk.invocation import Forwarding, Incoming, Invocation
from bff.sdk.reply import Answer
from bff.services.cache import Cache
from bff.services.client import ServiceClient
from bff.telemetry.functionlogs import FunctionLogs
from bff.telemetry.verbosity import Said, Verbosity
from bff.testing import ManualClock
from tests.conftest import write

WITHIN = 60.0
Handle = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop that production runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
async def forkserver(anyio_backend: object) -> AsyncIterator[Forkserver]:
    server = Forkserver()
    yield server
    await server.close()


class Noted:
    """Log lines as the gateway would write them."""

    wanted = Verbosity(Said(level="debug"))

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        self.lines.append((level, event, dict(fields)))


class Yard:
    """Starts functions in processes and calls them."""

    def __init__(
        self, root: Path, loader: Loader, forkserver: Forkserver, clock: Clock | None = None
    ) -> None:
        self.root = root
        self.clock = clock or SystemClock()
        self.forkserver = forkserver
        self.senders: dict[str, Any] = {}
        self.logs = Noted()
        self.instances: list[ProcessInstance] = []
        self.warm_ups: list[WarmUp] = []
        self.gone: list[str] = []
        lines: Any = self.logs
        self.threads = Threads("loader", 1)
        self.workshop = Workshop(
            clock=self.clock,
            loader=loader,
            loader_thread=self.threads,
            reader_thread=self.threads,
            senders=lambda: self.senders,
            logger=FunctionLogs(lines),
        )

    def revision(self, **files: str) -> Revision:
        write(self.root, {f"{name.replace('__', '/')}.py": text for name, text in files.items()})
        return Revision("home-00001", "home", snapshot.take(self.root, "home"), 0.0)

    def settings(self, **changed: Any) -> Settings:
        usual: dict[str, Any] = {
            "timeout": WITHIN,
            "warm_up_timeout": WITHIN,
            "stop_timeout": 1.0,
            "threads": 4,
            "env": {"colour": "blue"},
            "routes": (("/", ()),),
            "cancel_on_disconnect": False,
            "stream_idle_timeout": WITHIN,
            "stream_timeout": WITHIN,
        }
        return Settings(**usual | changed)

    async def start(
        self, home: str, *, limits: ProcessLimits | None = None, shared: str | None = None, **changed: Any
    ) -> ProcessInstance:
        files = {"home": home} | ({"_shared": shared} if shared is not None else {})
        return await self.start_again(self.revision(**files), limits=limits, **changed)

    async def start_again(
        self, revision: Revision, *, limits: ProcessLimits | None = None, **changed: Any
    ) -> ProcessInstance:
        instance, warmed = await ProcessInstance.start(
            revision,
            self.settings(**changed),
            self.workshop,
            forkserver=self.forkserver,
            limits=limits or ProcessLimits(),
            real_paths=False,
        )
        instance.on_gone = self.gone.append
        self.instances.append(instance)
        self.warm_ups.append(warmed)
        return instance

    async def close(self) -> None:
        for instance in self.instances:
            instance.kill()
            await asyncio.wait_for(instance.gone(), WITHIN)
        self.threads.close()

    async def refused(self, home: str, **changed: Any) -> FunctionNotLoaded:
        with pytest.raises(FunctionNotLoaded) as caught:
            await self.start(home, **changed)
        return caught.value

    def service(
        self, name: str, handle: Handle, *, headers: dict[str, str] | None = None, cache: Any = None
    ) -> None:
        """A declared service, behind the gateway's own client."""
        section = {"url": f"http://{name}.internal", "headers": headers or {}, "cache": cache}
        self.senders[name] = ServiceClient(
            name,
            ServiceConfig.model_validate(section),
            clock=self.clock,
            make_transport=lambda *_: httpx.MockTransport(handle),
            cache=Cache(clock=self.clock) if cache else None,
        )

    def invocation(
        self,
        query: str = "",
        *,
        method: str = "GET",
        body: bytes | list[bytes] = b"",
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        route: str = "/",
        timeout: float = WITHIN,
        max_body: int = 64_000_000,
        forwarding: Forwarding | None = None,
    ) -> Invocation:
        now = self.clock.now()
        invocation = Invocation(
            request_id="r-1",
            method=method,
            clock=self.clock,
            started=now,
            traceparent=b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        invocation.route, invocation.function, invocation.revision = route, "home", "home-00001"
        invocation.client, invocation.deadline = "192.0.2.7", Deadline(now + timeout, timeout)
        pieces = [body] if isinstance(body, bytes) else body
        fields = {"host": "bff.test", "content-type": content_type, **(headers or {})}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": "/über",
            "raw_path": b"/%C3%BCber",
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
            "server": ("bff.test", 80),
            "client": ("192.0.2.7", 1234),
            "bff.protocol": object(),
        }
        self.received = 0

        async def receive() -> dict[str, Any]:
            self.received += 1
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        incoming = Incoming(scope, receive, params or {}, max_body)
        if forwarding is not None:
            incoming.forwarding = forwarding
        invocation.incoming = incoming
        return invocation

    async def call(self, instance: ProcessInstance, query: str = "", **facts: Any) -> Answer:
        return await self.run(instance, self.invocation(query, **facts))

    async def run(self, instance: ProcessInstance, invocation: Invocation) -> Answer:
        """Under the invocation's deadline, as the invoker does it."""
        try:
            with Expiry(self.clock, invocation.deadline.at):
                return await instance.call(invocation)
        except TimeoutError:
            raise DeadlineExceeded(
                allowed=invocation.deadline.allowed, waiting_for=invocation.waiting_for()
            ) from None


@pytest.fixture
def loader() -> Iterator[Loader]:
    with Loader() as loader:
        yield loader


@pytest.fixture
async def yard(tmp_path: Path, loader: Loader, forkserver: Forkserver) -> AsyncIterator[Yard]:
    yard = Yard(tmp_path / "functions", loader, forkserver)
    yield yard
    await yard.close()


@pytest.fixture
async def still_yard(
    tmp_path: Path, loader: Loader, forkserver: Forkserver, clock: ManualClock
) -> AsyncIterator[Yard]:
    """One where the gateway's clock stands still; its processes have their own."""
    yard = Yard(tmp_path / "functions", loader, forkserver, clock)
    yield yard
    await yard.close()


async def until(condition: Callable[[], Any], within: float = WITHIN) -> None:
    """Return once it is so; fail when it is not so in time."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


async def as_time_passes(clock: ManualClock, condition: Callable[[], Any]) -> None:
    """The same, with the gateway's clock going on meanwhile."""
    async with asyncio.timeout(WITHIN):
        while not condition():
            await clock.advance(0.1)
            await asyncio.sleep(0.005)


def has_settled(instance: ProcessInstance) -> bool:
    """Whether nobody goes on whose caller has left, and the pulse that was asked for was felt."""
    return not instance._leavers and instance._leavers._verdict is None


def is_running(pid: int) -> bool:
    """Whether there is such a process, and be it a zombie."""
    return Path(f"/proc/{pid}").exists()


async def sent(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """What a response that is an application sends."""
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    assert answer.response is not None
    await answer.response({}, None, send)
    start, *bodies = messages
    fields = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return start["status"], fields, b"".join(each.get("body", b"") for each in bodies)
