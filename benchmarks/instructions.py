"""What a request costs in instructions: python -m benchmarks.instructions [KIND …] [--by FILE] [--does time|enter].

A server's protocol in a process of its own, with transports that cost nothing: what a caller sends and what services
answer is handed to it by the loop, so that neither the network nor other work takes part. The same code counts the same
on every machine, but for a percent or so. This file run with --inside is the measured process.
"""

import argparse
import asyncio
import gc
import io
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks import callgrind, documents
from benchmarks.catalogue import PEER_APPS, PROJECTS

DOES = "count instructions, tell the CPU time, or name the Python functions that are entered and how often"
UPSTREAM = "http://127.0.0.1:9"
COUNT = 640
WARM = 320
"""Requests before those that count."""


class Nowhere(io.StringIO):
    """A log that nobody keeps."""

    def write(self, text: str, /) -> int:
        return len(text)


class Kind(NamedTuple):
    says: str
    path: str
    project: str = ""  # of the gateway; else a peer's module
    peer: str = ""
    callers: int = 1


KINDS = {
    "uvicorn": Kind("hello, bare uvicorn", "/hello", peer="raw_asgi"),
    "starlette": Kind("hello, Starlette", "/hello", peer="starlette_hello"),
    "bare": Kind("hello, bare", "/hello", "bare/routes.yaml"),
    "equipped": Kind("hello, equipped", "/hello", "equipped/routes.yaml"),
    "pool": Kind("page, the pool written by hand", "/overview", peer="aggregate_bare"),
    "quiet": Kind("page, without logs and metrics", "/overview", "aggregate/quiet.yaml"),
    "page": Kind("page, one caller", "/overview", "aggregate/routes.yaml"),
    "shared": Kind("page, one caller, calls may be shared", "/overview", "aggregate/shared.yaml"),
    "crowd": Kind("page, 32 callers who share calls", "/overview", "aggregate/shared.yaml", callers=32),
}


