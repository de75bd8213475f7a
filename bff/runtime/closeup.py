"""One function's live revisions from close by: their instances, the memory of their processes, the last warm-up of each.
For whoever looks at one function; what is told of all of them at once is :mod:`bff.runtime.standing`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bff.frozen import frozen
from bff.measured import WarmUp
from bff.runtime.autoscaler import Policy
from bff.runtime.function import Function
from bff.runtime.lives import Live
from bff.telemetry.memory import resident


@frozen
class Process:
    """A process instance and the bytes of memory it holds; of a forked one many are shared with others."""

    pid: int
    memory: int


@frozen
class Closeup:
    """One live revision. ``states`` count its instances; ``processes`` are empty where it runs in the gateway;
    ``retired`` says that it only drains.
    """

    revision: str
    isolation: str
    states: Mapping[str, int]
    in_flight: int
    waiting: int
    concurrency: int
    scale: Policy
    processes: tuple[Process, ...]
    warm_up: WarmUp | None
    retired: bool


def closeups(function: Function) -> Iterator[Closeup]:
    """Every live revision of a function; those that only drain come last."""
    for live in function.lives.values():
        yield _of(live, retired=False)
    for live in function.lives.retired:
        yield _of(live, retired=True)


def _of(live: Live, *, retired: bool) -> Closeup:
    pids = [pid for each in live.warm_instances if (pid := getattr(each, "pid", 0))]
    return Closeup(
        revision=live.revision.name,
        isolation=live.settings.isolation,
        states=dict(live.by_state),
        in_flight=live.in_flight,
        waiting=live.waiting,
        concurrency=live.settings.concurrency,
        scale=live.settings.scale,
        processes=tuple(Process(pid=pid, memory=resident(pid)) for pid in pids),
        warm_up=live.last_warm_up,
        retired=retired,
    )
