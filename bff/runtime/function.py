"""One function as the gateway runs it: which revision is live, and how a new one takes its place."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bff.errors import FunctionNotLoaded
from bff.revisions import snapshot
from bff.revisions.registry import Registry
from bff.revisions.revision import Revision
from bff.runtime.activator import Activator
from bff.runtime.lifecycle import State
from bff.runtime.warmup import Settings, Workshop
from bff.signals import LoadFailed, RevisionReady, Signals


class Function:
    """Mutable state: ``live``, ``settings``, ``failure``, ``_retired``; changed only under ``_publishing``."""

    __slots__ = (
        "_dev",
        "_publishing",
        "_registry",
        "_retired",
        "_root",
        "_signals",
        "_workshop",
        "failure",
        "live",
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
        registry: Registry,
        workshop: Workshop,
        signals: Signals,
    ) -> None:
        self.name = name
        self.settings = settings
        self.live: Activator | None = None
        self.failure: FunctionNotLoaded | None = None
        self._retired: list[Activator] = []
        self._root = root
        self._dev = dev
        self._registry = registry
        self._workshop = workshop
        self._signals = signals
        self._publishing = asyncio.Lock()

    async def activate(self) -> Activator:
        """The live activator, warm; the first call of all takes the snapshot.

        Raises:
            FunctionNotLoaded: there is no revision that could serve.

        """
        if self.live is None:
            async with self._publishing:
                if self.live is None:
                    await self._publish()
        while True:
            live = self.live
            assert live is not None
            await live.warm()
            if self.live is live:  # else a new revision took over while we waited
                return live

    async def refresh(self) -> bool:
        """Look at the disk again; True when a new revision went live.

        A failure leaves the last good revision serving and is told as a signal, not raised.
        """
        async with self._publishing:
            try:
                return await self._publish()
            except FunctionNotLoaded as failure:
                serving = self.live.revision.name if self.live else None
                self._signals.emit(LoadFailed(function=self.name, report=failure.report(), serving=serving))
                return False

    async def _publish(self) -> bool:
        """Snapshot, load and check a revision, then move all traffic to it in one assignment."""
        clock = self._workshop.clock
        began = clock.now()
        try:
            taken = await self._workshop.loader_thread.run(lambda: snapshot.take(self._root, self.name))
            if self.live is not None and self.live.revision.digest == taken.digest:
                self.failure = None
                return False
            revision = self._registry.publish(taken)
            fresh = self._activator(revision)
            await fresh.warm()
        except FunctionNotLoaded as failure:
            self.failure = failure
            raise
        self.failure = None
        self._swap(fresh)
        seconds = clock.now() - began
        self._signals.emit(
            RevisionReady(function=self.name, revision=revision.name, digest=revision.digest, seconds=seconds)
        )
        return True

    def _activator(self, revision: Revision) -> Activator:
        return Activator(
            revision,
            self.settings,
            workshop=self._workshop,
            signals=self._signals,
            real_paths=self._has_real_paths,
        )

    def _has_real_paths(self, revision: Revision) -> bool:
        """Only the newest dev revision: its text and the file on disk are the same."""
        return self._dev and self._registry.of(self.name)[-1] is revision

    def _swap(self, fresh: Activator) -> None:
        old, self.live = self.live, fresh
        if old is not None:
            old.drain()
            self._retired = [each for each in (*self._retired, old) if each.state is not State.EVICTED]

    def reconfigure(self, settings: Settings) -> bool:
        """Take changed settings; True when they need the instance to be made again."""
        old, self.settings = self.settings, settings
        if self.live is not None:
            self.live.settings = settings
        return (old.env, old.threads, old.warm_up_timeout) != (
            settings.env,
            settings.threads,
            settings.warm_up_timeout,
        )

    async def remake(self) -> None:
        """Give the live revision a new instance, made with the present settings; the old one drains."""
        async with self._publishing:
            if self.live is None:
                return
            fresh = self._activator(self.live.revision)
            try:
                await fresh.warm()
            except FunctionNotLoaded as failure:
                self.failure = failure
                self._signals.emit(
                    LoadFailed(function=self.name, report=failure.report(), serving=self.live.revision.name)
                )
                return
            self._swap(fresh)

    async def close(self) -> None:
        """End every instance, the live one and those still draining."""
        for activator in (*self._retired, *([self.live] if self.live else [])):
            await activator.close()
        self.live = None

    def depends_on(self, changed: set[str]) -> bool:
        """Whether a change to these files (relative to the functions folder) may concern it."""
        own = (f"{self.name}.py", f"{self.name}/")
        if any(path == own[0] or path.startswith(own[1]) for path in changed):
            return True
        if self.failure is not None:
            return True
        return self.live is not None and not changed.isdisjoint(self.live.revision.snapshot.files)

    def status(self) -> dict[str, object]:
        """What operators see of it; times in milliseconds."""
        live = self.live
        return {
            "name": self.name,
            "revision": live.revision.name if live else None,
            "state": str(live.state) if live else "cold",
            "in_flight": live.in_flight if live else 0,
            "draining": sum(each.in_flight for each in self._retired),
            "warm_up_ms": {n: round(s * 1000, 3) for n, s in live.last_phases.items()} if live else {},
            "failure": self.failure.report() if self.failure else None,
        }

    def __repr__(self) -> str:
        return f"<Function {self.name}: {self.live!r}>"
