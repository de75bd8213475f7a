"""One function as the gateway runs it: which revision is live, and how a new one takes its place."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from bff.errors import FunctionNotLoaded, GatewayDraining
from bff.revisions.registry import Registry
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from bff.runtime import maker, warmup
from bff.runtime.activator import Activator
from bff.runtime.backoff import Backoff
from bff.runtime.errands import Errands, heard
from bff.runtime.instance import Instance
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.lifecycle import State
from bff.runtime.pool import Pool
from bff.runtime.standing import Standing
from bff.runtime.tally import Tally
from bff.runtime.warmup import Settings, Workshop
from bff.signals import Blockages, LoadFailed, RevisionReady, Signals, Unexpected

Live = Activator | Pool
"""What lets calls into a revision: of the one instance in the gateway, or of those in processes."""
Inside = Instance | ProcessInstance


class Function:
    """Publishing runs in tasks of the function's own: callers come and go, what they began is finished.

    Mutable state: ``live``, ``failure``, ``_newest``, ``_retired``, changed only under ``_publishing``;
    ``settings``, ``_opening``, ``_rested``, ``_backoff``, ``tally``, ``blocked``.
    """

    __slots__ = (
        "_backoff",
        "_dev",
        "_errands",
        "_forkserver",
        "_newest",
        "_opening",
        "_publishing",
        "_registry",
        "_rested",
        "_retired",
        "_root",
        "_signals",
        "_workshop",
        "blocked",
        "failure",
        "live",
        "name",
        "settings",
        "tally",
    )

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        root: Path,
        dev: bool,
        registry: Registry,
        workshop: Workshop,
        signals: Signals,
        forkserver: Forkserver,
    ) -> None:
        self.name = name
        self._forkserver = forkserver
        self.settings = settings
        self.live: Live | None = None
        self.failure: FunctionNotLoaded | None = None
        self._retired: list[Live] = []
        self._root = root
        self._dev = dev
        self._registry = registry
        self._workshop = workshop
        self._signals = signals
        self._publishing = asyncio.Lock()
        self._newest: Revision | None = None
        self._opening: asyncio.Task[None] | None = None
        self._errands = Errands()
        self._backoff = Backoff()
        self.tally = Tally()
        self._rested: float | None = None
        self.blocked = Blockages()

    async def enter(self) -> tuple[Live, Inside]:
        """A place inside the live revision, after its warm-up and the line before it.

        Raises:
            FunctionNotLoaded: there is no revision that could serve.
            Overloaded: too many wait already.
            GatewayDraining: the function is closed.

        """
        while True:
            live = self.live
            if live is None or live.instance is None:
                self._refuse_while_backing_off()
            try:
                if live is None:
                    await self._opened()
                    continue
                inside = await live.enter()
            except GatewayDraining:
                if self._errands.is_closed or self.live is live:
                    raise
                # A new revision, or a new instance of this one, took over while we waited.
            except FunctionNotLoaded as failure:
                self.failure = failure
                raise
            else:
                return live, inside

    def _refuse_while_backing_off(self) -> None:
        """A function that cannot be warmed is not tried again for every call."""
        if self.failure is not None and self._backoff.forbids(self._workshop.clock.now()):
            raise self.failure

    def hear_warm_up(self, seconds: float | None) -> None:
        """A warm-up took so long, or failed (None)."""
        if seconds is None:
            self._backoff = self._backoff.after_failure(self._workshop.clock.now())
            return
        self._backoff = Backoff()
        self.tally.warmed_up(seconds)

    async def keep_warm(self) -> None:
        """Warm it although nobody called; a failure is told as a signal, and the first caller tries again."""
        with suppress(FunctionNotLoaded, GatewayDraining):
            await self.activate()

    def consider(self, now: float) -> None:
        """Let the instance go if the autoscaler says so."""
        live = self.live
        if live is None or live.instance is None or self._publishing.locked():
            return
        if not live.consider(now):
            self.rest()

    def rest(self) -> None:
        """Evict the live instance; the next call warms the same revision again."""
        live = self.live
        if live is not None and live.instance is not None:
            self._rested = live.last_call
            self._swap(self._activator(live.revision))

    async def activate(self) -> Live:
        """The live activator, warm; the first call of all takes the snapshot.

        Raises:
            FunctionNotLoaded: there is no revision that could serve.
            GatewayDraining: the function is closed.

        """
        while True:
            live = self.live
            if live is None:
                await self._opened()
                continue
            await live.warm()
            if self.live is live:  # else a new revision took over while we waited
                return live

    async def _opened(self) -> None:
        """Return when there is a live revision: one load for everybody who waits for it."""
        if self._opening is None:
            self._opening = self._errands.begin(self._open())
        await heard(self._opening)

    async def _open(self) -> None:
        try:
            async with self._publishing:
                if self.live is None:
                    began = self._workshop.clock.now()
                    await self._go_live(await self._first_look(), began)
        finally:
            self._opening = None  # who comes after a failure tries again

    async def refresh(self) -> bool:
        """Look at the disk again; True when a new revision went live.

        A failure leaves the last good revision serving and is told as a signal, not raised.
        """
        try:
            return await self._errands.run(self._refresh())
        except GatewayDraining:
            return False

    async def _refresh(self) -> bool:
        async with self._publishing:
            began = self._workshop.clock.now()
            try:
                taken = await self._look()
                if self.live is not None and self.live.revision.digest == taken.digest:
                    self.failure, self._newest = None, self.live.revision
                    return False
                await self._go_live(taken, began)
            except FunctionNotLoaded as failure:
                self._tell(failure)
                return False
            except Exception as error:  # a bug of ours must not end the watching
                self._signals.emit(Unexpected(where=f"refresh of {self.name}", error=error))
                return False
            return True

    async def _look(self) -> Snapshot:
        try:
            return await warmup.read(self._root, self.name, self.settings, self._workshop)
        except FunctionNotLoaded as failure:
            self.failure = failure
            raise

    async def _first_look(self) -> Snapshot:
        try:
            return await self._look()
        except FunctionNotLoaded as failure:
            self._tell(failure)  # there is no revision yet whose warm-up could be told as failed
            raise

    async def _go_live(self, taken: Snapshot, began: float) -> None:
        """Load and check a revision, then move all traffic to it in one assignment."""
        revision = self._newest = self._registry.publish(taken)
        await self._replace(self._activator(revision))
        self._signals.emit(
            RevisionReady(
                function=self.name,
                revision=revision.name,
                digest=revision.digest,
                seconds=self._workshop.clock.now() - began,
            )
        )

    async def _replace(self, fresh: Live) -> None:
        try:
            await fresh.warm()
        except FunctionNotLoaded as failure:
            self.failure = failure
            raise
        except asyncio.CancelledError:
            await fresh.close()  # nobody else knows of it
            raise
        self.failure = None
        self._swap(fresh)

    def _tell(self, failure: FunctionNotLoaded) -> None:
        serving = self.live.revision.name if self.live else None
        self._signals.emit(LoadFailed(function=self.name, report=failure.report(), serving=serving))

    def _activator(self, revision: Revision) -> Live:
        tools = (self._workshop, self._signals, self._has_real_paths)
        if self.settings.isolation == "process":
            return Pool(revision, self.settings, maker.in_processes(*tools, self._forkserver))
        return Activator(revision, self.settings, maker.inline(*tools))

    def _has_real_paths(self, revision: Revision) -> bool:
        """Only the newest dev revision: its text and the file on disk are the same."""
        return self._dev and revision is self._newest

    def _swap(self, fresh: Live) -> None:
        old, self.live = self.live, fresh
        if old is not None:
            old.drain()
            self._retired = [each for each in (*self._retired, old) if each.state is not State.EVICTED]

    def reconfigure(self, settings: Settings) -> bool:
        """Take changed settings; True when they need the instance to be made again."""
        old, self.settings = self.settings, settings
        if self.live is not None:
            self.live.settings = settings
        return old.of_an_instance() != settings.of_an_instance()

    async def remake(self) -> None:
        """Give the live revision a new instance, made with the present settings; the old one drains.

        Where the frozen settings changed it is a new revision, of the same files.
        """
        with suppress(GatewayDraining):
            await self._errands.run(self._remake())

    async def _remake(self) -> None:
        async with self._publishing:
            began = self._workshop.clock.now()
            if self.live is None:
                return
            revision = self.live.revision
            taken = revision.snapshot.under(self.settings.frozen())
            try:
                if taken.digest == revision.digest:
                    await self._replace(self._activator(revision))
                else:
                    await self._go_live(taken, began)
            except FunctionNotLoaded as failure:
                self._tell(failure)

    async def retire(self) -> None:
        """Take no new calls, and return when the last one has left and every instance is gone.

        Cancelling it closes at once.
        """
        await self._errands.close()
        going = self._let_go()
        try:
            for activator in going:
                activator.drain()
            for activator in going:
                await activator.gone()
        finally:
            await _close_all(going)

    async def close(self) -> None:
        """End every instance, the live one and those still draining, whoever is still inside."""
        await self._errands.close()
        await _close_all(self._let_go())

    def _let_go(self) -> list[Live]:
        going = [*self._retired, *([self.live] if self.live else [])]
        self.live, self._retired = None, []
        return going

    def depends_on(self, changed: set[str]) -> bool:
        """Whether a change to these files (relative to the functions folder) may concern it."""
        own = (f"{self.name}.py", f"{self.name}/")
        if any(path == own[0] or path.startswith(own[1]) for path in changed):
            return True
        if self.failure is not None:
            return True
        return self.live is not None and any(map(self.live.revision.snapshot.concerns, changed))

    def status(self) -> dict[str, object]:
        """What operators see of it."""
        return Standing(
            name=self.name,
            live=self.live,
            retired=tuple(self._retired),
            rested=self._rested,
            tally=self.tally,
            blocked=self.blocked,
            failure=self.failure,
            stuck_threads=self._workshop.stuck.of(self.name),
        ).told(self._workshop.clock)

    def __repr__(self) -> str:
        return f"<Function {self.name}: {self.live!r}>"


async def _close_all(activators: list[Live]) -> None:
    """Side by side: one that takes its time to stop must not take the others'."""
    if activators:
        await asyncio.gather(*(activator.close() for activator in activators))
