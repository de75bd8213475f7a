"""A revision becomes an instance: module bodies on the loader thread, ``start`` on the loop, each timed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bff.clock import Clock, Expiry
from bff.errors import FunctionNotLoaded, LoaderHeldUp, LoadHangs
from bff.frozen import frozen
from bff.measured import WarmUp
from bff.revisions import snapshot
from bff.revisions.loader import Loader, Package, explain
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from bff.runtime import hooks
from bff.runtime.handlerthreads import HandlerThreads
from bff.runtime.hooks import Escaped, HookOverran
from bff.runtime.imports import ImportWatch
from bff.runtime.instance import Instance
from bff.runtime.lifespan import LifespanFailed
from bff.runtime.settings import Settings
from bff.runtime.stuck import Stuck
from bff.runtime.threads import NoThreadLeft, Threads
from bff.sdk.call import Sender
from bff.sdk.context import Progress, Publish, Surroundings
from bff.sdk.handler import ContractBroken, Handler, Kind, find, line_of


@frozen
class Workshop:
    """The tools every warm-up needs. Module bodies run on ``loader_thread``, or on the one for new code; files
    are read, parsed and packed on ``reader_thread``, which no function can hold up.
    """

    clock: Clock
    loader: Loader
    loader_thread: Threads
    reader_thread: Threads
    senders: Callable[[], Mapping[str, Sender]]
    logger: Callable[..., Any]
    stuck: Stuck = field(default_factory=Stuck)
    new_code_thread: Threads | None = None
    publish: Publish | None = None
    progress: Progress | None = None

    def for_new_code(self) -> Workshop:
        """The same, for code that never served: a deploy that takes its time to be imported stands in nobody's
        way, neither a rollback's nor a cold start's.
        """
        thread = self.new_code_thread
        return self if thread is None else replace(self, loader_thread=thread)


MAX_HANGING_LOADS = 2
"""Threads that may hang in one revision's module bodies: the first of them may have had bad luck."""

PHASES = ("queue", "read", "compile", "imports", "construct", "start")
"""What a warm-up consists of, in order; the first call comes after it."""


class _Laps:
    """A warm-up's time, lap by lap: together they are all of it. Mutable state: ``seconds``, ``_since``."""

    def __init__(self, clock: Clock) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._clock = clock
        self._since = clock.now()

    def end(self, phase: str) -> None:
        """What has passed since the last lap belongs to this phase."""
        now = self._clock.now()
        self.seconds[phase] += now - self._since
        self._since = now

    def move(self, seconds: float, before: str, after: str) -> None:
        """So much of one phase was another's."""
        self.seconds[before] -= seconds
        self.seconds[after] += seconds


async def read(root: Path, function: str, settings: Settings, workshop: Workshop) -> Snapshot:
    """The function's files as they are now, and how long it took to get at them.

    Raises:
        FunctionNotLoaded: they are no function, or cannot be read within ``warm_up_timeout``.

    """
    clock, asked = workshop.clock, workshop.clock.now()

    def take() -> Snapshot:
        began = clock.now()
        taken = snapshot.take(root, function, settings.frozen())
        return replace(taken, waited=began - asked, took=clock.now() - began)

    try:
        with Expiry(clock, asked + settings.warm_up_timeout):
            return await workshop.reader_thread.run(take)
    except TimeoutError:
        why = f"reading its files did not end within {settings.warm_up_timeout:g} s"
        remedy = "look at the disk they lie on, or raise warm_up_timeout in routes.yaml"
        raise FunctionNotLoaded(function, why, where=root.name, remedy=remedy) from None


async def warm_up(
    revision: Revision, settings: Settings, workshop: Workshop, *, real_paths: bool
) -> tuple[Instance, WarmUp]:
    """A started instance, and what it cost to make it.

    ``queue`` is the wait for the loader thread and for the loop to take over from it; ``read`` is paid by
    the first warm-up of a snapshot, which then is kept.

    Raises:
        FunctionNotLoaded: the module, the contract, ``start`` or ``ready`` failed; nothing is left behind.
        LoadHangs: threads hang in this revision's module bodies already.
        LoaderHeldUp: those of other functions hold up the threads.

    """
    hanging = workshop.stuck.loads_of(revision)
    if hanging >= MAX_HANGING_LOADS:
        raise LoadHangs(revision.function, hanging, where=_place(revision))
    laps, watch = _Laps(workshop.clock), ImportWatch(workshop.clock.now, workshop.loader)
    is_first = not revision.snapshot.codes
    instance = await _built(revision, settings, workshop, laps, watch, real_paths=real_paths)
    laps.end("queue")
    await _start(instance, settings, workshop)
    laps.end("start")
    return instance, _measured(revision, laps, watch, is_first=is_first)


