"""Whether live revisions fit the routes they are about to get."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from bff.errors import FunctionNotLoaded, GatewayDraining
from bff.runtime.lives import Live, Lives
from bff.sdk.handler import ContractBroken

Routes = Sequence[tuple[str, tuple[str, ...]]]
"""Templates and the names of their path parameters."""


async def misfits(
    lives: Lives, routes: Routes, *, may_warm: bool
) -> AsyncIterator[tuple[str, str, ContractBroken]]:
    """Routed revision, route and reason wherever one does not fit the other. A cold revision is looked at only
    where it is one of several and ``may_warm`` says so.
    """
    for name, live in list(lives.routed.items()):
        if live.instance is None and may_warm and len(lives.routed) > 1:
            with suppress(FunctionNotLoaded, GatewayDraining):  # its callers are told
                await live.warm()
        for route, parameters in routes:
            broken = await _misfit(live, parameters)
            if broken is not None:
                yield name, route, broken


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
