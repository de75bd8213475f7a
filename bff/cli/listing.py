"""``bff list``: the functions and how they are reached, told without importing them, and how they are in a
gateway that runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bff.cli import running
from bff.cli.adminclient import AdminClient, NoGateway
from bff.cli.output import config_at, print_table, say, show, shown_path
from bff.clock import SystemClock
from bff.config import Config
from bff.config.units import duration_text


def list_functions(path: Path, *, admin: str, as_json: bool) -> None:
    """Print a table, or the same for programs. Settings by name only: their values are secrets.

    Below it stands what the gateway tells whose admin listener is at ``admin``, of all of its functions.
    """
    config = config_at(path, as_json=as_json)
    functions = [_described(config, name) for name in config.functions_found]
    told, why_not = _asked(admin)
    if as_json:
        by_name = {each["name"]: each for each in told}
        show([{**each, "running": by_name.get(each["name"])} for each in functions])
        return
    if functions:
        print_table(("function", "routes", "timeout", "env", "file"), map(_row, functions))
    else:
        say(f"there are no functions in {config.folder}; `bff new NAME` writes one")
    if why_not:
        say(f"{why_not}: this is what the folder says")
    else:
        _print_running(told)


def _asked(admin: str) -> tuple[list[dict[str, Any]], str]:
    """What a gateway tells, or why none does."""
    try:
        with AdminClient(admin) as gateway:
            return gateway.functions(), ""
    except NoGateway as why:
        return [], str(why)


def _print_running(told: list[dict[str, Any]]) -> None:
    now = SystemClock().wall()
    print_table(running.COLUMNS, (running.row(each, now) for each in told))
    for each in told:
        for sentence in running.sentences(each):
            say(sentence)


def _described(config: Config, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "file": shown_path(config.functions_found[name]),
        "routes": [
            {"path": route.path, "methods": list(route.methods), "timeout": config.timeout_of(route)}
            for route in config.routes
            if route.function == name
        ],
        "timeout": config.function_timeout(name),
        "warm_up_timeout": config.warm_up_timeout(name),
        "env": list(config.function(name).env),
    }


def _row(each: dict[str, Any]) -> list[str]:
    routes = "\n".join(_route(route, each["timeout"]) for route in each["routes"]) or "none"
    return [each["name"], routes, duration_text(each["timeout"]), " ".join(each["env"]), each["file"]]


def _route(route: dict[str, Any], timeout: float) -> str:
    limit = "" if route["timeout"] == timeout else f" ({duration_text(route['timeout'])})"
    return f"{','.join(route['methods'])} {route['path']}{limit}"