async def _built(
    revision: Revision,
    settings: Settings,
    workshop: Workshop,
    laps: _Laps,
    watch: ImportWatch,
    *,
    real_paths: bool,
) -> Instance:
    """The instance, imported and constructed on the loader thread."""
    is_running, loop = False, asyncio.get_running_loop()

    def build() -> Instance:
        nonlocal is_running
        is_running = True
        laps.end("queue")
        with watch:
            package = _load(revision, workshop.loader, real_paths=real_paths)
            laps.end("imports")
            # Here and not on the loop, which a page's worth of models would hold up for all other routes.
            instance = _constructed(package, settings, workshop, loop)
        laps.end("construct")
        return instance

    try:
        with Expiry(workshop.clock, workshop.clock.now() + settings.warm_up_timeout):
            # A load that runs cannot be cancelled: what it makes for nobody is dropped once it is there.
            return await workshop.loader_thread.run(
                build, unheard=lambda made: workshop.loader.drop(made.package), of=revision
            )
    except TimeoutError:
        raise _load_overran(revision, settings, workshop, is_running=is_running) from None
    except NoThreadLeft:
        why = "no thread is left to import it"
        raise LoaderHeldUp(revision.function, why, workshop.stuck.loading) from None


def _constructed(
    package: Package, settings: Settings, workshop: Workshop, loop: asyncio.AbstractEventLoop
) -> Instance:
    try:
        return _assemble(package, find(package.module()), settings, workshop, loop)
    except BaseException as error:
        failure = _contract_failure(error, package)
        workshop.loader.drop(package)
        raise failure from error


def _measured(revision: Revision, laps: _Laps, watch: ImportWatch, *, is_first: bool) -> WarmUp:
    laps.move(watch.compiling, "imports", "compile")
    if is_first:
        laps.seconds["queue"] += revision.snapshot.waited
        laps.seconds["read"] += revision.snapshot.took
    imports = watch.tree()
    return WarmUp(
        function=revision.function,
        revision=revision.name,
        phases=laps.seconds,
        imports=imports,
        is_first_ever=is_first or any(not module.is_own for _, module in imports.walk() if module.name),
    )


def _place(revision: Revision) -> str:
    return f"{revision.snapshot.root.name}/{revision.snapshot.modules[revision.function]}"


def _load_overran(
    revision: Revision, settings: Settings, workshop: Workshop, *, is_running: bool
) -> FunctionNotLoaded:
    within = f"within {settings.warm_up_timeout:g} s"
    if not is_running:
        why = f"its turn to be imported did not come {within}"
        return LoaderHeldUp(revision.function, why, workshop.stuck.loading)
    return FunctionNotLoaded(
        revision.function,
        f"importing it did not end {within}",
        where=_place(revision),
        remedy="move slow work from the module's body into `start`, or raise warm_up_timeout in routes.yaml",
    )


def _load(revision: Revision, loader: Loader, *, real_paths: bool) -> Package:
    try:
        return loader.load(revision, real_paths=real_paths)
    except KeyboardInterrupt as error:  # signals come to the main thread only: the module raised it
        raise FunctionNotLoaded(
            revision.function,
            "KeyboardInterrupt",
            where=_place(revision),
            remedy="a function's module must not exit the process",
        ) from error


def _assemble(
    package: Package,
    handler: Handler,
    settings: Settings,
    workshop: Workshop,
    loop: asyncio.AbstractEventLoop,
) -> Instance:
    is_sync = handler.kind is Kind.SYNC
    if settings.isolation == "thread" and not is_sync:
        raise ContractBroken(
            f"{handler.shape} runs on the event loop, and routes.yaml says `isolation: thread`",
            line=line_of(handler.call) if handler.kind is not Kind.ASGI else None,
            remedy="make it a plain `def`, or set `isolation: inline`",
        )
    around = Surroundings(
        senders=workshop.senders,
        settings=MappingProxyType(dict(settings.env)),
        logger=workshop.logger,
        loop=loop if is_sync else None,
        publish=workshop.publish,
        progress=workshop.progress,
    )
    function = package.revision.function
    threads = (
        HandlerThreads(package.revision, settings.threads, clock=workshop.clock, stuck=workshop.stuck)
        if is_sync
        else None
    )
    instance = Instance(function=function, handler=handler, package=package, around=around, threads=threads)
    for route, parameters in settings.routes:
        instance.prepare(route, parameters)
    return instance


