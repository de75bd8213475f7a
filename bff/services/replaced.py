"""Clients of services as routes.yaml had them: each stays as long as somebody may still call it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from bff.clock import Clock
from bff.services.pool import AnyClient, ServicePool

IN_USE_POLL = 1.0
"""Seconds between looks at who still uses one; each of them ends by itself."""


class Replaced:
    """Mutable state: ``_clients``, those that are not closed yet."""

    def __init__(
        self, pool: ServicePool, *, clock: Clock, later: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        """``later`` runs what goes on by itself, until the house is closed."""
        self._pool = pool
        self._clock = clock
        self._later = later
        self._clients: set[AnyClient] = set()

    def take(self, clients: Iterable[AnyClient]) -> None:
        """They are replaced: close each once the last call of whoever knows it has ended."""
        for client in clients:
            self._clients.add(client)
            self._later(self._close_after_use(client))

    async def _close_after_use(self, client: AnyClient) -> None:
        while self._pool.is_in_use(client):
            await self._clock.sleep(IN_USE_POLL)
        await self._clock.sleep(client.config.timeout)
        await client.aclose()
        self._clients.discard(client)

    async def aclose(self) -> None:
        """Close those whose time is not over."""
        for client in self._clients:
            await client.aclose()
        self._clients.clear()
