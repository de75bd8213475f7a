"""A house: what becomes of all rooms together, from the start to the end.

:func:`compose` builds one for a configuration and takes it down again in reverse; :class:`House` is
what the listeners, the commands and the testing kit hold. Nothing here listens on a port.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from bff.config import Config, ConfigInvalid, load
from bff.options import Options as Options
from bff.revisions.loader import Loader
from bff.revisions.store.failures import StoreUnavailable
from bff.rooms import Rooms
from bff.runtime.fitting import check_against_live
from bff.runtime.loopguard import LoopGuard
from bff.runtime.threads import Threads
from bff.signals import ConfigApplied, ConfigRejected, LoopLost
from bff.telemetry.lines import open_lines
from bff.telemetry.printed import Printed
from bff.telemetry.standardlogs import StandardLogs

YOUNG = 50_000
"""Objects that are made before the collector looks at them, instead of Python's 700."""


class House(Rooms):
    """A running gateway without its listeners."""

    async def start(self) -> None:
        """Learn from the store who gets the calls, and begin what goes on by itself.

        Raises:
            StoreUnavailable: the store cannot be read.

        """
        self.telemetry.tracing.start(self.config.telemetry, self._name)
        if self._options.keeps_state:
            await self._housekeeping.learn()
            await self.offline.take_name(self._options.name)
        self._housekeeping.keep_warm()
        self._roster.ready_to_fork(self.config)
        self._housekeeping.configure(self.config)
        if not self._options.keeps_state:
            self.offline.deliver()

    def keep_up(self) -> None:
        """Publish the folder and follow the store, once nobody waits for the start any more."""
        if self._options.keeps_state:
            self._housekeeping.keep_up()
            self.offline.deliver()

    def guard(self, end: Callable[[LoopLost], object]) -> LoopGuard:
        """The watchdog over the running loop; ``end`` is what happens when the loop does not come back."""
        return LoopGuard(
            clock=self._clock,
            loader=self._workshop.loader,
            signals=self.signals,
            give_up=lambda: self.config.gateway.watchdog,
            end=end,
        )

    async def preload(self) -> None:
        """Import, off the loop, what the first page view or the first command would otherwise wait for."""
        thread = Threads("bff-preload", 1)  # of its own: no first call shall stand in line behind it
        if self.services.clients:
            await thread.run(self.services.preload)
        thread.close()

    async def come_to_rest(self) -> None:
        """Return when this is as a gateway that has been there for a while: what it imports early is imported, and
        where functions have processes one more can be forked at once.
        """
        await self.preload()
        await self._roster.rehearse(self.config)

    async def reload(self) -> bool:
        """Read routes.yaml again and make it live whole, or keep the last good one; True when it is live."""
        try:
            # Parsing is work for a thread; a large file must not stop the loop.
            config = await self._crew.reader.run(
                lambda: load(self.config.path, environ=self._options.environ)
            )
            functions, is_dev = self.invoker.functions, self._options.dev
            await check_against_live(functions, config, self.config, is_dev=is_dev)
        except ConfigInvalid as invalid:
            self.signals.emit(ConfigRejected(mistakes=tuple(str(mistake) for mistake in invalid.mistakes)))
            return False
        self.telemetry.configure(config, self.config)
        self.config = config
        replaced = self.backends.configure(config)
        self._roster.configure(config)
        self._roster.ready_to_fork(config)
        self._housekeeping.configure(config)
        self.offline.meet(config)
        self.front.configure(config, doors=self.offline.doors(), origin=self.telemetry.tracing.origin)
        self.backends.registrations.configure(config)
        self.signals.emit(
            ConfigApplied(routes=len(config.routes), services=frozenset(config.services), replaced=replaced)
        )
        return True

    async def close(self) -> None:
        """End every instance and every connection."""
        await self.backends.registrations.aclose()
        await self.offline.stop(self.config.gateway.drain_timeout)
        for task in list(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self.gateway.aclose()
        await self.invoker.close()
        await self._forkserver.close()
        await self.front.aclose()
        await self.backends.aclose()
        with suppress(StoreUnavailable):
            await self.offline.give_name_back()
            await self.store.close()
        self._crew.close()
        self._describer.close()
        await self.telemetry.stop()


@asynccontextmanager
async def compose(config: Config, options: Options | None = None) -> AsyncIterator[House]:
    """A house for this configuration, taken down when the block is left."""
    options = options or Options()
    async with AsyncExitStack() as stack:
        lines = options.lines or open_lines(
            format=config.telemetry.log_format,
            level=config.telemetry.log_level,
            sample=config.telemetry.log_sample,
        )
        loader = stack.enter_context(Loader())
        house = House(config, options, lines, loader)
        if options.take_over_logging:
            stack.enter_context(StandardLogs(lines, house.telemetry.callers))
            if options.lines is None and not options.dev:  # a debugger's prompt is no line
                stack.enter_context(Printed(lines, house.telemetry.callers))
        stack.push_async_callback(house.close)
        await house.start()
        if options.take_over_logging:
            # Everything of ours lives as long as the process: the collector need not walk it again and again, not
            # even once, for the little in it that could go. It costs a thirtieth of a page otherwise.
            gc.freeze()
            gc.set_threshold(YOUNG)
            gc.enable()  # the command line begins without it
        yield house
