"""``bff profile``: what a function's cold start is made of, measured where the function runs, in this process or
in one of its own, once first ever and once after eviction.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

# What a gateway has imported by the time it listens must not be a function's expense here either.
import bff.listeners  # noqa: F401
from bff.app import House, Options, compose
from bff.cli import waterfall
from bff.cli.asking import ABSENT, CannotAsk, on_a_route
from bff.cli.functionlines import FunctionLines
from bff.cli.output import config_at, fail, say, show
from bff.config import Config
from bff.config.names import suggest
from bff.errors import FunctionNotLoaded
from bff.measured import WarmUp
from bff.runtime.function import Function


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What was measured. ``files`` are the function's own modules by name, as seen from here; ``statuses`` are
    those of the calls after each warm-up, if calls were asked for.
    """

    first: WarmUp
    again: WarmUp
    files: dict[str, str]
    statuses: tuple[int, ...] = ()


def profile(name: str, *, path: str | None, config_path: Path, as_json: bool) -> None:
    """Measure it and print that; exit 1 when it cannot be warmed or a call of it fails."""
    config = config_at(config_path, as_json=as_json)
    try:
        if name not in config.functions_found:
            raise CannotAsk(f"there is no function {name}{suggest(name, config.functions_found)}")
        with contextlib.redirect_stdout(sys.stderr):  # what the function prints is not the profile
            measured = asyncio.run(_measured(config, name, path))
    except CannotAsk as error:
        fail(str(error), as_json=as_json)
    except FunctionNotLoaded as failure:
        fail(failure.report(), as_json=as_json)
    if as_json:
        show(waterfall.as_dict(measured.first, measured.again, measured.files) | _calls(measured))
    else:
        waterfall.tell(measured.first, measured.again, measured.files)
        if measured.statuses:
            say(f"{path} was called after each: {', '.join(map(str, measured.statuses))}")
    raise typer.Exit(0 if all(status < 400 for status in measured.statuses) else 1)


def _calls(measured: Profile) -> dict[str, Any]:
    return {"statuses": list(measured.statuses)} if measured.statuses else {}


async def _measured(config: Config, name: str, path: str | None) -> Profile:
    lines = FunctionLines(sys.stderr, pretty=sys.stderr.isatty(), level=config.telemetry.log_level)
    # As a gateway that serves: its own imports done, and out of the garbage collector's way; ready to fork.
    options = Options(lines=lines, take_over_logging=True)
    async with compose(_alone(config, name), options) as house:
        await house.come_to_rest()
        function = house.invoker.functions[name]
        first, first_status = await _warmed(house, function, path)
        live = function.live
        assert live is not None
        function.rest()
        await live.gone()
        again, status = await _warmed(house, function, path)
        taken = live.revision.snapshot
        return Profile(
            first=first,
            again=again,
            files={module: str(config.folder / path) for module, path in taken.modules.items()},
            statuses=(*first_status, *status),
        )


def _alone(config: Config, name: str) -> Config:
    """The same configuration, in which nothing is warm before it is asked for, and no other function needs
    processes.
    """
    telemetry = config.telemetry.model_copy(update={"access_log": False})
    functions = {}
    for each in config.functions_found:
        function, scale = config.function(each), config.scale_of(each)
        changed = {"scale": scale.model_copy(update={"min": 0, "initial": 1})}
        other = {} if each == name else {"isolation": "inline"}
        functions[each] = function.model_copy(update=changed | other)
    return config.model_copy(update={"telemetry": telemetry, "functions": functions})


async def _warmed(house: House, function: Function, path: str | None) -> tuple[WarmUp, tuple[int, ...]]:
    """One warm-up and, where that was asked for, the first call after it."""
    activator = await function.activate()
    statuses: tuple[int, ...] = ()
    if path is not None:
        from bff.cli.exchange import exchange  # with httpx, which the warm-up must not find imported

        asked = on_a_route(house.config, function.name, ABSENT, path, None)
        statuses = ((await exchange(house, asked, lambda _: None)).status,)
    assert activator.last_warm_up is not None
    return activator.last_warm_up, statuses
