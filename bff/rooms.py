"""Which rooms a gateway has, and who of them knows of whom: the one place that knows every one."""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
from collections.abc import Coroutine
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
from bff.config import Config, Place
from bff.gateway import problems
from bff.gateway.devpage import DevPage
from bff.gateway.room import Front
from bff.offline import Offline
from bff.options import Options
from bff.revisions.loader import Loader, place_in
from bff.revisions.store.bell import bell_of
from bff.revisions.store.opening import database_of
from bff.revisions.store.retention import retention_of
from bff.revisions.store.store import Store
from bff.runtime.census import census, names_of
from bff.runtime.closeup import Closeup, closeups
from bff.runtime.crew import Crew
from bff.runtime.housekeeping import Housekeeping
from bff.runtime.invoker import Invoker
from bff.runtime.isolation.forkserver import Forkserver
from bff.runtime.mover import Mover
from bff.runtime.publisher import Publisher
from bff.runtime.roster import Roster
from bff.runtime.shelf import Shelf
from bff.runtime.site import Site
from bff.runtime.stuck import Stuck
from bff.runtime.texts import source_of
from bff.runtime.warmup import Workshop
from bff.services.room import Backends
from bff.signals import Signals
from bff.telemetry.functionlogs import FunctionLogs
from bff.telemetry.lines import Lines
from bff.telemetry.readings import EndpointNow, GatewayNow, Sources
from bff.telemetry.room import Telemetry, said_of

if TYPE_CHECKING:
    from bff.events.room import Events
    from bff.export.documents import Documents


class Rooms:
    """All of them, made and at rest. Mutable state: ``config``, and what the rooms keep; ``public_url``, where the public
    listener is, once there is one.
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
