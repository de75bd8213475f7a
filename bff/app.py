"""The composition root: the one place that knows every room.

:func:`compose` builds a house for a configuration and takes it down again in reverse; :class:`House` is
what the listeners, the commands and the testing kit hold. Nothing here listens on a port.
"""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bff.admin import desk
from bff.admin.describing import Describer
from bff.admin.face import Face
from bff.admin.keys import configured_keys
from bff.admin.localtoken import NAME
from bff.admin.office import Office
from bff.admin.verbs import Verbs
from bff.clock import SystemClock
from bff.config import Config, ConfigInvalid, Place, load
from bff.gateway import problems
from bff.gateway.devpage import DevPage
from bff.gateway.room import Front
from bff.offline import Offline
from bff.options import Options as Options
from bff.revisions.loader import Loader, place_in
from bff.revisions.store.bell import bell_of
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.opening import database_of
from bff.revisions.store.retention import retention_of
from bff.revisions.store.store import Store
from bff.runtime.census import census, names_of
from bff.runtime.closeup import Closeup, closeups
from bff.runtime.crew import Crew
from bff.runtime.fitting import check_against_live
from bff.runtime.housekeeping import Housekeeping
from bff.runtime.invoker import Invoker
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.loopguard import LoopGuard
from bff.runtime.mover import Mover
from bff.runtime.publisher import Publisher
from bff.runtime.roster import Roster
from bff.runtime.shelf import Shelf
from bff.runtime.site import Site
from bff.runtime.stuck import Stuck
from bff.runtime.texts import source_of
from bff.runtime.threads import Threads
from bff.runtime.warmup import Workshop
from bff.services.room import Backends
from bff.signals import ConfigApplied, ConfigRejected, LoopLost, Signals
from bff.telemetry.functionlogs import FunctionLogs
from bff.telemetry.lines import Lines, open_lines
from bff.telemetry.printed import Printed
from bff.telemetry.readings import EndpointNow, GatewayNow, Sources
from bff.telemetry.room import Telemetry, said_of
from bff.telemetry.standardlogs import StandardLogs

if TYPE_CHECKING:
    from bff.events.room import Events
    from bff.export.documents import Documents

YOUNG = 50_000
"""Objects that are made before the collector looks at them, instead of Python's 700."""