class Wire(asyncio.Transport):
    """Takes what is written to it, at no cost."""

    def __init__(self, protocol: Any, peer: str) -> None:
        self._protocol = protocol
        self._peer = (peer, 9)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._peer if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing comes unasked."""

    resume_reading = close = abort = pause_reading


class ServiceWire(Wire):
    """Answers each request in the next turn of the loop."""

    answers = {
        path.encode(): b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 28 Nov 2026 08:00:00 GMT\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%b"
        % (len(body), body.encode())
        for path, body in documents.bodies().items()
    }

    def write(self, data: Any) -> None:
        self._protocol._loop.call_soon(
            self._protocol.data_received, self.answers[data[4 : data.index(b" ", 4)]]
        )


class CallerWire(Wire):
    """A caller who asks again as soon as there is an answer. Mutable state: ``left`` and ``last``."""

    left = 0
    last = b""

    def __init__(self, protocol: Any, path: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(protocol, "127.0.0.2")
        self._loop = loop
        self._asked = (
            b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: wrk\r\nAccept: */*\r\n"
            b"Accept-Encoding: gzip\r\nAccept-Language: en\r\n\r\n" % path.encode()
        )
        self.done = loop.create_future()

    def write(self, data: Any) -> None:
        self.last += bytes(data)
        if not self.last.endswith(b"}"):
            return
        self.left -= 1
        if self.left:
            self.last = b""
            self.ask()
        elif not self.done.done():
            self.done.set_result(None)

    def ask(self) -> None:
        self._loop.call_soon(self._protocol.data_received, self._asked)

    async def times(self, count: int) -> None:
        self.left, self.last, self.done = count, b"", self._loop.create_future()
        self.ask()
        await self.done


class Loop(uvloop.Loop):
    """Connections are made to nobody."""

    async def create_connection(self, factory: Callable[[], Any], *_: Any, **__: Any) -> Any:  # type: ignore[override]
        protocol = factory()
        if not hasattr(protocol, "_loop"):
            protocol._loop = self
        wire = ServiceWire(protocol, "127.0.0.3")
        protocol.connection_made(wire)
        return wire, protocol


def main(argv: Sequence[str] | None = None) -> int:
    chosen = arguments(argv)
    if chosen.inside:
        inside(chosen.kinds[0], chosen.count, does=chosen.does)
        return 0
    for name in chosen.kinds or KINDS:
        if chosen.does == "count":
            counted = instructions(name, chosen.count, chosen.by)
            print(f"{KINDS[name].says}: {counted / 1000:,.1f} thousand instructions", flush=True)
        else:
            print(ran(name, chosen.count, chosen.does).said.strip(), flush=True)
    return 0


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; all if none is given")
    parser.add_argument("--by", type=Path, help="callgrind's own file, by C function, for callgrind_annotate")
    parser.add_argument("--count", type=int, default=COUNT, help="requests that are counted")
    parser.add_argument("--does", choices=("count", "time", "enter"), default="count", help=DOES)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def instructions(name: str, count: int = COUNT, out: Path | None = None) -> float:
    """Of one request.

    Raises:
        BenchmarkError: there is no valgrind, or it counted nothing.

    """
    return ran(name, count, "count", out).instructions / count


def ran(name: str, count: int, does: str, out: Path | None = None) -> callgrind.Ran:
    what = ("--inside", name, "--count", count, "--does", does)
    is_counted = does == "count"
    return callgrind.run(
        "benchmarks.instructions",
        *what,
        is_counted=is_counted,
        is_work=True,
        out=out,
        env={"UPSTREAM": UPSTREAM},
    )


# What the measured process does.


def inside(name: str, count: int, *, does: str) -> None:
    random.seed(7)
    kind, loop = KINDS[name], Loop()
    asyncio.set_event_loop(loop)
    serving = house(kind) if kind.project else peer(kind)
    make = loop.run_until_complete(serving.__aenter__())
    callers = [connected(make(loop), kind, loop) for _ in range(kind.callers)]

    def answered(each: int) -> None:
        loop.run_until_complete(asyncio.gather(*[caller.times(each) for caller in callers]))

    answered(WARM // kind.callers)
    for caller in callers:
        assert b" 200 OK" in caller.last.partition(b"\r\n")[0], caller.last
    gc.collect()
    gc.freeze()

    def work() -> None:
        answered(count // kind.callers)

    if does == "enter":
        entered(work, count)
    elif does == "time":
        timed(work, kind, count)
    else:
        callgrind.work(work)
    loop.run_until_complete(serving.__aexit__(None, None, None))
    sys.stdout.flush()
    os._exit(0)


def connected(protocol: Any, kind: Kind, loop: Loop) -> CallerWire:
    caller = CallerWire(protocol, kind.path, loop)
    protocol.connection_made(caller)
    return caller


def timed(work: Callable[[], None], kind: Kind, count: int) -> None:
    spent = []
    for _ in range(15):
        began = time.process_time()
        work()
        spent.append((time.process_time() - began) / count * 1e6)
    print(f"{kind.says}: {min(spent):.1f} µs of CPU at best, {sorted(spent)[7]:.1f} in the middle")


def entered(work: Callable[[], None], count: int) -> None:
    import cProfile

    profile = cProfile.Profile(builtins=False)
    profile.enable()
    work()
    profile.disable()
    rows = [(each.callcount / count, each.code) for each in profile.getstats()]
    found = [(often, code) for often, code in rows if not isinstance(code, str)]
    for often, code in sorted(found, key=lambda row: -row[0]):
        if often >= 0.25:
            print(f"{often:6.2f}  {'/'.join(code.co_filename.split('/')[-2:])}:{code.co_qualname}")
    print(f"{sum(often for often, _ in found):6.1f}  in all")


@asynccontextmanager
async def house(kind: Kind) -> AsyncIterator[Callable[[Any], Any]]:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from bff.app import compose
    from bff.config import load
    from bff.gateway.protocol import HeadLimits, LimitedProtocol
    from bff.options import Options
    from bff.telemetry.lines import open_lines

    lines = open_lines(format="json", level="info", stream=Nowhere())
    config = load(PROJECTS / kind.project, environ=os.environ)
    async with compose(config, Options(lines=lines)) as built:
        gc.set_threshold(50_000)
        settings = Config(built.gateway, lifespan="off", log_config=None, proxy_headers=False)
        settings.load()
        yield lambda loop: LimitedProtocol(settings, ServerState(), {}, loop, limits=HeadLimits(16384, 15.0))


@asynccontextmanager
async def peer(kind: Kind) -> AsyncIterator[Callable[[Any], Any]]:
    import importlib

    from uvicorn import Config
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    from uvicorn.server import ServerState

    sys.path.insert(0, str(PEER_APPS))
    app = importlib.import_module(kind.peer).app
    settings = Config(app, lifespan="off", log_config=None, access_log=False)
    settings.load()
    yield lambda loop: HttpToolsProtocol(settings, ServerState(), {}, loop)


if __name__ == "__main__":
    sys.exit(main())
