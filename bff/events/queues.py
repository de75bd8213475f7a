"""Who works on what: a function's deliveries are in the queue that its settings name. Pure.

It is looked up when deliveries are taken, not when they are stored, so that changing it moves what waits as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bff.config import FunctionConfig
from bff.config.function import DEFAULT_QUEUE
from bff.frozen import frozen


@frozen
class Reach:
    """Which functions' deliveries a process takes: only these, where that is not None, and never those."""

    only: tuple[str, ...] | None = None
    never: tuple[str, ...] = ()


EVERYTHING = Reach()


def reach_of(queues: Collection[str] | None, functions: Mapping[str, FunctionConfig]) -> Reach:
    """What a process takes that works on these queues, None for all of them.

    What belongs to no function, such as the beginning of a run, is in the default queue, and so is what belongs to
    one that routes.yaml does not mention.
    """
    if queues is None:
        return EVERYTHING
    ours: list[str] = []
    others: list[str] = []
    for name, function in functions.items():
        (ours if function.queue in queues else others).append(name)
    return Reach(never=tuple(others)) if DEFAULT_QUEUE in queues else Reach(only=tuple(ours))


def known(functions: Mapping[str, FunctionConfig]) -> set[str]:
    """Every queue that there is."""
    return {DEFAULT_QUEUE, *(each.queue for each in functions.values())}
