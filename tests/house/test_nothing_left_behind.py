"""A call that has ended is gone with its last reference: nothing of it waits for the garbage collector, which would
have to walk through all that is alive to find it, again and again, and most of all when many calls fail.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.app import House, Options, compose
from bff.config import load
from bff.gateway.sender import Sender
from bff.sdk.invocation import Incoming, Invocation
from bff.services.connection import Connection
from bff.telemetry.lines import open_lines
from tests.conftest import write
from tests.house.inside import inside

pytestmark = pytest.mark.anyio

FILES = {
    "functions/answers.py": "async def handle(ctx):\n    return {'a': 1}\n",
    "functions/waits.py": "import asyncio\n\nasync def handle(ctx):\n    await asyncio.sleep(0)\n    return 'done'\n",
    "functions/plain.py": "def handle(ctx):\n    return {'a': 1}\n",
    "functions/fails.py": "async def handle(ctx):\n    raise ValueError('no')\n",
    "functions/streams.py": "async def handle(ctx):\n    for _ in range(3):\n        yield b'x'\n",
    "functions/late.py": "import asyncio\n\nasync def handle(ctx):\n    await asyncio.sleep(60)\n",
    "functions/broken.py": "raise RuntimeError('no')\n",
    "functions/page.py": """\
from bff import gather

async def handle(ctx):
    own = ctx.services.own
    first, second = await gather(own.get("/a"), own.get("/b"))
    return {"first": first.json(), "second": second.json()}
""",
    "functions/unreached.py": "async def handle(ctx):\n    await ctx.services.nowhere.get('/')\n",
}
STATUSES = {
    **dict.fromkeys(("answers", "waits", "plain", "streams", "page"), 200),
    "fails": 500,
    "late": 504,
    "broken": 500,
    "unreached": 503,
}
ROUTES = (
    "services: {own: {url: 'http://own.test'}, nowhere: {url: 'http://nowhere.test'}}\nroutes:\n"
    + "".join(
        f"- {{path: /{name}, function: {name}{', timeout: 50ms' if name == 'late' else ''}}}\n"
        for name in STATUSES
    )
)
OURS = (Invocation, Incoming, Sender, Connection)


@contextmanager
def without_collector() -> Iterator[list[object]]:
    """What of ours only the collector could have freed, once the block is left."""
    left: list[object] = []
    gc.collect()
    gc.disable()
    try:
        yield left
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left += [repr(each) for each in gc.garbage if isinstance(each, OURS)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def answered(request: httpx.Request) -> httpx.Response:
    if request.url.host == "nowhere.test":
        raise httpx.ConnectError("refused")
    return httpx.Response(200, json={"path": request.url.path})


async def call(house: House, path: str) -> int:
    """The status of an answer. No server in between: its idle connections remember their last call."""
    statuses = []

    async def receive() -> Any:
        await asyncio.Future()

    async def send(message: Any) -> None:
        if "status" in message:
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "state": {},
        "headers": [(b"host", b"bff")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await house.gateway(scope, receive, send)
    return statuses[0]


async def test_nothing_of_a_call_waits_for_the_collector(tmp_path: Path) -> None:
    """Not of a cold one, not of a warm one, however it ends."""
    config = load(write(tmp_path, {**FILES, "routes.yaml": ROUTES}) / "routes.yaml")
    options = Options(
        keeps_state=False,
        lines=open_lines(format="json", level="error"),
        make_transport=lambda *_: httpx.MockTransport(answered),
    )
    async with compose(config, options) as house:
        for name, status in STATUSES.items():
            for temperature in ("cold", "warm"):
                with without_collector() as left:
                    calls = [asyncio.create_task(call(house, f"/{name}")) for _ in range(4)]
                    assert await asyncio.gather(*calls) == [status] * 4
                    calls.clear()
                assert left == [], f"{temperature} {name}"


async def test_a_dead_service_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither one that refuses connections nor one that takes them and says nothing: where a service is down, there
    are hundreds of such calls a second, and their connections held all that a call had.
    """
    heard = asyncio.Event()

    async def silent(_reader: Any, writer: asyncio.StreamWriter) -> None:
        heard.set()
        await asyncio.sleep(0)
        silents.append(writer)

    silents: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        refused = gone.getsockname()[1]
    calm = "retries: {attempts: 0}, outlier_detection: {consecutive_5xx: 0}, coalesce: false"
    ports = {"refused": refused, "silent": server.sockets[0].getsockname()[1]}
    waits = {"refused": "60s", "silent": "100ms"}
    services = "".join(
        f"  {name}: {{url: 'http://127.0.0.1:{port}', timeout: {waits[name]}, {calm}}}\n"
        for name, port in ports.items()
    )
    files = {
        f"functions/{name}.py": f"async def handle(ctx):\n    await ctx.services.{name}.get('/')\n"
        for name in ports
    }
    routes = "".join(f"- {{path: /{name}, function: {name}}}\n" for name in ports)
    files["routes.yaml"] = f"services:\n{services}routes:\n{routes}"
    config = load(write(tmp_path, files) / "routes.yaml")
    options = Options(keeps_state=False, lines=open_lines(format="json", level="error"))
    async with compose(config, options) as house:
        for name, status in (("refused", 503), ("silent", 504)):
            assert await call(house, f"/{name}") == status  # what is made once is made
            with without_collector() as left:
                assert [await call(house, f"/{name}") for _ in range(3)] == [status] * 3
                for _ in range(20):  # the ends of the connections are told of in turns of their own
                    await asyncio.sleep(0)
            assert left == [], name
    assert heard.is_set()
    for each in silents:
        each.close()
    server.close()


async def test_a_connection_that_idles_holds_nothing_of_its_last_call(tmp_path: Path) -> None:
    """Its timer was set in the call's context and so remembers the invocation, but neither what services answered nor
    the request's body, which are there until everybody has been told.
    """
    page = "async def handle(ctx):\n    await ctx.services.own.get('/posts')\n    return {'a': 1}\n"
    posts = "async def handle(body: dict | None = None):\n    return len(body or ())\n"
    routes = (
        "routes: [{path: /posts, methods: [GET, POST], function: posts}, {path: /page, function: page}]\n"
    )
    files = {"functions/posts.py": posts, "functions/page.py": page, "routes.yaml": routes}
    told, ended = [], list[Invocation]()
    async with inside(tmp_path, files) as served:
        write(tmp_path, {"routes.yaml": f"services: {{own: {{url: '{served.address}'}}}}\n{routes}"})
        assert await served.house.reload()
        served.house.signals.listen(Invocation, lambda each: told.append(each.incoming.read or each.memo))
        served.house.signals.listen(Invocation, ended.append)
        assert (await served.client.post("/posts", json={"text": "x"})).text == "1"
        assert (await served.client.get("/page")).json() == {"a": 1}
    assert [bool(each) for each in told] == [True, False, True], "there as long as somebody may look"
    assert [(each.memo, each.incoming and each.incoming.read) for each in ended] == [(None, None)] * 3


async def test_a_server_runs_with_the_collector(tmp_path: Path) -> None:
    """The command line begins without; who serves has it, and it begins late."""
    config = load(write(tmp_path, {**FILES, "routes.yaml": ROUTES}) / "routes.yaml")
    before = gc.get_threshold()
    gc.disable()
    try:
        async with compose(config, Options(keeps_state=False, take_over_logging=True)):
            assert gc.isenabled()
            assert gc.get_threshold()[0] > before[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        gc.enable()
