"""The last look at a revision before it may get traffic: the author's own ``check()``, if the module has one.

It runs in a warm instance, inline or in its process, under ``warm_up_timeout``. The routes were checked by
the warm-up.
"""

from __future__ import annotations

from bff.clock import Clock
from bff.errors import FunctionNotLoaded
from bff.runtime import hooks
from bff.runtime.hooks import HookOverran
from bff.runtime.instance import Instance
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.lives import Live
from bff.sdk.handler import ContractBroken, line_of

MOST_TRIES = 3
"""Instances that may end before they are asked."""


async def ask(live: Live, clock: Clock) -> None:
    """Warm the revision, and return if it agrees to get traffic.

    Raises:
        FunctionNotLoaded: it could not be warmed, or its ``check()`` failed, took too long or said no.
        GatewayDraining: it went meanwhile.

    """
    inside = await _inside(live)
    limit = live.settings.warm_up_timeout
    said = await (said_by(inside, clock, limit) if isinstance(inside, Instance) else inside.approve(limit))
    if said is not None:
        taken, function = live.revision.snapshot, live.revision.function
        place = f"{taken.root.name}/{taken.modules[function]}"
        why, line = said
        raise FunctionNotLoaded(
            function,
            why,
            where=f"{place}:{line}" if line else place,
            remedy="its `check()` decides whether it may get traffic: mend what it found, and deploy again",
        )


async def _inside(live: Live) -> Instance | ProcessInstance:
    """A warm instance. A process may end as soon as it is warm; then another one is asked."""
    for _ in range(MOST_TRIES):
        await live.warm()
        if live.instance is not None:
            return live.instance
    raise FunctionNotLoaded(
        live.revision.function, "its process ends before it can be asked whether it is fit"
    )


async def said_by(instance: Instance, clock: Clock, limit: float) -> tuple[str, int | None] | None:
    """Why the module's ``check()`` means no, and the line where it stands; None when it means yes."""
    try:
        check = hooks.check_of(instance.package.module())
    except ContractBroken as broken:
        return f"{broken}: {broken.remedy}", broken.line
    if check is None:
        return None
    try:
        no = hooks.refusal("check", await hooks.run(check, clock=clock, until=clock.now() + limit))
        why = None if no is None else f"check() said no{no}"
    except HookOverran:
        why = f"check() did not end within {limit:g} s"
    except Exception as error:
        why = f"check() raised {hooks.told(error)}"
    return None if why is None else (why, line_of(check))