class House:
    """A running gateway without its listeners. Mutable state: ``config``, and what the rooms keep; ``public_url``, where
    its public listener is, once there is one.
    """

    def __init__(self, config: Config, options: Options, lines: Lines, loader: Loader) -> None:
        self.config = config
        self.signals = Signals()
        self.public_url = ""
        self._options = options
        self._clock = options.clock or SystemClock()
        self._name = f"{platform.node()}/{os.getpid()}/{options.name or secrets.token_hex(4)}"
        self._closing: set[asyncio.Task[None]] = set()
        self._crew = Crew(clock=self._clock, stuck=Stuck(self.signals.emit))
        self._forkserver = Forkserver(most=config.gateway.max_processes or 0)
        self.telemetry = self._hear(lines, loader)
        self.backends = self._call_services()
        self.services = self.backends.pool
        self.store = self._keep_revisions()
        self.publisher = self._publish()
        self.mover = Mover(self.publisher, clock=self._clock)
        self._workshop = self._warm(lines, loader)
        self.invoker = Invoker(clock=self._clock)
        self._roster = Roster(
            self.invoker,
            dev=options.dev,
            publisher=self.publisher,
            workshop=self._workshop,
            signals=self.signals,
            forkserver=self._forkserver,
            later=self._later,
        )
        self.offline = Offline(self._site(), later=self._later)
        self.offline.meet(config)
        self.front = self._meet_callers()
        self.gateway, self.limits, self.crowd = self.front.gateway, self.front.limits, self.front.crowd
        self._describer = Describer(
            workshop=self._workshop, settings=self._roster.settings, root=self._folder
        )
        self.office = self._office()
        self.backends.configure(config)
        self._roster.configure(config)
        self._housekeeping = self._keep_house()
        self.releases = self._housekeeping.releases

    @property
    def _folder(self) -> Path:
        return self.config.folder.resolve()

    @property
    def _state(self) -> Place:
        """Where what outlives the process is kept; nowhere in dev."""
        return self.config.state_place if self._options.keeps_state else Place()

    def _hear(self, lines: Lines, loader: Loader) -> Telemetry:
        folder = self._folder
        return Telemetry(
            self.config,
            lines=lines,
            clock=self._clock,
            signals=self.signals,
            # The lines of a function in a process of its own are told by their files: its modules are not here.
            place_of=lambda module, file: loader.place_of(module, file) or place_in(file, folder),
            sources=self._sources(),
        )

    def _call_services(self) -> Backends:
        return Backends(
            self.config,
            clock=self._clock,
            make_transport=self._options.make_transport,
            emit=self.signals.emit,
            heeds_fault_header=self._options.dev,
            later=self._later,
        )

    def _keep_revisions(self) -> Store:
        return Store(
            database_of(self._state, self._clock),
            thread=self._crew.store,
            clock=self._clock,
            is_ephemeral=self._options.dev,
        )

    def _publish(self) -> Publisher:
        return Publisher(
            self.store,
            shelf=Shelf(self.store, root=self._folder, thread=self._crew.reader),
            clock=self._clock,
            signals=self.signals,
            dev=self._options.dev,
            retention=lambda: retention_of(self.config),
            release=lambda function: self.config.function(function).release,
        )

    def _warm(self, lines: Lines, loader: Loader) -> Workshop:
        return Workshop(
            clock=self._clock,
            loader=loader,
            loader_thread=self._crew.loader,
            reader_thread=self._crew.reader,
            senders=lambda: self.services.clients,
            logger=FunctionLogs(lines, self.telemetry.callers),
            stuck=self._crew.stuck,
            new_code_thread=self._crew.new_code,
            publish=lambda invocation, event: self.offline.publish(invocation, event),
            progress=lambda *said: self.offline.progress(*said),
        )

    def _meet_callers(self) -> Front:
        return Front(
            self.config,
            invoker=self.invoker,
            services=lambda: self.services.clients,
            clock=self._clock,
            signals=self.signals,
            cache=self.backends.cache,
            dev=DevPage(source=self._source_of) if self._options.dev else None,
            doors=self.offline.doors(),
            origin=self.telemetry.tracing.origin,
            openapi=self._openapi,
        )

    def _keep_house(self) -> Housekeeping:
        return Housekeeping(
            functions=lambda: self.invoker.functions,
            publisher=self.publisher,
            mover=self.mover,
            holder=self._name,
            config=lambda: self.config,
            clock=self._clock,
            signals=self.signals,
            later=self._later,
        )

    def _site(self) -> Site:
        return Site(
            store=self.store,
            holder=self._name,
            invoker=self.invoker,
            clock=self._clock,
            signals=self.signals,
            is_shared=self._options.keeps_state,
            is_draining=lambda: self.gateway.is_draining,
            queues=self._options.queues,
            bell=bell_of(self._state, self._clock),
            origin=lambda: self.telemetry.tracing.origin,
        )

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

    @cached_property
    def _documents(self) -> Documents:
        """Who never asks for the OpenAPI document does not pay for importing what makes it."""
        from bff.export.documents import Documents

        return Documents(
            config=lambda: self.config,
            snapshot=self._roster.snapshot,
            clock=self._clock,
            kinds=problems.of_calls(),
        )

    async def _openapi(self) -> bytes:
        return await self._documents.openapi()

    def _sources(self) -> Sources:
        """Whom a scrape asks how things are now."""
        return Sources(
            revisions=lambda: census(self.invoker.functions.values()),
            known=lambda name: names_of(self.invoker.functions.get(name)),
            endpoints=lambda: (
                EndpointNow(
                    service=name,
                    endpoint=member.name,
                    state=str(member.breaker.state),
                    active=member.active,
                )
                for name, client in self.services.clients.items()
                for member in client.members
            ),
            gateway=lambda: GatewayNow(
                connections=self.crowd.total,
                cache_entries=len(self.backends.cache.store),
                cache_bytes=self.backends.cache.store.bytes,
                cache_max_bytes=self.backends.cache.store.max_bytes,
                deliveries=self.offline.delivering,
            ),
        )

    def _office(self) -> Office:
        options = self._options
        house = desk.House(
            functions=lambda: self.invoker.functions,
            store=self.store,
            desk=Verbs(self.mover, lambda: self.invoker.functions),
            unpack=self._describer.unpack,
            describe=self._describer,
            purge=self.backends.purge,
            is_ready=lambda: not self.gateway.is_draining,
            metrics=self.telemetry.metrics.scrape if self.telemetry.metrics is not None else None,
            logging=desk.Logging(wanted=self.telemetry.lines.wanted, usual=lambda: said_of(self.config)),
            clock=self._clock,
            events=self.offline.operating,
            stages=self.offline.stages,
            recorder=self.telemetry.recorder,
            closeups=self._closeups,
            verdict=lambda name: self._housekeeping.verdict(name),
            backends=self.backends,
            journal=self.telemetry.journal,
            public=desk.Public(
                app=self.gateway,
                url=lambda: self.public_url,
                document=self._openapi,
                is_dev=options.dev,
            ),
        )
        return Office(
            house,
            host=options.admin_host,
            keys=lambda: [*options.admin_keys, *configured_keys(self.config.admin)],
            signals=self.signals,
            hosts=lambda: self.config.admin.hosts,
            face=lambda: self._console(house),
        )

    def _closeups(self, name: str) -> list[Closeup]:
        function = self.invoker.functions.get(name)
        return list(closeups(function)) if function is not None else []

    def _console(self, house: desk.House) -> Face:
        from bff import __version__
        from bff.console.console import Console
        from bff.console.place import Place as Where

        project, token = self.config.path.resolve().parent, self.config.state_folder.resolve() / NAME
        where = Where(
            name=project.name,
            is_dev=self._options.dev,
            version=__version__,
            token_file=str(token.relative_to(project) if token.is_relative_to(project) else token),
        )
        return Console(house, where)

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

    @property
    def events(self) -> Events | None:
        """The events room; None while nothing of routes.yaml asks for it."""
        return self.offline.events

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _source_of(self, filename: str) -> str | None:
        return source_of(filename, self.invoker.functions.values())

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
