"""All declared services. A changed routes.yaml replaces those that changed and keeps the others' connections."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bff.clock import Clock
from bff.config import ServiceConfig
from bff.services import lean_httpx
from bff.services.client import ServiceClient

if TYPE_CHECKING:
    import httpx

    from bff.services.transport import MakeTransport, Transports


class ServicePool:
    """Mutable state: ``clients``, replaced whole; ``_transports``, made with the first call."""

    def __init__(self, *, clock: Clock, make_transport: MakeTransport | None = None) -> None:
        self.clients: Mapping[str, ServiceClient] = {}
        self._clock = clock
        self._given = make_transport
        self._transports: Transports | None = None

    def configure(self, services: Mapping[str, ServiceConfig]) -> list[ServiceClient]:
        """Serve these from now on. Gives back the clients that are replaced, to close when calls are done."""
        old = self.clients
        self.clients = {
            name: old[name]
            if name in old and old[name].config == config
            else ServiceClient(name, config, clock=self._clock, make_transport=self._given or self._make)
            for name, config in services.items()
        }
        return [client for name, client in old.items() if self.clients.get(name) is not client]

    def _make(self, name: str, config: ServiceConfig) -> httpx.AsyncBaseTransport:
        if self._transports is None:
            from bff.services.transport import Transports

            self._transports = Transports(self._clock)
        return self._transports.make(name, config)

    @staticmethod
    def preload() -> None:
        """Import what the first call needs; run it in a thread, after the listeners are up."""
        lean_httpx.load()
        importlib.import_module("bff.services.transport")

    async def aclose(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            await client.aclose()
