"""``bff dev`` and ``bff serve``."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from bff.app import House
from bff.cli.output import config_at, fail
from bff.cli.sharing import share_of
from bff.listeners import CannotListen, run, run_blocking
from bff.revisions.store.failures import StoreUnavailable
from bff.sdk.eventfailures import NameTaken
from bff.signals import LoopLost


def serve(
    path: Path,
    *,
    host: str,
    port: int,
    admin: str,
    dev: bool,
    as_json: bool,
    watches: bool = False,
    queues: str | None = None,
    name: str = "",
) -> None:
    """Serve until told to stop; ``watches`` publishes what is saved, which dev always does. ``queues`` and ``name`` say
    what of the work offline it does, and as whom.
    """
    config = config_at(path, as_json=as_json)
    share = share_of(config, queues=queues, name=name, as_json=as_json)
    admin_address = parse_address(admin, as_json=as_json)

    again = Again(port=port, admin=admin_address)

    async def announce(house: House, public: str, private: str) -> None:
        again.at(public, private)
        if as_json:
            tell_programs(house, {"public": public, "admin": private})
        else:
            mode = "dev" if dev else "serve"
            tell_people(
                f"bff {mode}: {public}   admin: {private}",
                f"console: {private}/console",
                *_hint(house, public),
            )

    async def main() -> None:
        await run(
            config,
            host=host,
            port=port,
            admin=admin_address,
            dev=dev,
            watches=watches,
            announce=announce,
            end=again.begin if dev else give_up,
            share=share,
        )

    run_to_the_end(main, as_json=as_json)


def run_to_the_end(main: Callable[[], Awaitable[None]], *, as_json: bool) -> None:
    """Run a server until it has stopped; what keeps it from beginning is the end of the command."""
    allow_many_sockets()
    try:
        run_blocking(main)
    except (CannotListen, NameTaken, StoreUnavailable) as error:
        fail(str(error), as_json=as_json)


def tell_programs(house: House, where: Mapping[str, Any]) -> None:
    """Where a server listens, as a line of JSON on standard output."""
    from pydantic_core import to_json

    house.telemetry.lines.say(to_json(where).decode())


def tell_people(*lines: str) -> None:
    """The same in words, beside standard output."""
    print("\n".join(lines), file=sys.stderr, flush=True)


def allow_many_sockets() -> None:
    """Raise the limit of open files as far as this user may. Most systems begin with 1,024, for the sake of
    programs that use select(2); each connection is a file.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def give_up(_lost: LoopLost) -> NoReturn:
    """End the process at once, for its supervisor to start another; its loop would not hear of it."""
    os._exit(os.EX_SOFTWARE)


class Again:
    """Begins this very process anew, by its own command line, where it listens now.

    Mutable state: ``_options``, once the ports are known that the command line left to the system.
    """

    def __init__(self, *, port: int, admin: tuple[str, int]) -> None:
        self._port = port
        self._admin = admin
        self._options: list[str] = []

    def at(self, public: str, private: str) -> None:
        """The addresses that are listened on."""
        if self._port == 0:
            self._options += ["--port", public.rpartition(":")[2]]
        if self._admin[1] == 0:
            self._options += ["--admin", private.partition("//")[2]]

    def begin(self, lost: LoopLost) -> NoReturn:
        """Leave everything as it is: sockets close by themselves, and their addresses are bound again."""
        try:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], *self._options])  # noqa: S606
        finally:
            give_up(lost)


def parse_address(text: str, *, as_json: bool = False) -> tuple[str, int]:
    """``127.0.0.1:8001`` or ``[::1]:8001``."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        fail(f"--admin {text}: write an address and a port, such as 127.0.0.1:8001", as_json=as_json)
    return host.strip("[]") or "127.0.0.1", int(port)


def _hint(house: House, public: str) -> list[str]:
    """A curl line that works: the first GET route without parameters, else the first."""
    gets = [route for route in house.config.routes if "GET" in route.methods]
    plain = [route for route in gets if "{" not in route.path] or gets
    reachable = public.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    return [f"try: curl {reachable}{plain[0].path}"] if plain else []
