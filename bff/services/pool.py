"""All declared services. A changed routes.yaml replaces those that changed and keeps the others' connections."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import ref

from bff.clock import Clock
from bff.config import ServiceConfig
from bff.sdk.service import services_of
from bff.services import lean_httpx
from bff.services.client import ServiceClient
from bff.services.following import TIMEOUT_HEADER, Surroundings
from bff.services.selection import EVERYTHING, Selection
from bff.services.subsets import Subsets

if TYPE_CHECKING:
    import httpx

    from bff.services.cache import Cache
    from bff.services.transport import MakeTransport, Transports


AnyClient = ServiceClient | Subsets
"""A service in one place, or in several."""


class Clients(dict[str, AnyClient]):
    """The services of one routes.yaml by name. Whoever runs under it holds it until he ends; never changed.
    ``services`` is the class of ``ctx.services`` for them.
    """

    __slots__ = ("__weakref__", "services")

    def __init__(self, clients: Iterable[tuple[str, AnyClient]] = ()) -> None:
        super().__init__(clients)
        self.services = services_of(self)


class ServicePool:
    """Mutable state: ``clients``, replaced whole; ``_handed_out``, which of them somebody may still hold;
    ``_transports``, made with the first call.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        make_transport: MakeTransport | None = None,
        cache: Cache | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.clients = Clients()
        self._handed_out: list[ref[Clients]] = []
        around = surroundings or Surroundings()
        self._around = around if make_transport is None else replace(around, is_real=False)
        self._clock = clock
        self._cache = cache
        self._given = make_transport
        self._transports: Transports | None = None

    def configure(
        self, services: Mapping[str, ServiceConfig], *, timeout_header: str = TIMEOUT_HEADER
    ) -> list[AnyClient]:
        """Serve these from now on. Gives back the clients that are replaced, to close when calls are done."""
        before = self.clients
        old = before if timeout_header == self._around.timeout_header else {}
        self._around = replace(self._around, timeout_header=timeout_header)
        self.clients = Clients(
            (name, old[name] if name in old and old[name].config == config else self._client(name, config))
            for name, config in services.items()
        )
        self._handed_out.append(ref(self.clients))
        for client in self.clients.values():
            client.follow()
        return [client for name, client in before.items() if self.clients.get(name) is not client]

    def is_in_use(self, client: AnyClient) -> bool:
        """Whether something passes through it, or an invocation that began before it was replaced goes on: a stream
        may call it again after hours.
        """
        self._handed_out = [each for each in self._handed_out if each() is not None]
        held = [each() for each in self._handed_out]
        return bool(client.passing) or any(each and each.get(client.name) is client for each in held)

    def _client(self, name: str, config: ServiceConfig) -> AnyClient:
        return Subsets(name, config, self._one_place) if config.subsets else self._one_place(name, config)

    def _one_place(
        self, name: str, config: ServiceConfig, selection: Selection = EVERYTHING
    ) -> ServiceClient:
        return ServiceClient(
            name,
            config,
            clock=self._clock,
            make_transport=self._given or self._make,
            cache=self._cache,
            surroundings=self._around,
            selection=selection,
        )

    def _make(self, name: str, config: ServiceConfig) -> httpx.AsyncBaseTransport:
        if self._transports is None:
            from bff.services.transport import Transports

            self._transports = Transports(self._clock)
        return self._transports.make(name, config)

    @staticmethod
    def preload() -> None:
        """Import what the first call needs; run it in a thread, after the listeners are up."""
        lean_httpx.load()
        importlib.import_module("bff.services.ways")
        importlib.import_module("bff.services.sharing")

    async def aclose(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            await client.aclose()
