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
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bff.admin import desk
from bff.admin.describing import Describer
from bff.admin.keys import Key, configured_keys
from bff.admin.office import Office
from bff.admin.verbs import Verbs
from bff.clock import Clock, SystemClock
from bff.config import Config, ConfigInvalid, Place, load
from bff.gateway import docs, own, problems
from bff.gateway.auth.schemes import Schemes
from bff.gateway.crowd import Crowd
from bff.gateway.devpage import DevPage
from bff.gateway.door.limiting import Limiting
from bff.gateway.endpoint import Gateway
from bff.gateway.limits import HeadLimits
from bff.gateway.target import OwnHandler, Table, compile_table
from bff.offline import Offline
from bff.revisions.loader import Loader, place_in
from bff.revisions.store.bell import bell_of
from bff.revisions.store.failures import StoreUnavailable
from bff.revisions.store.opening import database_of
from bff.revisions.store.retention import retention_of
from bff.revisions.store.store import Store
from bff.runtime.census import census, names_of
from bff.runtime.crew import Crew
from bff.runtime.fitting import check_against_live
from bff.runtime.follower import Follower
from bff.runtime.function import Function
from bff.runtime.invoker import Invoker
from bff.runtime.isolation.forkserver import ForkFailed, Forkserver, default_most
from bff.runtime.keeper import Keeper
from bff.runtime.ledger import StoreLedger
from bff.runtime.loopguard import LoopGuard
from bff.runtime.mover import Mover
from bff.runtime.publisher import Publisher
from bff.runtime.releases import Releases
from bff.runtime.roster import Roster
from bff.runtime.settings import Settings
from bff.runtime.shelf import Shelf
from bff.runtime.site import Site
from bff.runtime.stuck import Stuck
from bff.runtime.texts import source_of
from bff.runtime.threads import Threads
from bff.runtime.warmup import Workshop
from bff.services import fetching
from bff.services.bridge.registrations import Registrations
from bff.services.cache import Cache
from bff.services.cachestore import CacheStore
from bff.services.following import Surroundings
from bff.services.pool import AnyClient, ServicePool
from bff.services.replaced import Replaced
from bff.signals import ConfigApplied, ConfigRejected, LoopBlocked, LoopLost, LoopReturned, Signals
from bff.telemetry.functionlogs import FunctionLogs
from bff.telemetry.lines import Lines, open_lines
from bff.telemetry.printed import Printed
from bff.telemetry.readings import EndpointNow, GatewayNow, Sources
from bff.telemetry.room import Telemetry, said_of
from bff.telemetry.standardlogs import StandardLogs

if TYPE_CHECKING:
    from bff.events.room import Events
    from bff.export.documents import Documents
    from bff.services.transport import MakeTransport

YOUNG = 50_000
"""Objects that are made before the collector looks at them, instead of Python's 700."""


@dataclass(slots=True, kw_only=True)
class Options:
    """What the one who composes decides, rather than routes.yaml."""

    dev: bool = False
    clock: Clock | None = None
    make_transport: MakeTransport | None = None
    lines: Lines | None = None
    admin_host: str = "127.0.0.1"
    environ: Mapping[str, str] | None = None
    admin_keys: tuple[Key, ...] = ()
    take_over_logging: bool = False
    keeps_state: bool = False
    name: str = ""
    queues: tuple[str, ...] | None = None