async def _start(instance: Instance, settings: Settings, workshop: Workshop) -> None:
    """Start it and ask whether it is ready. What was started and is not wanted is stopped again, also where its start
    ended well only after it was given up.
    """
    until = workshop.clock.now() + settings.warm_up_timeout
    is_started, why = False, None

    def started() -> None:
        nonlocal is_started
        is_started = True

    try:
        await _run_start(instance, settings, workshop.clock, until, started)
        await _ask_ready(instance, workshop.clock, until)
    except BaseException as error:
        if is_started:
            why = await stop(instance, workshop, settings.stop_timeout)
        else:
            _abandon(instance, workshop)
        if isinstance(error, asyncio.CancelledError):
            raise
        failure = _contract_failure(error, instance.package, settings)
        failure.why += f" (and {why})" if why else ""
        raise failure from error


async def _run_start(
    instance: Instance, settings: Settings, clock: Clock, until: float, started: Callable[[], None]
) -> None:
    if instance.lifespan is not None and instance.handler.owner is None:
        await hooks.run(instance.lifespan.start, clock=clock, until=until, on_end=started)
    start = getattr(instance.handler.owner, "start", None)
    if start is not None:
        given = [dict(settings.env)] if inspect.signature(start).parameters else []
        await hooks.run(start, *given, clock=clock, until=until, on_end=started)
    started()


async def _ask_ready(instance: Instance, clock: Clock, until: float) -> None:
    ready = getattr(instance.handler.owner, "ready", None)
    if ready is None:
        return
    said = await hooks.run(ready, clock=clock, until=until)
    why = hooks.refusal("ready", said)
    if why is not None:
        raise ContractBroken(f"ready() said that it is not ready{why}")


async def stop(
    instance: Instance, workshop: Workshop, limit: float, *, until: float | None = None
) -> str | None:
    """Run the handler's ``stop`` and drop every trace of it; why ``stop`` failed, or None. ``until`` is said
    where some of the limit has passed already.
    """
    clock = workshop.clock
    until = clock.now() + limit if until is None else until
    stops = [getattr(instance.handler.owner, "stop", None)]
    if instance.lifespan is not None:
        stops.append(instance.lifespan.stop)
    failures: list[str] = []
    try:
        for each in stops:
            if each is not None:
                failures.extend(await _stopped(each, clock, until, limit))
    finally:
        _abandon(instance, workshop)
    return "; ".join(failures) or None


async def _stopped(hook: Callable[[], Any], clock: Clock, until: float, limit: float) -> list[str]:
    try:
        await hooks.run(hook, clock=clock, until=until)
    except HookOverran:
        return [f"stop did not end within {limit:g} s"]
    except Exception as error:
        return [f"stop raised {hooks.told(error)}"]
    return []


def _abandon(instance: Instance, workshop: Workshop) -> None:
    """Let go of an instance without asking it."""
    if instance.lifespan is not None:
        instance.lifespan.abandon()
    if instance.threads is not None:
        instance.threads.close()
    workshop.loader.drop(instance.package)


def _contract_failure(
    error: BaseException, package: Package, settings: Settings | None = None
) -> FunctionNotLoaded:
    function = package.revision.function
    place = _place(package.revision)
    if isinstance(error, FunctionNotLoaded):
        return error
    if isinstance(error, ContractBroken):
        where = f"{place}:{error.line}" if error.line else place
        # To its author, bff_functions_3f2a.home.Design is home.Design.
        why = str(error).replace(f"{package.name}.", "")
        return FunctionNotLoaded(function, why, where=where, remedy=error.remedy)
    if isinstance(error, HookOverran) and settings is not None:
        return FunctionNotLoaded(
            function,
            f"start did not end within {settings.warm_up_timeout:g} s",
            where=place,
            remedy="make it faster, or raise warm_up_timeout in routes.yaml",
        )
    if isinstance(error, LifespanFailed):
        return FunctionNotLoaded(function, str(error), where=place)
    failure = explain(error.__cause__ or error if isinstance(error, Escaped) else error, package)
    failure.where = failure.where or place
    return failure
