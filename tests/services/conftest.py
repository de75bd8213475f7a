"""Domain services that misbehave, on real sockets, and invocations that call them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bff.clock import Clock, Deadline, SystemClock
from bff.config import ServiceConfig
from bff.sdk.call import Adapters
from bff.sdk.invocation import Forwarding, Incoming, Invocation
from bff.sdk.service import Service
from bff.services.cache import Cache
from bff.services.client import ServiceClient
from bff.services.following import Surroundings
from bff.services.transport import Transports
from tests.services.discovery.conftest import nameserver, registry  # noqa: F401  (fixtures)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop that production runs on."""
    return "asyncio", {"use_uvloop": True}


class Request:
    """A request as it came over the wire."""

    def __init__(self, head: bytes, body: bytes) -> None:
        line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.method, self.target, _ = line.split(" ")
        self.fields = [(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]
        self.headers = {name.lower(): value for name, value in self.fields}
        self.body = body


class Talk:
    """The service's end of one connection, while it answers one request."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter, upstream: Upstream) -> None:
        self.request = request
        self._writer = writer
        self._upstream = upstream

    async def say(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):  # uvloop's word for a closed transport
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self, status: int = 200, body: bytes = b"{}", **headers: str) -> None:
        fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        await self.say(f"HTTP/1.1 {status} Because\r\n{head}\r\n".encode("latin-1") + body)

    async def hang(self) -> None:
        """Say nothing more until the test ends or the caller is gone."""
        await self._upstream.closing.wait()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        self._writer.transport.abort()


Behaviour = Callable[[Talk], Awaitable[None]]


class Upstream:
    """One server. ``accepted`` counts connections, ``requests`` holds what was asked, ``asked`` wakes waiters."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.accepted = 0
        self.gone = 0
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        self.closing = asyncio.Event()
        self.url = ""
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        leaving = asyncio.ensure_future(
            self._wait_closed(writer)
        )  # one for all requests: cancelled, it is spent
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                request = Request(head, b"")
                if "content-length" in request.headers:
                    request.body = await reader.readexactly(int(request.headers["content-length"]))
                self.requests.append(request)
                self.asked.set()
                answering = asyncio.ensure_future(self.behaviour(Talk(request, writer, self)))
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                answering.cancel()
                await asyncio.wait({answering})
                if not answering.cancelled() and (error := answering.exception()) is not None:
                    raise error
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.gone += 1
            leaving.cancel()
            writer.close()

    @staticmethod
    async def _wait_closed(writer: asyncio.StreamWriter) -> None:
        async def closed() -> None:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

        # Shielded: a cancelled wait cancels the future behind it, and every later wait ends at once.
        await asyncio.shield(closed())

    def break_all(self) -> None:
        """Close every connection, as a service that restarts does."""
        for writer in self._writers:
            writer.close()


@pytest.fixture
async def upstream() -> AsyncIterator[Callable[..., Awaitable[Upstream]]]:
    """``await upstream(behaviour)``: a server on a port of its own; without a behaviour it answers ``{}``."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(behaviour: Behaviour = Talk.answer, *, ssl: Any = None) -> Upstream:
            made = Upstream(behaviour)
            server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=ssl)
            made.url = f"{'https' if ssl else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"

            async def stop() -> None:
                made.closing.set()
                server.close()
                made.break_all()
                await server.wait_closed()
                async with asyncio.timeout(60):
                    while made.gone < made.accepted:
                        await asyncio.sleep(0.001)

            stack.push_async_callback(stop)
            return made

        yield start


MakeClient = Callable[..., ServiceClient]


@pytest.fixture
async def client() -> AsyncIterator[MakeClient]:
    """``client(url, timeout="1s", …)``: a real client of a service at that address. Unless a test says
    otherwise every call is one on the wire: ``coalesce`` is off. Chance is the same in every run.
    """
    made: list[ServiceClient] = []

    def make(
        url: str,
        *,
        name: str = "users",
        clock: Clock | None = None,
        max_answer: int | None = None,
        store: Cache | None = None,
        **config: Any,
    ) -> ServiceClient:
        options: dict[str, Any] = {} if max_answer is None else {"max_answer": max_answer}
        made.append(
            ServiceClient(
                name,
                ServiceConfig.model_validate({"url": url, "coalesce": False, "timeout": "60s", **config}),
                clock=clock or SystemClock(),
                make_transport=Transports().make,
                cache=store,
                surroundings=Surroundings(random=Random(7)),
                **options,
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def make_invocation(
    *,
    headers: Sequence[tuple[str, str]] = (),
    forwarding: Mapping[str, Sequence[str]] | None = None,
    traceparent: str | None = None,
    client: str = "203.0.113.9",
    seconds: float = 60.0,
    clock: Clock | None = None,
) -> Invocation:
    """A request of a caller, as the gateway would hand it in."""
    clock = clock or SystemClock()
    now = clock.now()
    made = Invocation(
        request_id="r-1",
        method="GET",
        clock=clock,
        started=now,
        traceparent=traceparent.encode() if traceparent else None,
    )
    made.deadline = Deadline(now + seconds, seconds)
    made.client, made.route, made.function = client, "/", "home"
    allowed = forwarding or {}
    made.incoming = Incoming(
        {
            "type": "http",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        },
        None,
        {},
        0,
        Forwarding(
            headers=tuple(name.encode() for name in allowed.get("headers", ())),
            cookies=tuple(allowed.get("cookies", ())),
        ),
    )
    return made


@pytest.fixture
def invocation() -> Callable[..., Invocation]:
    return make_invocation


@pytest.fixture
def service(client: MakeClient) -> Callable[..., Service]:
    """``service(url, invocation=…, timeout="1s")``: what ``ctx.services.users`` would be."""

    def make(url: str, invocation: Invocation | None = None, **config: Any) -> Service:
        return Service(client(url, **config), invocation or make_invocation(), Adapters())

    return make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that nobody vouches for; its key lies beside it as ``key.pem``."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ],
        check=True,
        capture_output=True,
    )
    return certificate


@pytest.fixture(scope="session")
def self_signed(certificate: Path) -> ssl.SSLContext:
    """A server's context with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context for ``localhost`` and the certificate that a client has to trust for it."""
    folder = tmp_path_factory.mktemp("authority")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context, folder / "certificate.pem"
