"""A revision becomes a process instance: compiled here, loaded and started there, each step timed and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bff.clock import Expiry
from bff.errors import FunctionNotLoaded
from bff.measured import WarmUp
from bff.revisions.loader import Loader, Package
from bff.revisions.revision import Revision
from bff.runtime.isolation import parcel
from bff.runtime.isolation.exchange import Reply
from bff.runtime.isolation.forkserver import ForkFailed, Forkserver
from bff.runtime.isolation.frames import ChannelClosed, FrameTooLarge, Head
from bff.runtime.settings import Settings
from bff.runtime.warmup import Workshop

if TYPE_CHECKING:
    from bff.runtime.isolation.instance import ProcessInstance

GRACE = 1.0
"""Seconds beyond ``warm_up_timeout``, which the process keeps itself, before it is not believed any more."""


async def give(
    revision: Revision,
    settings: Settings,
    workshop: Workshop,
    *,
    make: Callable[[Package], ProcessInstance],
    forkserver: Forkserver,
    real_paths: bool,
) -> tuple[ProcessInstance, WarmUp]:
    """What ``make`` made, with a process and warm, and what that cost; ``fork`` is a phase more than inline.

    Raises:
        FunctionNotLoaded: it could not be; what was made is the caller's to end.

    """
    now, is_first = workshop.clock.now, not revision.snapshot.codes
    began = now()
    package, head, body, laps = await _compiled(revision, settings, workshop, real_paths=real_paths)
    compiling, forking = laps
    instance = make(package)
    try:
        reply = await _loaded(instance, settings, forkserver, head, body, workshop)
    except ForkFailed as error:
        remedy = "look at the machine's limits of memory and processes, or set `isolation: inline`"
        raise _failure(revision, f"no process could be made: {error}", remedy) from error
    except FrameTooLarge as error:
        raise _failure(
            revision, f"its files do not fit into a message: {error}", "make them smaller"
        ) from error
    except ChannelClosed:
        await instance.gone()
        raise _failure(revision, f"its process {instance.how_it_ended()} while it was loaded") from None
    warmed = parcel.warm_up_adapter().validate_python(reply.head["warm_up"])
    instance.become_warm(reply)
    ours = {
        "queue": compiling - began,
        "compile": forking - compiling,
        "fork": now() - forking - warmed.seconds,
    }
    return instance, replace(warmed, phases=_phases(revision, ours, warmed, is_first), is_first_ever=is_first)


async def _compiled(
    revision: Revision, settings: Settings, workshop: Workshop, *, real_paths: bool
) -> tuple[Package, Head, bytes, list[float]]:
    """The parcel, and when compiling began and ended: it is done once for all instances of a revision."""
    laps: list[float] = []

    def compiled() -> tuple[Package, Head, bytes]:
        laps.append(workshop.clock.now())
        package, codes = Loader.compiled(revision, real_paths=real_paths)
        laps.append(workshop.clock.now())
        head, body = parcel.packed(revision, codes, settings)
        return package, {**head, "real_paths": real_paths}, body

    try:
        with Expiry(workshop.clock, workshop.clock.now() + settings.warm_up_timeout):
            package, head, body = await workshop.reader_thread.run(compiled)
    except TimeoutError:
        why = f"its turn to be compiled did not come within {settings.warm_up_timeout:g} s"
        raise _failure(revision, why, "raise warm_up_timeout in routes.yaml") from None
    return package, head, body, laps


async def _loaded(
    instance: ProcessInstance,
    settings: Settings,
    forkserver: Forkserver,
    head: Head,
    body: bytes,
    workshop: Workshop,
) -> Reply:
    """What the process says when it is warm. It keeps the time itself, unless something holds its loop."""
    clock, limit = workshop.clock, settings.warm_up_timeout
    try:
        with Expiry(clock, clock.now() + limit + GRACE) as expiry:
            await instance.fork(forkserver)
            question = instance.load(head, body, {parameters for _, parameters in settings.routes})
            first: set[asyncio.Future[Any]] = {question.reply, instance.loaded}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            expiry.move(clock.now() + limit + GRACE)  # `start` has a time of its own
            return await question.reply
    except TimeoutError:
        what = "start" if instance.loaded.done() else "importing it"
        remedy = "make it faster, or raise warm_up_timeout in routes.yaml"
        revision = instance.package.revision
        raise _failure(revision, f"{what} did not end within {limit:g} s", remedy) from None


def _phases(
    revision: Revision, ours: Mapping[str, float], warmed: WarmUp, is_first: bool
) -> Mapping[str, float]:
    """All of the time, in order; reading is paid by the first warm-up of a snapshot."""
    read, waited = (revision.snapshot.took, revision.snapshot.waited) if is_first else (0.0, 0.0)
    theirs = warmed.phases
    return {
        "queue": ours["queue"] + waited + theirs["queue"],
        "read": read,
        "compile": ours["compile"] + theirs["compile"],
        "fork": ours["fork"],
        **{name: theirs[name] for name in ("imports", "construct", "start")},
    }


def _failure(revision: Revision, why: str, remedy: str = "") -> FunctionNotLoaded:
    taken = revision.snapshot
    place = f"{taken.root.name}/{taken.modules[revision.function]}"
    return FunctionNotLoaded(revision.function, why, where=place, remedy=remedy)
