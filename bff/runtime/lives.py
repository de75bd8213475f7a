"""The live revisions of one function: those that traffic can reach, those made ready for it, and those that
still drain. Which one a call gets is the chooser's to say; making and ending instances is each one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count

from bff.revisions.choice import Chooser, Choosing
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing
from bff.runtime.activator import Activator
from bff.runtime.lifecycle import State
from bff.runtime.pool import Pool
from bff.sdk.invocation import Invocation

Live = Activator | Pool
"""What lets calls into a revision: of the one instance in the gateway, or of those in processes."""

READY_FOR = 600.0
"""Seconds a revision that was made ready waits for traffic before its instance goes."""
READY_AT_MOST = 2
"""Revisions that may wait so, per function: the newest ones."""


class Lives(Mapping[str, Live]):
    """By revision's name, routed ones and those made ready.

    Mutable state, all of it assigned without a wait between: ``routing``, ``only`` (who gets every call; None
    while nobody does, or a choice is to be made), ``main`` (who gets most), ``_choose``, ``_by_name``,
    ``_ready``; ``_tenures``, what each one's pages are kept under as long as it has traffic, or as long as it has none,
    and ``_count`` of them; ``_choosing``, ``retired`` and ``rested``, the end of the last call of an instance that has gone.
    """

    __slots__ = (
        "_by_name",
        "_choose",
        "_choosing",
        "_count",
        "_make",
        "_ready",
        "_tenures",
        "main",
        "only",
        "rested",
        "retired",
        "routing",
    )

    def __init__(self, make: Callable[[Revision], Live], choosing: Choosing) -> None:
        self._make = make
        self._choosing = choosing
        self._choose: Chooser | None = None
        self._by_name: dict[str, Live] = {}
        self._ready: dict[str, Live] = {}
        self._tenures: dict[str, str] = {}
        self._count = count()
        self.routing: Routing | None = None
        self.only: Live | None = None
        self.main: Live | None = None
        self.retired: tuple[Live, ...] = ()
        self.rested: float | None = None

    def __getitem__(self, name: str) -> Live:
        return self._by_name.get(name) or self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._ready, **self._by_name})

    def __len__(self) -> int:
        return len({**self._ready, **self._by_name})

    def of(self, invocation: Invocation) -> Live | None:
        """Who answers this call, which is told of the choice; None while there is no revision, or where an
        override names one that is not at hand.

        Raises:
            OverrideUnknown: a caller who may choose asks for what is no revision.

        """
        if self._choose is None:
            return self.only
        chosen = self._choose(invocation)
        invocation.cohort = chosen.cohort
        if chosen.lane:
            invocation.lane = chosen.lane
        return self._by_name.get(chosen.revision) or self._ready.get(chosen.revision)

    def asked_for(self, invocation: Invocation) -> str | None:
        """The revision an override names that is not at hand; None where the call needs no such one."""
        if self._choose is None:
            return None
        name = self._choose(invocation).revision
        return None if name in self else name

    def route(self, routing: Routing, fresh: Live | None = None) -> None:
        """From now on calls go as this says; ``fresh`` takes the place of its revision's present one. What
        no call can reach any more drains.
        """
        before = (*self._by_name.values(), *self._ready.values())
        named = dict(self.items()) if fresh is None else {**self, fresh.revision.name: fresh}
        by_name = {
            name: named.get(name) or self._make(routing.revisions[name])
            for name in sorted(routing.reachable())
        }
        self._ready = {name: live for name, live in self._ready.items() if name not in by_name}
        self._change_tenures(routing, by_name)
        self.routing, self._by_name = routing, by_name
        self._compile()
        kept = {id(each) for each in (*by_name.values(), *self._ready.values())}
        self._retire(*(each for each in before if id(each) not in kept))

    def _change_tenures(self, routing: Routing, by_name: Mapping[str, Live]) -> None:
        """Pages that were kept do not outlive the traffic of their revision: who gets some anew has none of before.
        One that only rests keeps them, and a share that grows, too.
        """
        before = self.routing.shares() if self.routing is not None else {}
        shares = routing.shares()
        self._tenures = {
            name: self._tenures[name]
            if name in before and bool(before[name]) == bool(shares[name])
            else self._next_tenure(live.revision)
            for name, live in by_name.items()
        }
        for name, live in by_name.items():
            live.tenure = self._tenures[name]

    def _next_tenure(self, revision: Revision) -> str:
        return f"{revision.digest}/{next(self._count)}"

    def choose_by(self, choosing: Choosing) -> None:
        """Changed rules for the same traffic."""
        if choosing != self._choosing:
            self._choosing = choosing
            self._compile()

    def _compile(self) -> None:
        if self.routing is None:
            self._choose = self.only = self.main = None
            return
        self._choose = self._choosing.compiled(self.routing)
        self.main = self._by_name[self.routing.main]
        self.only = self.main if self._choose is None else None

    def make_ready(self, live: Live) -> None:
        """Keep a warm one; it has traffic at once where its revision came to have some meanwhile."""
        if live.revision.name in self._by_name:
            self.replace(live)
            return
        before = self._ready.pop(live.revision.name, None)
        if before is not None and before is not live:
            self._retire(before)
        live.tenure = self._next_tenure(live.revision)
        self._ready[live.revision.name] = live
        for name in list(self._ready)[:-READY_AT_MOST]:
            self._retire(self._ready.pop(name))

    def replace(self, fresh: Live) -> None:
        """A new instance of a revision; the old one drains, and the new one too where its revision has gone."""
        name = fresh.revision.name
        if name in self._by_name:
            old, self._by_name = self._by_name[name], {**self._by_name, name: fresh}
            fresh.tenure = old.tenure
            self._compile()
            self._retire(old)
        elif name in self._ready:
            old, self._ready[name] = self._ready[name], fresh
            fresh.tenure = old.tenure
            self._retire(old)
        else:
            self._retire(fresh)

    def rest(self, live: Live) -> None:
        """Evict its instance; the next call warms the same revision again."""
        self.rested = max(self.rested or 0.0, live.last_call or 0.0) or None
        if live.revision.name in self._by_name:
            fresh = self._make(live.revision)
            fresh.succeed(live)  # type: ignore[arg-type]  # of the same kind: a revision does not change its own
            self.replace(fresh)
        else:
            self._retire(self._ready.pop(live.revision.name))

    @property
    def routed(self) -> Mapping[str, Live]:
        """Those that a call can reach."""
        return self._by_name

    @property
    def are_warm(self) -> bool:
        """Whether any has an instance."""
        return any(live.instance is not None for live in self.values())

    @property
    def are_cold(self) -> bool:
        """Whether none has an instance, or is about to have one."""
        return all(live.state is State.COLD for live in self.values())

    @property
    def in_flight(self) -> int:
        """Calls inside, over all but those that drain."""
        return sum(live.in_flight for live in self.values())

    @property
    def last_active(self) -> float:
        """When one was last called or became warm; 0 when none was."""
        return max((live.last_active or 0.0 for live in self.values()), default=0.0)

    def consider(self, now: float) -> None:
        """Let go every instance that the autoscaler does not want, and what waited for traffic in vain."""
        for live in list(self._by_name.values()):
            if live.instance is not None and not live.consider(now):
                self.rest(live)
        for live in list(self._ready.values()):
            if now - (live.last_active or 0.0) >= READY_FOR:
                self.rest(live)

    def _retire(self, *old: Live) -> None:
        for each in old:
            each.drain()
        self.retired = tuple(each for each in (*self.retired, *old) if each.state is not State.EVICTED)

    def let_go(self) -> list[Live]:
        """Every one, draining ones too, for their end; none is left here."""
        going = [*self.retired, *self.values()]
        self.routing, self._by_name, self._ready, self.retired = None, {}, {}, ()
        self._compile()
        return going

    def __repr__(self) -> str:
        return f"<Lives {', '.join(map(repr, self.values())) or 'none'}; {len(self.retired)} drain>"
