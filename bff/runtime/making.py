"""How live revisions of a function come to have instances: before they have calls, for a caller who may choose one
without any, and again when settings change. Each is made under its own turn, so that none waits for another's load.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from bff.errors import FunctionNotLoaded, GatewayDraining
from bff.revisions.choice import Choosing
from bff.revisions.revision import Revision
from bff.runtime import approval, maker
from bff.runtime.activator import Activator
from bff.runtime.backoff import Setbacks
from bff.runtime.instance import Instance
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.lives import Live, Lives
from bff.runtime.pool import Pool
from bff.runtime.settings import Settings
from bff.runtime.source import Source
from bff.runtime.turns import Turns
from bff.runtime.warmup import Workshop
from bff.signals import Signals


class Making:
    """Mutable state: ``lives``, ``setbacks`` and ``turns``; what fails is the ``source``'s failure."""

    __slots__ = (
        "_forkserver",
        "_settings",
        "_signals",
        "_source",
        "_workshop",
        "lives",
        "setbacks",
        "turns",
    )

    def __init__(
        self,
        choosing: Choosing,
        *,
        settings: Callable[[], Settings],
        source: Source,
        workshop: Workshop,
        signals: Signals,
        forkserver: Forkserver,
    ) -> None:
        self.lives = Lives(self._live, choosing)
        self.setbacks = Setbacks(workshop.clock)
        self.turns = Turns()
        self._settings = settings
        self._source = source
        self._workshop = workshop
        self._signals = signals
        self._forkserver = forkserver

    def _live(self, revision: Revision, *, is_new_code: bool = False) -> Live:
        workshop = self._workshop.for_new_code() if is_new_code else self._workshop
        tools = (workshop, self._signals, self._source.has_real_paths)
        settings = self._settings().for_revision(revision.snapshot.settings)
        if settings.isolation == "process":
            return Pool(revision, settings, maker.in_processes(*tools, self._forkserver))
        return Activator(revision, settings, maker.inline(*tools))

    async def admit(self, revision: Revision, *, is_known: bool) -> None:
        """Make it ready for traffic, without any; see :meth:`bff.runtime.function.Function.admit`."""
        async with self.turns.of(revision.name):
            self._source.came(revision)
            present = self.lives.get(revision.name)
            if present is not None:
                with suppress(GatewayDraining):  # traffic went elsewhere while we waited: it is made anew
                    await self._approved(present, is_known=is_known)
                    return
            while not await self._made_ready(revision, is_known=is_known):
                pass  # its settings changed meanwhile

    async def _made_ready(self, revision: Revision, *, is_known: bool) -> bool:
        """Whether there is an instance now, made with the present settings."""
        fresh = self._live(revision, is_new_code=not is_known)
        made_with = fresh.settings.of_an_instance()
        await self._or_closed(fresh, lambda: self._approved(fresh, is_known=is_known))
        fresh.settings = self._settings().for_revision(revision.snapshot.settings)
        if fresh.settings.of_an_instance() != made_with:
            await fresh.close()
            return False
        self.lives.make_ready(fresh)
        return True

    @staticmethod
    async def _or_closed(fresh: Live, warm: Callable[[], Awaitable[object]]) -> None:
        try:
            await warm()
        except BaseException:
            await fresh.close()  # nobody else knows of it
            raise

    async def _approved(self, live: Live, *, is_known: bool) -> None:
        name = live.revision.name
        try:
            await (live.warm() if is_known else approval.ask(live, self._workshop.clock))
        except FunctionNotLoaded as failure:
            self._failed(name, failure)
            raise
        if not is_known or self.setbacks.why(name) is self._source.failure:
            self._source.failure = None  # else it is newer code's, which this says nothing about

    def _failed(self, name: str, failure: FunctionNotLoaded) -> None:
        self._source.failure = failure
        self.setbacks.failed(name, failure)

    async def invite(self, revision: Revision) -> None:
        """Warm one that may have no traffic at all; its failure is its caller's to hear, and nobody else's."""
        async with self.turns.of(revision.name):
            if self.lives.get(revision.name) is None:
                fresh = self._live(revision)
                await self._or_closed(fresh, fresh.warm)
                self.lives.make_ready(fresh)

    async def remake(self, live: Live) -> None:
        """Give it a new instance, made with the present settings; the old one drains. One that went meanwhile needs
        none.

        Raises:
            FunctionNotLoaded: it cannot be made; the old one stays.

        """
        async with self.turns.of(live.revision.name):
            if self.lives.get(live.revision.name) is not live:
                return
            fresh = self._live(live.revision)
            fresh.succeed(live)  # type: ignore[arg-type]  # of the same kind: a revision does not change its own
            try:
                await self._or_closed(fresh, fresh.warm)
            except FunctionNotLoaded as failure:
                self._failed(live.revision.name, failure)
                raise
            fresh.warm_since = live.warm_since  # a new instance is no reason to stay for longer
            self._source.failure = None
            self.lives.replace(fresh)

    async def warm_for_others(self, live: Live) -> None:
        """Warm it for whoever comes next, who is told if that fails."""
        with suppress(FunctionNotLoaded, GatewayDraining):
            await live.warm()

    async def dismiss(self, live: Live, instance: Instance | ProcessInstance) -> None:
        """Replace one instance that is not alive.

        Raises:
            FunctionNotLoaded: a new one cannot be made; the old one stays.

        """
        if isinstance(live, Pool):
            assert isinstance(instance, ProcessInstance)
            live.dismiss(instance)
        else:
            await self.remake(live)

    def __repr__(self) -> str:
        return f"<Making {self.lives!r}; {self.turns!r}>"
