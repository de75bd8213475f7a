"""Three HTTP servers, each on its own port, in one process.

Prints one line per service with its address and then ``ready``; SIGTERM and SIGINT stop it with exit code 0.
What the services answer is in their own files.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from demo import airports, clocks, holidays

SERVICES: dict[str, Callable[[Path], ASGIApp]] = {
    "airports": airports.create,
    "holidays": holidays.create,
    "clocks": clocks.create,
}
DEFAULT_PORTS = {"airports": 9101, "holidays": 9102, "clocks": 9103}


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to this file: three of them share the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="critical",  # a body that is cut on purpose is not news
            server_header=False,
            timeout_graceful_shutdown=1,  # a call that hangs on purpose must not hold the exit
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=512)
    # Connections inherit it. asyncio sets it only on sockets opened with IPPROTO_TCP spelled out, which these
    # are not; without it the body, written after the head, waits 40 ms for the caller's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _serve(apps: dict[str, ASGIApp], listeners: dict[str, socket.socket]) -> None:
    servers = {name: _server(app) for name, app in apps.items()}

    def stop() -> None:
        for server in servers.values():
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with asyncio.TaskGroup() as running:
        for name, server in servers.items():
            running.create_task(server.serve(sockets=[listeners[name]]))
        # The sockets listen already: a caller that reads these lines can connect, whoever accepts first.
        for name, listener in listeners.items():
            print(f"{name:<9} {_address(listener)}")
        print("ready", flush=True)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Three demo services over real data.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".bff/demo"),
        help="folder of the SQLite files (default: %(default)s)",
    )
    for name, port in DEFAULT_PORTS.items():
        parser.add_argument(
            f"--{name}-port", type=_port, default=port, metavar="PORT", help=f"0 for any (default: {port})"
        )
    return parser.parse_args(argv)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port")
    return port


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; the answer is the exit code (1: a port or the folder cannot be used)."""
    arguments = _arguments(argv)
    with contextlib.ExitStack() as stack:
        listeners: dict[str, socket.socket] = {}
        for name in SERVICES:
            port = getattr(arguments, f"{name}_port")
            try:
                listeners[name] = stack.enter_context(_listen(arguments.host, port))
            except OSError as error:
                print(f"{name}: cannot listen on {arguments.host}:{port}: {error.strerror}", file=sys.stderr)
                return 1
        try:
            apps = {name: create(arguments.data) for name, create in SERVICES.items()}
        except OSError as error:
            print(f"cannot keep data in {arguments.data}: {error.strerror}", file=sys.stderr)
            return 1
        asyncio.run(_serve(apps, listeners))
    return 0
