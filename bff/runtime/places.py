"""The places of a function's instances: how many calls are inside each, and who gets a place that becomes free.

Which instances there are is for :mod:`bff.runtime.pool` to say: it opens one, parts with it (those inside may
finish, nobody else gets in) and forgets it. Here no clock is read and no task started.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Generic, Protocol, TypeVar

from bff.runtime.line import Line


class Host(Protocol):
    """What is looked at of an instance."""

    @property
    def is_alive(self) -> bool:
        """Whether it takes calls; once False, never again."""
        ...

    @property
    def lingering(self) -> int:
        """Calls whose caller has left, and which still run."""
        ...


P = TypeVar("P", bound=Host)


class Places(Generic[P]):
    """Mutable state: ``_inside`` (calls by instance that takes calls), ``_parting`` (calls by instance that takes
    none any more), ``_held`` (of those calls, whose caller has left before they ended), and the ``line`` of those
    who wait.

    ``emptied`` is told of an instance that nobody gets into any more and everybody has left; ``missed`` is called
    when a place was given back that cannot be handed on, its instance being at its end.
    """

    __slots__ = ("_emptied", "_held", "_inside", "_limit", "_missed", "_parting", "line")

    def __init__(self, limit: int, *, emptied: Callable[[P], object], missed: Callable[[], object]) -> None:
        """With at most ``limit`` calls inside one instance; 0 is without limit."""
        self.line: Line[P] = Line(give_back=self.give_back)
        self._limit = limit
        self._emptied = emptied
        self._missed = missed
        self._inside: dict[P, int] = {}
        self._parting: dict[P, int] = {}
        self._held: Counter[P] = Counter()

    @property
    def open(self) -> Collection[P]:
        """The instances that take calls, the oldest first; a live view."""
        return self._inside.keys()

    @property
    def parting(self) -> Collection[P]:
        """Those that take none any more, and have not ended; a live view."""
        return self._parting.keys()

    @property
    def busy(self) -> int:
        """How many of the open ones have a call inside."""
        return sum(map(bool, self._inside.values()))

    @property
    def calls(self) -> int:
        """Calls inside, over all instances."""
        return sum(self._inside.values()) + sum(self._parting.values())

    def calmest(self) -> Sequence[P]:
        """The open ones, the least busy first."""
        return sorted(self._inside, key=self._inside.__getitem__)

    def open_up(self, instance: P) -> None:
        """It takes calls from now on."""
        self._inside[instance] = 0

    def take(self) -> P | None:
        """A place in the least busy instance, whoever waits; None when there is none."""
        if not self._inside:
            return None
        instance = min(self._inside, key=self._inside.__getitem__)
        if not instance.is_alive:
            self.part_with_the_dead()
            return self.take()
        if self._limit and self._inside[instance] >= self._limit:
            return None
        self._inside[instance] += 1
        return instance

    def let_in(self, instance: P) -> None:
        """Give an instance's free places to those who wait."""
        while self.line.waiting and (not self._limit or self._inside[instance] < self._limit):
            if not self.line.hand_over(instance):
                return
            self._inside[instance] += 1

    def let_in_everywhere(self) -> None:
        """Give all free places to those who wait."""
        for instance in self._inside:
            if instance.is_alive:
                self.let_in(instance)

    def give_back(self, instance: P) -> None:
        """A place is not used, or not any more; the next in line gets it, if it is one to be had."""
        if instance.lingering > self._held[instance]:
            self._held[instance] += 1  # its handler still runs: the place is free once that has ended
        else:
            self._vacate(instance)

    def settle(self, instance: P) -> None:
        """A call whose caller had left has ended."""
        if self._held[instance]:
            self._held[instance] -= 1
            self._vacate(instance)

    def _vacate(self, instance: P) -> None:
        if instance in self._parting:
            self._parting[instance] -= 1
            if not self._parting[instance]:
                self._emptied(instance)
        elif instance not in self._inside:
            self._missed()  # it ended by itself, and its place is not there to be handed on
        elif not instance.is_alive:
            self._inside[instance] -= 1
            self.part(instance)
            self._missed()
        elif not self.line.waiting or not self.line.hand_over(instance):
            self._inside[instance] -= 1

    def part(self, instance: P) -> None:
        """Let no further call in, into one that is open or one that never was."""
        self._parting[instance] = self._inside.pop(instance, 0)
        if not self._parting[instance]:
            self._emptied(instance)

    def part_with_the_dead(self) -> None:
        """Those that take no more calls, and wait for the last one inside to leave."""
        for instance in [each for each in self._inside if not each.is_alive]:
            self.part(instance)

    def forget(self, instance: P) -> None:
        """It has ended, and whoever was inside was told."""
        self._inside.pop(instance, None)
        self._parting.pop(instance, None)
        self._held.pop(instance, None)

    def __repr__(self) -> str:
        return f"<Places: {self.calls} taken in {len(self._inside)} open, {len(self._parting)} parting, {self.line.waiting} waiting>"
