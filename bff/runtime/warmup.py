"""A revision becomes an instance: module bodies on the loader thread, ``start`` on the loop, each timed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bff.clock import Clock, Expiry
from bff.errors import FunctionNotLoaded
from bff.revisions.loader import Loader, Package, explain
from bff.revisions.revision import Revision
from bff.runtime.instance import Instance
from bff.runtime.lifespan import LifespanFailed
from bff.runtime.threads import Threads
from bff.sdk.call import Sender
from bff.sdk.context import Surroundings
from bff.sdk.handler import ContractBroken, Kind, find
from bff.sdk.invocation import Invocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What routes.yaml says about a function, resolved. Seconds; ``routes`` are (template, parameters)."""

    timeout: float
    warm_up_timeout: float
    stop_timeout: float
    threads: int
    env: Mapping[str, str]
    routes: Sequence[tuple[str, tuple[str, ...]]]
    cancel_on_disconnect: bool
    stream_idle_timeout: float
    stream_timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The tools every warm-up needs."""

    clock: Clock
    loader: Loader
    loader_thread: Threads
    senders: Callable[[], Mapping[str, Sender]]
    logger: Callable[[Invocation], Any]


async def warm_up(
    revision: Revision, settings: Settings, workshop: Workshop, *, real_paths: bool
) -> tuple[Instance, dict[str, float]]:
    """A started instance, and the seconds each phase took.

    Raises:
        FunctionNotLoaded: the module, the contract, ``start`` or ``ready`` failed; nothing is left behind.

    """
    clock, phases, began = workshop.clock, {}, workshop.clock.now()

    def build() -> tuple[Package, Any]:
        phases["queue"] = clock.now() - began
        loading = clock.now()
        package = workshop.loader.load(revision, real_paths=real_paths)
        phases["load"] = clock.now() - loading
        constructing = clock.now()
        try:
            handler = find(package.module())
        except BaseException as error:
            failure = _contract_failure(error, package)
            workshop.loader.drop(package)
            raise failure from error
        phases["construct"] = clock.now() - constructing
        return package, handler

    package, handler = await workshop.loader_thread.run(build)
    try:
        instance = _assemble(package, handler, settings, workshop)
        starting = clock.now()
        with Expiry(clock, starting + settings.warm_up_timeout):
            await _start(instance, settings)
        phases["start"] = clock.now() - starting
    except BaseException as error:
        workshop.loader.drop(package)
        if isinstance(error, asyncio.CancelledError):
            raise
        raise _contract_failure(error, package, settings) from error
    return instance, phases


def _assemble(package: Package, handler: Any, settings: Settings, workshop: Workshop) -> Instance:
    is_sync = handler.kind is Kind.SYNC
    around = Surroundings(
        senders=workshop.senders,
        settings=MappingProxyType(dict(settings.env)),
        logger=workshop.logger,
        loop=asyncio.get_running_loop() if is_sync else None,
    )
    function = package.revision.function
    threads = Threads(function, settings.threads) if is_sync else None
    instance = Instance(function=function, handler=handler, package=package, around=around, threads=threads)
    for route, parameters in settings.routes:
        instance.prepare(route, parameters)
    return instance


async def _start(instance: Instance, settings: Settings) -> None:
    if instance.lifespan is not None and instance.handler.owner is None:
        await instance.lifespan.start()
    owner = instance.handler.owner
    start = getattr(owner, "start", None)
    if start is not None:
        takes_settings = bool(inspect.signature(start).parameters)
        await _awaited(start(dict(settings.env)) if takes_settings else start())
    ready = getattr(owner, "ready", None)
    if ready is not None:
        said = await _awaited(ready())
        is_ready, why = said if isinstance(said, tuple) else (said, "")
        if not is_ready and said is not None:
            raise ContractBroken(f"ready() said that it is not ready{f': {why}' if why else ''}")


async def stop(instance: Instance, workshop: Workshop, limit: float) -> str | None:
    """Run the handler's ``stop`` and drop every trace of it; why ``stop`` failed, or None."""
    why = None
    try:
        with Expiry(workshop.clock, workshop.clock.now() + limit):
            hook = getattr(instance.handler.owner, "stop", None)
            if hook is not None:
                await _awaited(hook())
            if instance.lifespan is not None:
                await instance.lifespan.stop()
    except TimeoutError:
        why = f"stop did not end within {limit:g} s"
    except Exception as error:
        why = f"stop raised {type(error).__name__}: {error}"
    if instance.threads is not None:
        instance.threads.close()
    workshop.loader.drop(instance.package)
    return why


async def _awaited(value: Any) -> Any:
    """Hooks may be sync or async."""
    return await value if inspect.isawaitable(value) else value


def _contract_failure(
    error: BaseException, package: Package, settings: Settings | None = None
) -> FunctionNotLoaded:
    function = package.revision.function
    path = package.revision.snapshot.modules[function]
    place = f"{package.revision.snapshot.root.name}/{path}"
    if isinstance(error, FunctionNotLoaded):
        return error
    if isinstance(error, ContractBroken):
        where = f"{place}:{error.line}" if error.line else place
        return FunctionNotLoaded(function, str(error), where=where, remedy=error.remedy)
    if isinstance(error, TimeoutError) and settings is not None:
        return FunctionNotLoaded(
            function,
            f"start did not end within {settings.warm_up_timeout:g} s",
            where=place,
            remedy="make it faster, or raise warm_up_timeout in routes.yaml",
        )
    if isinstance(error, LifespanFailed):
        return FunctionNotLoaded(function, str(error), where=place)
    failure = explain(error, package)
    failure.where = failure.where or place
    return failure
