"""``bff dev`` and ``bff serve``."""

from __future__ import annotations

import sys
from pathlib import Path

from bff.app import House
from bff.cli.output import config_at, fail
from bff.listeners import CannotListen, run, run_blocking


def serve(path: Path, *, host: str, port: int, admin: str, dev: bool, as_json: bool) -> None:
    """Serve until told to stop."""
    config = config_at(path, as_json=as_json)
    admin_address = parse_address(admin, as_json=as_json)

    async def announce(house: House, public: str, private: str) -> None:
        if as_json:
            from pydantic_core import to_json

            print(to_json({"public": public, "admin": private}).decode(), flush=True)
            return
        mode = "dev" if dev else "serve"
        lines = [f"bff {mode}: {public}   admin: {private}", *_hint(house, public)]
        print("\n".join(lines), file=sys.stderr, flush=True)

    async def main() -> None:
        await run(config, host=host, port=port, admin=admin_address, dev=dev, announce=announce)

    try:
        run_blocking(main)
    except CannotListen as error:
        fail(str(error), as_json=as_json)


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
