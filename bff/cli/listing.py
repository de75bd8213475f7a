"""``bff list``: the functions and how they are reached, told without importing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bff.cli.output import config_at, print_table, say, show, shown_path
from bff.config import Config
from bff.config.units import duration_text


def list_functions(path: Path, *, as_json: bool) -> None:
    """Print a table, or the same for programs. Settings by name only: their values are secrets."""
    config = config_at(path, as_json=as_json)
    functions = [_described(config, name) for name in config.functions_found]
    if as_json:
        show(functions)
    elif not functions:
        say(f"there are no functions in {config.folder}; `bff new NAME` writes one")
    else:
        print_table(("function", "routes", "timeout", "env", "file"), map(_row, functions))


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
