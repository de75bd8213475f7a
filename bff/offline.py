"""The events room as the composition root holds it: made when routes.yaml first asks for it, so that who never does
pays nothing for it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from bff.config import Config
from bff.gateway.target import Doors
from bff.runtime.site import Site
from bff.sdk.cloudevent import CloudEvent
from bff.sdk.eventfailures import NoEvents
from bff.sdk.invocation import Invocation
from bff.signals import NameLost

if TYPE_CHECKING:
    from bff.events.operating import Operating
    from bff.events.room import Events
    from bff.events.stages import Stages
    from bff.events.tenure import Tenure


class Offline:
    """Mutable state: ``events``, made once; whether it ``_delivers``; ``_tenure`` of the name it was given, if any."""

    def __init__(
        self,
        site: Site,
        *,
        later: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """``later`` begins a task."""
        self.events: Events | None = None
        self._delivers = False
        self._tenure: Tenure | None = None
        self._site = site
        self._later = later

    def meet(self, config: Config) -> None:
        """Take a configuration."""
        if self.events is not None:
            self.events.configure(config)
        elif config.has_events:
            from bff.events.room import Events

            self.events = Events(self._site, config)
            if self._delivers:
                self._begin(self.events)

    def deliver(self) -> None:
        """Begin to deliver events, now or with the first routes.yaml that has any."""
        self._delivers = True
        if self.events is not None:
            self._begin(self.events)

    def _begin(self, events: Events) -> None:
        self._later(events.run())
        self._later(events.tidy())
        self._later(events.schedule())

    async def stop(self, within: float) -> None:
        """Take nothing new, and let go within so many seconds what is being done."""
        if self.events is not None:
            await self.events.stop(within)

    async def take_name(self, name: str) -> None:
        """Be the only process of the name that was given, if one was.

        Raises:
            NameTaken: another one of it is alive.

        """
        if not name:
            return
        from bff.events.tenure import Tenure

        tenure = Tenure(self._site.store, holder=self._site.holder, clock=self._site.clock)
        await tenure.begin()
        self._tenure = tenure
        self._later(tenure.hold(partial(self._lose_name, name)))

    def _lose_name(self, name: str) -> None:
        """It was silent for too long, and another one has its name: it ends as it is told to by a supervisor."""
        self._site.signals.emit(NameLost(name=name))
        signal.raise_signal(signal.SIGTERM)

    async def give_name_back(self) -> None:
        """Another process may have it at once.

        Raises:
            StoreUnavailable: it has to wait for the end of the lease.

        """
        if self._tenure is not None:
            await self._tenure.end()

    # What others are handed

    @property
    def delivering(self) -> int:
        """Deliveries that are under way."""
        return 0 if self.events is None else self.events.dispatcher.running

    def operating(self) -> Operating | None:
        """What operators may do with events, where there are any."""
        if self.events is None:
            return None
        from bff.events.operating import Operating

        return Operating(self.events)

    def stages(self) -> Stages | None:
        """The same for pipelines."""
        if self.events is None:
            return None
        from bff.events.stages import Stages

        return Stages(self.events)

    def doors(self) -> Doors | None:
        """Where the public listener takes events and asynchronous calls."""
        if self.events is None:
            return None
        from bff.events.calls import Calls

        calls = Calls(self.events)
        return Doors(
            events=self.events.receive,
            ask=calls.ask,
            status=calls.status,
            result=calls.result,
            cancel=calls.cancel,
        )

    async def publish(self, invocation: Invocation, event: CloudEvent) -> None:
        """What ``ctx.publish`` does.

        Raises:
            NoEvents: routes.yaml has none.

        """
        if self.events is None:
            raise NoEvents
        await self.events.publish(invocation, event)

    def progress(self, invocation: Invocation, done: float, total: float | None, note: str) -> None:
        """What ``ctx.progress`` does; nothing where nobody could follow it."""
        if self.events is not None:
            self.events.progressing.tell(invocation, done, total, note)
