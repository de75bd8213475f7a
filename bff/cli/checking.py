"""``bff check``: every mistake of routes.yaml and of every function, at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from bff.cli.cold import ColdStart, measure
from bff.cli.examination import Examined, Examiner
from bff.cli.output import config_file, say, show
from bff.config import Config, ConfigInvalid, Mistake, load
from bff.revisions.loader import Loader


def check(path: Path, *, is_cold: bool = False, as_json: bool) -> None:
    """Say everything that is wrong; exit 1 if anything is. With ``is_cold`` cold starts are measured too."""
    path = config_file(path)
    try:
        config = load(path)
    except ConfigInvalid as invalid:
        _tell(path, list(invalid.mistakes), [], [], as_json=as_json)
        raise typer.Exit(1) from None
    with Loader() as loader:
        examiner = Examiner(config, loader)
        functions = [examiner.examine(name) for name in config.functions_found]
    mistakes = _distinct(flaw for function in functions for flaw in function.flaws)
    starts: list[ColdStart] | None = None
    if is_cold:
        broken = frozenset(function.name for function in functions if function.flaws)
        starts = list(measure(config, path, broken))
        mistakes += [start.flaw for start in starts if start.flaw is not None]
    _tell(path, mistakes, functions, _warnings(config, functions), starts, as_json=as_json)
    raise typer.Exit(1 if mistakes else 0)


def _distinct(mistakes: Any) -> list[Mistake]:
    """Shared code is met once for each function that imports it."""
    return list({str(mistake): mistake for mistake in mistakes}.values())


def _warnings(config: Config, functions: list[Examined]) -> list[str]:
    if not functions:
        return [f"there are no functions in {config.folder}; `bff new NAME` writes one"]
    offline = {function for _, function in config.reached_offline()}
    offline |= {each.delivery.dead_letter_sink for each in config.triggers.values()}
    reached = offline | set(config.calls_said.functions)
    unreached = [each.name for each in functions if not each.routes and each.name not in reached]
    return [f"no route reaches function {name}" for name in unreached]


def _tell(
    path: Path,
    mistakes: list[Mistake],
    functions: list[Examined],
    warnings: list[str],
    starts: list[ColdStart] | None = None,
    *,
    as_json: bool,
) -> None:
    if as_json:
        told = {
            "ok": not mistakes,
            "mistakes": [mistake.as_dict() for mistake in mistakes],
            "functions": [_as_dict(function) for function in functions],
            "warnings": warnings,
        }
        show(told if starts is None else told | {"cold": [start.as_dict() for start in starts]})
        return
    for start in starts or ():
        if start.flaw is None:
            say(str(start))
    for mistake in mistakes:
        say(str(mistake))
    for warning in warnings:
        say(f"warning: {warning}")
    if mistakes:
        say(_counted(len(mistakes), "mistake"))
    else:
        routes = sum(len(function.routes) for function in functions)
        say(f"{path}: {_counted(len(functions), 'function')}, {_counted(routes, 'route')}, no mistakes")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _as_dict(function: Examined) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": function.name,
        "shape": function.shape,
        "routes": [f"{','.join(route.methods)} {route.path}" for route in function.routes],
        "ok": not function.flaws,
    }
    if function.flaws:
        described["error"] = "\n".join(str(flaw) for flaw in function.flaws)
    return described
