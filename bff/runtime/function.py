"""One function as the gateway runs it: which revisions are live, and how a new one takes its place."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path

from bff.errors import FunctionNotLoaded, GatewayDraining
from bff.revisions.choice import Choosing
from bff.revisions.revision import Revision
from bff.revisions.routing import Routing
from bff.revisions.snapshot import Snapshot
from bff.runtime.entrance import Entrance, Inside
from bff.runtime.errands import Errands, heard
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.lives import Live
from bff.runtime.making import Making
from bff.runtime.publishing import Publishing
from bff.runtime.settings import Settings
from bff.runtime.source import Source
from bff.runtime.standing import Standing
from bff.runtime.warmup import Workshop
from bff.signals import Blockages, LoadFailed, Signals, TrafficMoved


class Function:
    """Publishing runs in tasks of the function's own: callers come and go, what they began is finished.

    Mutable state: ``lives``, which ``_making`` makes while traffic changes in one step; ``_source`` with the
    ``failure`` of the newest text, ``settings``, ``blocked``; its ``entrance``'s.
    """

    __slots__ = (
        "_errands",
        "_making",
        "_publisher",
        "_signals",
        "_source",
        "_workshop",
        "blocked",
        "entrance",
        "lives",
        "name",
        "settings",
    )

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        root: Path,
        dev: bool,
        publisher: Publishing,
        workshop: Workshop,
        signals: Signals,
        forkserver: Forkserver,
        choosing: Choosing | None = None,
        making: type[Making] = Making,
    ) -> None:
        self.name = name
        self.settings = settings
        self._source = Source(name, root, is_dev=dev)
        self._making = making(
            choosing or Choosing(function=name),
            settings=lambda: self.settings,
            source=self._source,
            workshop=workshop,
            signals=signals,
            forkserver=forkserver,
        )
        self.lives = self._making.lives
        self._publisher = publisher
        self._workshop = workshop
        self._signals = signals
        self._errands = Errands()
        self.entrance = Entrance(
            name,
            making=self._making,
            source=self._source,
            errands=self._errands,
            open_it=lambda: publisher.open(self),
            kept=lambda revision: publisher.kept(self, revision),
        )
        self.blocked = Blockages()

    @property
    def failure(self) -> FunctionNotLoaded | None:
        """Why the newest code cannot serve; None where it can, as far as is known."""
        return self._source.failure

    @failure.setter
    def failure(self, failure: FunctionNotLoaded | None) -> None:
        self._source.failure = failure

    @property
    def live(self) -> Live | None:
        """The revision that gets most of the calls, or all; None while there is none."""
        return self.lives.main

    @property
    def routing(self) -> Routing | None:
        """The traffic in force; None before the first revision."""
        return self.lives.routing

    def drawn(self) -> str:
        """The name of a revision, by chance as traffic's shares have it; "" where they are not known here."""
        shares = self._publisher.shares(self)
        return random.choices(list(shares), list(shares.values()))[0] if shares else ""

    # Instances

    async def keep_warm(self) -> bool:
        """Warm it although nobody called; False where it failed, which is told as a signal."""
        try:
            await self.activate()
        except (FunctionNotLoaded, GatewayDraining):
            return False
        return True

    @property
    def is_cold(self) -> bool:
        """Whether nothing of it is warm, or about to be."""
        return not self.entrance.is_opening and self.lives.are_cold

    async def dismiss(self, live: Live, instance: Inside) -> None:
        """An instance is not alive: it gets no calls any more, and another takes its place."""
        with suppress(GatewayDraining):
            await self._errands.run(self._told(self._making.dismiss(live, instance)))

    def consider(self, now: float) -> None:
        """Let instances go if the autoscaler says so."""
        if not self._making.turns.are_taken:
            self.lives.consider(now)

    def rest(self) -> None:
        """Evict every instance; the next call warms the same revision again."""
        for live in list(self.lives.values()):
            if live.instance is not None:
                self.lives.rest(live)

    async def activate(self) -> Live:
        """The revision with most of the calls, warm; the first call of all takes the snapshot.

        Raises:
            FunctionNotLoaded: there is no revision that could serve.
            GatewayDraining: the function is closed.

        """
        while True:
            live = self.live
            if live is None:
                await heard(self.entrance.opened())
                continue
            await live.warm()
            if self.live is live:  # else a new revision took over while we waited
                return live

    # Revisions and their traffic

    async def admit(self, revision: Revision, *, is_known: bool = False) -> None:
        """Make a revision ready for traffic without any: it is loaded, checked against every route and by its
        own ``check()``, and kept warm for a while, so that traffic can move to it at once. One that
        ``is_known`` had traffic before, and is not asked again.

        Raises:
            FunctionNotLoaded: it cannot serve; everything is as it was.
            GatewayDraining: the function is closed.

        """
        await self._errands.run(self._making.admit(revision, is_known=is_known))

    def route(self, routing: Routing) -> None:
        """From now on calls go as this says, in one step; what none can reach any more drains and is evicted.

        Raises:
            GatewayDraining: the function is closed.

        """
        if self._errands.is_closed:
            raise GatewayDraining
        before, self._source.newest = self.routing, routing.revisions[routing.latest]
        self.lives.route(routing)
        self._making.setbacks.keep(self.lives.keys())
        if before is None or before.shares() != routing.shares() or before.tags() != routing.tags():
            self._signals.emit(
                TrafficMoved(
                    function=self.name,
                    before=str(before.traffic) if before is not None else "",
                    after=str(routing.traffic),
                    latest=routing.latest,
                    shares=routing.shares(),
                )
            )

    def choose_by(self, choosing: Choosing) -> None:
        """Take changed rules, for the traffic there is."""
        self.lives.choose_by(choosing)

    async def refresh(self) -> bool:
        """Look at the disk again; True when a new revision was published.

        A failure leaves the last good revision serving and is told as a signal, not raised.
        """
        try:
            return await self._errands.run(self._publisher.refresh(self))
        except GatewayDraining:
            return False

    async def look(self) -> Snapshot:
        """The function's files as they are now.

        Raises:
            FunctionNotLoaded: they are no function.

        """
        return await self._source.read(self.settings, self._workshop)

    def is_unchanged(self) -> None:
        """The disk has the text of the latest revision again: whatever failed meanwhile is forgotten."""
        self.failure = None
        if self.routing is not None:
            self._source.newest = self.routing.revisions[self.routing.latest]

    def tell(self, failure: FunctionNotLoaded) -> None:
        """Say as a signal that new code cannot serve, and who goes on."""
        serving = self.live.revision.name if self.live else None
        self._signals.emit(LoadFailed(function=self.name, report=failure.report(), serving=serving))

    # Settings

    def reconfigure(self, settings: Settings) -> bool:
        """Take changed settings; True when they need instances to be made again.

        What a revision froze stays as it was for that revision.
        """
        old, self.settings = self.settings, settings
        for live in self.lives.values():
            live.settings = settings.for_revision(live.revision.snapshot.settings)
        return old.of_an_instance() != settings.of_an_instance()

    async def remake(self, *only: Live) -> None:
        """Give live revisions (these, or every one) new instances, made with the present settings; the old ones
        drain. Where the frozen settings changed, the latest one is followed by a new revision of the same files.
        """
        with suppress(GatewayDraining):
            await self._errands.run(self._remake(*only))

    async def _remake(self, *chosen: Live) -> None:
        has_successor = not chosen and await self._publisher.succeed(self)
        fresh = self.routing.latest if has_successor and self.routing is not None else ""
        for live in chosen or tuple(self.lives.values()):
            if live.revision.name != fresh:  # which was made just now
                await self._told(self._making.remake(live))

    async def _told(self, making: Awaitable[None]) -> None:
        try:
            await making
        except FunctionNotLoaded as failure:
            self.tell(failure)

    # The end

    async def retire(self) -> None:
        """Take no new calls, and return when the last one has left and every instance is gone.

        Cancelling it closes at once.
        """
        await self._errands.close()
        going = self.lives.let_go()
        try:
            for activator in going:
                activator.drain()
            for activator in going:
                await activator.gone()
        finally:
            await _close_all(going)

    async def close(self) -> None:
        """End every instance, the live ones and those still draining, whoever is still inside."""
        await self._errands.close()
        await _close_all(self.lives.let_go())

    def depends_on(self, changed: set[str]) -> bool:
        """Whether a change to these files (relative to the functions folder) may concern it."""
        return self._source.depends_on(changed)

    def status(self) -> dict[str, object]:
        """What operators see of it."""
        return Standing(
            name=self.name,
            lives=self.lives,
            is_opening=self.entrance.is_opening,
            first_callers=self.entrance.waiting,
            tally=self.entrance.tally,
            blocked=self.blocked,
            failure=self.failure,
            stuck_threads=self._workshop.stuck.of(self.name),
        ).told(self._workshop.clock)

    def __repr__(self) -> str:
        return f"<Function {self.name}: {self.lives!r}>"


async def _close_all(activators: list[Live]) -> None:
    """Side by side: one that takes its time to stop must not take the others'."""
    if activators:
        await asyncio.gather(*(activator.close() for activator in activators))
