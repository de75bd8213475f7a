"""The life of an instance, as a table. Nothing here acts; the activator obeys it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where an instance is in its life."""

    COLD = "cold"
    WARMING = "warming"
    WARM = "warm"
    IDLE = "idle"
    DRAINING = "draining"
    EVICTED = "evicted"


NEXT: Mapping[State, frozenset[State]] = {
    State.COLD: frozenset({State.WARMING, State.EVICTED}),
    State.WARMING: frozenset({State.WARM, State.COLD}),  # back to cold: the warm-up failed
    State.WARM: frozenset({State.IDLE, State.DRAINING}),
    State.IDLE: frozenset({State.WARM, State.DRAINING}),
    State.DRAINING: frozenset({State.EVICTED}),
    State.EVICTED: frozenset(),
}


def moved(now: State, to: State) -> State:
    """``to``, if an instance may go there from ``now``.

    Raises:
        ValueError: the table has no such step; that is a bug of ours.

    """
    if to not in NEXT[now]:
        raise ValueError(f"an instance cannot go from {now} to {to}")
    return to
