"""Whether live revisions fit the routes they are about to get."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import suppress

from bff.config import Config, ConfigInvalid, Mistake
from bff.errors import BffError
from bff.runtime.function import Function
from bff.runtime.lives import Live
from bff.runtime.settings import routes_by_function
from bff.sdk.handler import ContractBroken

Routes = Sequence[tuple[str, tuple[str, ...]]]
"""Templates and the names of their path parameters."""


async def check_against_live(
    functions: Mapping[str, Function], config: Config, present: Config, *, is_dev: bool
) -> None:
    """Every routed revision must fit the routes it is about to get.

    One that is cold is warmed for that where its routes changed, and under ``serve`` also one that nobody has called
    yet: in ``dev`` its text may be about to change, too.

    Raises:
        ConfigInvalid: one does not.

    """
    routes, before = routes_by_function(config), routes_by_function(present)
    mistakes = []
    for name, function in functions.items():
        wanted = routes.get(name, [])
        is_changed = bool(wanted) and wanted != before.get(name)
        may_warm = is_changed and (function.live is not None or not is_dev)
        mistakes += [
            Mistake(
                file=str(config.path),
                message=f"route {route} does not fit {revision}, which has traffic of {name}: {broken}; "
                "keep the old route beside the new one until that revision has none",
            )
            async for revision, route, broken in misfits(function, wanted, may_warm=may_warm)
        ]
    if mistakes:
        raise ConfigInvalid(mistakes)


async def misfits(
    function: Function, routes: Routes, *, may_warm: bool
) -> AsyncIterator[tuple[str, str, ContractBroken]]:
    """Routed revision, route and reason wherever one does not fit the other. A cold revision, or a function that was
    not called yet, is looked at only where ``may_warm`` says so.
    """
    if may_warm and function.live is None:
        await _warmed(function.activate())
    for name, live in list(function.lives.routed.items()):
        if live.instance is None and may_warm:
            await _warmed(live.warm())
        for route, parameters in routes:
            broken = await _misfit(live, parameters)
            if broken is not None:
                yield name, route, broken


async def _warmed(warming: Awaitable[object]) -> None:
    with suppress(BffError):  # its callers are told
        await warming


async def _misfit(live: Live, parameters: tuple[str, ...]) -> ContractBroken | None:
    if live.instance is None:
        return None
    try:
        checking = live.instance.check(parameters)
        if inspect.isawaitable(checking):
            await checking
    except ContractBroken as broken:
        return broken
    return None