class House:
    """A running gateway without its listeners. Mutable state: ``config``, and what the rooms keep."""

    def __init__(self, config: Config, options: Options, lines: Lines, loader: Loader) -> None:
        self.config = config
        self.signals = Signals()
        self.limits = HeadLimits.of(config.gateway)
        self.crowd = Crowd(config.gateway.max_connections, config.gateway.max_connections_per_address)
        self.crowd.is_exempt = lambda address: self.gateway.table.proxies.trusts(address)
        self._options = options
        self._clock = options.clock or SystemClock()
        folder = config.folder.resolve()
        self.telemetry = Telemetry(
            config,
            lines=lines,
            clock=self._clock,
            signals=self.signals,
            # The lines of a function in a process of its own are told by their files: its modules are not here.
            place_of=lambda module, file: loader.place_of(module, file) or place_in(file, folder),
            sources=self._sources(),
        )
        self.signals.listen(LoopBlocked, self._loop_blocked)
        self.signals.listen(LoopReturned, self._loop_blocked)
        self.cache = Cache(clock=self._clock, store=CacheStore(config.gateway.cache_size))
        self.services = ServicePool(
            clock=self._clock,
            make_transport=options.make_transport,
            cache=self.cache,
            surroundings=Surroundings(
                emit=self.signals.emit,
                folder=config.path.parent / ".bff" / "endpoints",
                heeds_fault_header=options.dev,
            ),
        )
        self.registrations = Registrations(clock=self._clock, emit=self.signals.emit)
        self._crew = Crew(clock=self._clock, stuck=Stuck(self.signals.emit))
        self._forkserver = Forkserver(most=config.gateway.max_processes or 0)
        self.store = Store(
            database_of(config.state_place if options.keeps_state else Place(), self._clock),
            thread=self._crew.store,
            clock=self._clock,
            is_ephemeral=options.dev,
        )
        self.publisher = Publisher(
            self.store,
            shelf=Shelf(self.store, root=folder, thread=self._crew.reader),
            clock=self._clock,
            signals=self.signals,
            dev=options.dev,
            retention=lambda: retention_of(self.config),
            release=lambda function: self.config.function(function).release,
        )
        self.mover = Mover(self.publisher, clock=self._clock)
        self._workshop = Workshop(
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
        self.invoker = Invoker(clock=self._clock)
        self._roster = Roster(self.invoker, make=self._function, later=self._later)
        self._schemes = Schemes(clock=self._clock, fetch=fetching.fetch)
        self._schemes.configure(config.auth, config.path.parent)
        self._limiting = Limiting(clock=self._clock, emit=self.signals.emit)
        self._limiting.configure(config.limits)
        self._own = own.handlers(lambda: not self.gateway.is_draining)
        self._docs = docs.handlers(self._openapi, lambda: self.config.openapi.title)
        self._documents: Documents | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._replaced = Replaced(self.services, clock=self._clock, later=self._later)
        self._name = f"{platform.node()}/{os.getpid()}/{options.name or secrets.token_hex(4)}"
        self.offline = Offline(self._site(config, options), later=self._later)
        self.offline.meet(config)
        self.gateway = Gateway(
            self._table(config),
            invoker=self.invoker,
            services=lambda: self.services.clients,
            clock=self._clock,
            signals=self.signals,
            dev=DevPage(source=self._source_of) if options.dev else None,
            cache=self.cache,
        )
        self.gateway.origin = self.telemetry.tracing.origin
        self._describer = Describer(workshop=self._workshop, settings=self._roster.settings, root=folder)
        self.office = self._office(options)
        self._furnish(config)
        self.keeper = Keeper(
            functions=lambda: self.invoker.functions,
            clock=self._clock,
            signals=self.signals,
            max_warm=config.gateway.max_warm,
        )
        self.follower = Follower(
            self.publisher,
            functions=lambda: self.invoker.functions,
            clock=self._clock,
            signals=self.signals,
        )

        self.releases = Releases(
            StoreLedger(self.mover, gateway=self._name, functions=lambda: self.invoker.functions),
            holder=self._name,
            config=lambda function: self.config.function(function).release,
            clock=self._clock,
            signals=self.signals,
        )

    def _site(self, config: Config, options: Options) -> Site:
        return Site(
            store=self.store,
            holder=self._name,
            invoker=self.invoker,
            clock=self._clock,
            signals=self.signals,
            is_shared=options.keeps_state,
            is_draining=lambda: self.gateway.is_draining,
            queues=options.queues,
            bell=bell_of(config.state_place if options.keeps_state else Place(), self._clock),
            origin=lambda: self.telemetry.tracing.origin,
        )

    async def start(self) -> None:
        """Learn from the store who gets the calls, and begin what goes on by itself.

        Raises:
            StoreUnavailable: the store cannot be read.

        """
        self.telemetry.tracing.start(self.config.telemetry, self._name)
        if self._options.keeps_state:
            await self.follower.start()
            await self.offline.take_name(self._options.name)
        self._later(self.keeper.run())
        self._ready_to_fork(self.config)
        self.keeper.keep_minimum()
        if not self._options.keeps_state:
            self.offline.deliver()

    def keep_up(self) -> None:
        """Publish the folder and follow the store, once nobody waits for the start any more."""
        if self._options.keeps_state:
            self._later(self.follower.run())
            self._later(self.releases.run())
            self.offline.deliver()

    def _table(self, config: Config) -> Table:
        return compile_table(
            config,
            self._own_paths(config),
            self._schemes,
            self._limiting,
            doors=self.offline.doors(),
            is_dev=self._options.dev,
        )

    def _own_paths(self, config: Config) -> dict[str, OwnHandler]:
        is_open = self._options.dev or config.openapi.public
        return {**self._own, **(self._docs if is_open else {})}

    async def _openapi(self) -> bytes:
        """The OpenAPI document; who never asks for it does not pay for importing what makes it."""
        if self._documents is None:
            from bff.export.documents import Documents

            self._documents = Documents(
                config=lambda: self.config,
                snapshot=self._roster.snapshot,
                clock=self._clock,
                kinds=problems.of_calls(),
            )
        return await self._documents.openapi()

    def _ready_to_fork(self, config: Config) -> None:
        """Start the forkserver ahead of the first call, where there is a process function at all."""
        if self._forks(config):
            self._later(self._forkserver.start())

    @staticmethod
    def _forks(config: Config) -> bool:
        return any(function.isolation == "process" for function in config.functions.values())

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
                cache_entries=len(self.cache.store),
                cache_bytes=self.cache.store.bytes,
                cache_max_bytes=self.cache.store.max_bytes,
                deliveries=self.offline.delivering,
            ),
        )

    def _furnish(self, config: Config) -> list[AnyClient]:
        """Make services and functions what a configuration says; the clients nobody needs now come back."""
        replaced = self.services.configure(config.services, timeout_header=config.gateway.timeout_header)
        self._roster.configure(config)
        return replaced

    def _function(self, name: str, settings: Settings) -> Function:
        return Function(
            name,
            settings,
            root=self.config.folder.resolve(),
            dev=self._options.dev,
            publisher=self.publisher,
            workshop=self._workshop,
            signals=self.signals,
            forkserver=self._forkserver,
        )

    def _office(self, options: Options) -> Office:
        house = desk.House(
            functions=lambda: self.invoker.functions,
            store=self.store,
            desk=Verbs(self.mover, lambda: self.invoker.functions),
            unpack=self._describer.unpack,
            describe=self._describer,
            purge=self.purge,
            is_ready=lambda: not self.gateway.is_draining,
            metrics=self.telemetry.metrics.scrape if self.telemetry.metrics is not None else None,
            logging=desk.Logging(wanted=self.telemetry.lines.wanted, usual=lambda: said_of(self.config)),
            clock=self._clock,
            events=self.offline.operating,
            stages=self.offline.stages,
            recorder=self.telemetry.recorder,
        )
        return Office(
            house,
            host=options.admin_host,
            keys=lambda: [*options.admin_keys, *configured_keys(self.config.admin)],
            signals=self.signals,
            hosts=lambda: self.config.admin.hosts,
        )

    def guard(self, end: Callable[[LoopLost], object]) -> LoopGuard:
        """The watchdog over the running loop; ``end`` is what happens when the loop does not come back."""
        return LoopGuard(
            clock=self._clock,
            loader=self._workshop.loader,
            signals=self.signals,
            give_up=lambda: self.config.gateway.watchdog,
            end=end,
        )

    def _loop_blocked(self, said: LoopBlocked | LoopReturned) -> None:
        """Remember it with the function, for who asks how that is. From the watchdog's thread."""
        function = self.invoker.functions.get(said.culprit.function)
        if function is not None:
            function.blocked = function.blocked.after(said)

    def purge(self, *, url: str = "", tag: str = "") -> int:
        """Drop what is kept of a URL, or under a tag of routes.yaml, and tell how many answers that were.

        A URL is a service's as it is called, or a route's: with a host, or from its first ``/`` for every host.
        """
        return (self.cache.purge_url(url) if url else 0) + (self.cache.purge_tag(tag) if tag else 0)

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
        if self._forks(self.config):
            with suppress(ForkFailed):  # whoever wants a process is told why there is none
                await self._forkserver.rehearse()

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
        self.gateway.origin = self.telemetry.tracing.origin
        self.config = config
        replaced = self._furnish(config)
        self.keeper.max_warm = config.gateway.max_warm
        self._forkserver.most = config.gateway.max_processes or default_most()
        self.cache.store.resize(config.gateway.cache_size)
        self._schemes.configure(config.auth, config.path.parent)
        self._limiting.configure(config.limits)
        self._ready_to_fork(config)
        self.keeper.keep_minimum()
        self.limits.take_over(HeadLimits.of(config.gateway))
        self.crowd.most = config.gateway.max_connections
        self.crowd.most_each = config.gateway.max_connections_per_address
        self.offline.meet(config)
        self.gateway.table = self._table(config)
        self.registrations.configure(config)
        self._replaced.take(replaced)
        changed = frozenset(client.name for client in replaced)
        self.signals.emit(
            ConfigApplied(routes=len(config.routes), services=frozenset(config.services), replaced=changed)
        )
        return True

    @property
    def events(self) -> Events | None:
        """The events room; None while nothing of routes.yaml asks for it."""
        return self.offline.events

    def _later(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _source_of(self, filename: str) -> str | None:
        return source_of(filename, self.invoker.functions.values())

    async def close(self) -> None:
        """End every instance and every connection."""
        await self.registrations.aclose()
        await self.offline.stop(self.config.gateway.drain_timeout)
        for task in list(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self.gateway.aclose()
        await self.invoker.close()
        await self._forkserver.close()
        await self._replaced.aclose()
        await self._schemes.aclose()
        await self._limiting.aclose()
        await self.services.aclose()
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
