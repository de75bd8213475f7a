"""How instances of a function are made and ended, in the gateway itself or in processes of their own, and who
is told of it. Which calls may enter meanwhile is the activator's and the pool's to say.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from bff.clock import Clock
from bff.errors import FunctionNotLoaded
from bff.frozen import frozen
from bff.measured import WarmUp
from bff.revisions.revision import Revision
from bff.runtime import warmup
from bff.runtime.instance import Instance
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.isolation.limits import ProcessLimits
from bff.runtime.settings import Settings
from bff.runtime.warmup import Workshop
from bff.signals import Evicted, Signals, WarmUpFailed

I = TypeVar("I")  # noqa: E741 - an instance, of whichever kind
RealPaths = Callable[[Revision], bool]
"""Whether a revision's code shall name the files on disk; asked when an instance is made."""


@frozen
class Maker(Generic[I]):
    """``begin`` gives a started instance and what it cost, or raises FunctionNotLoaded and leaves nothing
    behind; ``end`` stops one within so many seconds, always, and says why its ``stop`` failed, or None; ``room``
    says how many more the machine shall bear, over all functions.
    """

    clock: Clock
    signals: Signals
    begin: Callable[[Revision, Settings], Awaitable[tuple[I, WarmUp]]]
    end: Callable[[I, float], Awaitable[str | None]]
    bytes_returned: Callable[[I], int | None] = lambda _: None
    room: Callable[[], int] = lambda: sys.maxsize

    async def make(self, revision: Revision, settings: Settings) -> tuple[I, WarmUp]:
        """A started instance; a failure is told as a signal, too.

        Raises:
            FunctionNotLoaded: the module, the contract, ``start`` or ``ready`` failed; nothing is left behind.

        """
        try:
            return await self.begin(revision, settings)
        except Exception as error:
            why = error.report() if isinstance(error, FunctionNotLoaded) else repr(error)
            self.signals.emit(WarmUpFailed(function=revision.function, revision=revision.name, why=why))
            raise

    async def unmake(self, instance: I, revision: Revision, settings: Settings) -> None:
        """Stop an instance and tell of its end, however it came."""
        why: str | None = "stop was broken off"
        try:
            why = await self.end(instance, settings.stop_timeout)
        finally:
            self.signals.emit(
                Evicted(
                    function=revision.function,
                    revision=revision.name,
                    stop_error=why,
                    bytes_returned=self.bytes_returned(instance),
                )
            )


def inline(workshop: Workshop, signals: Signals, real_paths: RealPaths) -> Maker[Instance]:
    """Instances in the gateway itself."""
    return Maker(
        clock=workshop.clock,
        signals=signals,
        begin=lambda revision, settings: warmup.warm_up(
            revision, settings, workshop, real_paths=real_paths(revision)
        ),
        end=lambda instance, limit: warmup.stop(instance, workshop, limit),
    )


def in_processes(
    workshop: Workshop, signals: Signals, real_paths: RealPaths, forkserver: Forkserver
) -> Maker[ProcessInstance]:
    """Instances in processes of their own."""

    def begin(revision: Revision, settings: Settings) -> Awaitable[tuple[ProcessInstance, WarmUp]]:
        return ProcessInstance.start(
            revision,
            settings,
            workshop,
            forkserver=forkserver,
            limits=ProcessLimits(memory=settings.memory, max_calls=settings.max_calls),
            real_paths=real_paths(revision),
        )

    return Maker(
        clock=workshop.clock,
        signals=signals,
        begin=begin,
        end=ProcessInstance.stop,
        bytes_returned=lambda instance: instance.bytes_returned,
        room=lambda: forkserver.room,
    )
