"""How calls get inside a function: what they wait for, and what is refused at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bff.errors import DeadlineExceeded, FunctionNotLoaded, GatewayDraining
from bff.measured import WarmUp
from bff.revisions.choice import OverrideUnknown
from bff.revisions.revision import Revision
from bff.revisions.store.failures import NoSuchRevision
from bff.runtime.crowd import Crowd
from bff.runtime.errands import Errands
from bff.runtime.instance import Instance
from bff.runtime.isolation.instance import ProcessInstance
from bff.runtime.lifecycle import State
from bff.runtime.lives import Live
from bff.runtime.making import Making
from bff.runtime.source import Source
from bff.runtime.tally import Tally
from bff.sdk.invocation import Invocation

Inside = Instance | ProcessInstance


class Entrance:
    """What callers begin is finished in tasks of the function's: they come and go.

    Mutable state: ``_opening``, which the ``_first_callers`` wait for; ``tally``.
    """

    __slots__ = (
        "_errands",
        "_first_callers",
        "_function",
        "_kept",
        "_lives",
        "_making",
        "_open",
        "_opening",
        "_source",
        "tally",
    )

    def __init__(
        self,
        function: str,
        *,
        making: Making,
        source: Source,
        errands: Errands,
        open_it: Callable[[], Awaitable[None]],
        kept: Callable[[str], Awaitable[Revision]],
    ) -> None:
        """``open_it`` gives the function its first traffic in this process; ``kept`` finds a revision whatever its
        traffic.
        """
        self.tally = Tally()
        self._function = function
        self._making = making
        self._lives = making.lives
        self._source = source
        self._errands = errands
        self._open = open_it
        self._kept = kept
        self._opening: asyncio.Task[None] | None = None
        self._first_callers = Crowd()

    @property
    def waiting(self) -> int:
        """How many wait for the first revision of all."""
        return self._first_callers.waiting

    @property
    def is_opening(self) -> bool:
        """Whether that is about to be there."""
        return self._opening is not None

    async def enter(self, invocation: Invocation, live: Live | None) -> tuple[Live, Inside]:
        """A place inside the revision that was chosen, after its warm-up and the line before it; inside another
        where traffic moved meanwhile.

        Raises:
            FunctionNotLoaded: there is no revision that could serve.
            OverrideUnknown: a caller who may choose asks for what is not there.
            Overloaded: too many wait already.
            GatewayDraining: the function is closed.
            DeadlineExceeded: it is cold, and would not be warm in time.

        """
        while True:
            if live is None and self._lives.main is not None:
                live = await self._invited(invocation)
            if live is None or live.instance is None:
                self._making.setbacks.refuse_while_backing_off(self._key(live))
                self._refuse_in_vain(live, invocation)
            try:
                if live is None:
                    await self._first_callers.heard(self.opened(), self._function)
                    live = self._lives.of(invocation)
                    continue
                inside = await live.enter()
            except GatewayDraining:
                if self._errands.is_closed or live is None or self._lives.get(live.revision.name) is live:
                    raise
                # A new revision, or a new instance of this one, took over while we waited.
                live = self._lives.of(invocation)
            except FunctionNotLoaded as failure:
                self._source.failure = failure
                self._making.setbacks.failed(self._key(live), failure)
                raise
            else:
                return live, inside

    async def enter_revision(self, name: str) -> tuple[Live, Inside]:
        """A place inside one revision, whatever its traffic: fetched and warmed where it has to be.

        Raises:
            OverrideUnknown: it is not kept, or no longer.
            FunctionNotLoaded, Overloaded, GatewayDraining: as :meth:`enter`.

        """
        while True:
            if self._lives.main is None:
                await self._first_callers.heard(self.opened(), self._function)
            if name not in self._lives:
                await self._errands.run(self._invite(name))
            live = self._lives[name]
            try:
                return live, await live.enter()
            except GatewayDraining:
                if self._errands.is_closed or self._lives.get(name) is live:
                    raise

    def opened(self) -> asyncio.Task[None]:
        """Ends when there is a live revision: one load for everybody who waits for it.

        Raises:
            GatewayDraining: the function is closed.

        """
        if self._opening is None:
            self._opening = self._errands.begin(self._opened())
            self._opening.add_done_callback(self._first_callers.wake)
        return self._opening

    async def _opened(self) -> None:
        try:
            if self._lives.main is None:
                await self._open()
        finally:
            self._opening = None  # who comes after a failure tries again

    async def _invited(self, invocation: Invocation) -> Live | None:
        """Who answers an override that names a revision without any traffic, which is fetched and warmed for it."""
        name = self._lives.asked_for(invocation)
        if name is not None:
            await self._errands.run(self._invite(name))
        return self._lives.of(invocation)

    async def _invite(self, name: str) -> None:
        try:
            revision = await self._kept(name)
        except NoSuchRevision:
            routing = self._lives.routing
            known = routing.reachable() if routing is not None else ()
            raise OverrideUnknown(self._function, tuple(sorted(known))) from None
        await self._making.invite(revision)

    def _key(self, live: Live | None) -> str:
        """Whose warm-ups are counted together: a revision's."""
        newest = live.revision if live is not None else self._source.newest
        return newest.name if newest is not None else ""

    def hear_warm_up(self, revision: str, warm_up: WarmUp | None) -> None:
        """A revision was warmed, or could not be (None)."""
        self._making.setbacks.hear(revision, is_failure=warm_up is None)
        if warm_up is not None:
            self.tally.warmed_up(warm_up)

    def _refuse_in_vain(self, live: Live | None, invocation: Invocation) -> None:
        """A caller that would be gone before a cold revision is warm is told so at once; the revision is warmed all
        the same, for those who come after.

        Raises:
            DeadlineExceeded: that is so.

        """
        if live is None or live.state is not State.COLD:  # how far a warm-up has come, nobody knows
            return
        takes = self.tally.soonest(live.revision.name)
        if invocation.remaining() < takes:
            self._errands.begin(self._making.warm_for_others(live))
            raise DeadlineExceeded(allowed=invocation.deadline.allowed, cold_for=takes)
