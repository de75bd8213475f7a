"""All registries the gateway is entered in, as routes.yaml says; kept over reloads that change nothing about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from bff.clock import Clock
from bff.config import Config
from bff.config.endpoints import split_address
from bff.config.registration import RegistrationConfig
from bff.services.bridge.consul import ConsulEntry
from bff.services.bridge.entry import ROUTES, Entry, Registry, routes_told
from bff.services.bridge.nacos import NacosEntry
from bff.services.bridge.registrar import Registrar

Wanted = tuple[Entry, RegistrationConfig]


class Registrations:
    """Mutable state: ``_running``, one registrar for each entry; ``_port`` of the listener, ``_closing`` ones."""

    def __init__(self, *, clock: Clock, emit: Callable[[Any], None], random: Random | None = None) -> None:
        self._clock = clock
        self._emit = emit
        self._random = random or Random()
        self._running: dict[str, tuple[Wanted, Registrar]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._port: int | None = None

    @property
    def are_there(self) -> bool:
        """Whether it is to be found anywhere."""
        return bool(self._running)

    def begin(self, config: Config, port: int) -> None:
        """The gateway listens at this port: from now on it may be found."""
        self._port = port
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Be entered as this configuration says, and no more as an earlier one did."""
        if self._port is None:
            return  # nobody could call it yet, or any more
        wanted = wanted_by(config, self._port)
        before, self._running = self._running, {}
        for name, one in wanted.items():
            known = before.get(name)
            kept = before.pop(name) if known is not None and known[0] == one else None
            self._running[name] = kept or (one, self._started(*one))
        present = {entry.identity for entry, _ in wanted.values()}
        for (entry, _), registrar in before.values():
            # One that only says something else of itself has been made anew already, under the same identity.
            self._later(registrar.aclose(leaves=entry.identity not in present))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _started(self, entry: Entry, config: RegistrationConfig) -> Registrar:
        options = {name: value.get_secret_value() for name, value in config.options.items()}
        server = config.server or ""
        registry: Registry = (
            ConsulEntry(entry, server, options)
            if config.type == "consul"
            else NacosEntry(entry, server, options, clock=self._clock)
        )
        registrar = Registrar(entry, registry, clock=self._clock, random=self._random, emit=self._emit)
        registrar.start()
        return registrar

    async def aclose(self) -> None:
        """Take every entry out, all at the same time, and wait no longer for a registry than it may take."""
        running, self._running, self._port = self._running, {}, None
        for _, registrar in running.values():
            self._later(registrar.aclose())
        if self._closing:
            await asyncio.wait(set(self._closing))


def wanted_by(config: Config, port: int) -> dict[str, Wanted]:
    """What routes.yaml wants to be entered, by its name there."""
    routes = routes_told((route.path, route.methods) for route in config.routes)
    return {name: (_entry(one, routes, port), one) for name, one in config.registrations.items()}


def _entry(config: RegistrationConfig, routes: str, port: int) -> Entry:
    host, own_port = split_address(config.address)
    return Entry(
        name=config.name,
        host=host,
        port=own_port or port,
        ttl=config.ttl,
        weight=float(config.weight),
        labels={ROUTES: routes, **config.labels},
    )
