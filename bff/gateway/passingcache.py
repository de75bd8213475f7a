"""What the gateway keeps of requests that pass through to services: the same store as everything else that is kept.

One for the gateway; :mod:`bff.gateway.keptpassage` is one request's way through it. What runs behind a stale answer
is here: a request of nobody's, whose answer only the store hears.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from bff.clock import Clock, Expiry
from bff.errors import BffError
from bff.services import validators
from bff.services.cache import Asked, Cache, Found
from bff.services.client import ServiceClient
from bff.services.fields import Pairs, first
from bff.services.gathering import Gathering, Room
from bff.services.passing import Exchange, Onward
from bff.services.refreshing import Refreshing
from bff.services.stored import Stored

_EVENTS = b"text/event-stream"
"""What happens now is nothing to be told again, though a lifetime stated in routes.yaml would allow it."""


class PassingCache:
    """Mutable state: the ``room`` that bodies take on their way into the store; what is ``_refreshing``."""

    def __init__(self, cache: Cache, *, clock: Clock) -> None:
        self.cache = cache
        self.clock = clock
        self.room = Room(cache.store)
        self._refreshing = Refreshing()

    def gathering(self, fields: Pairs) -> Gathering | None:
        """What gathers an answer's body; None for one that is too large, or tells what happens now."""
        if first(fields, b"content-type").lower().startswith(_EVENTS):
            return None
        length = first(fields, b"content-length")
        return self.room.begin(int(length) if length.isdigit() else None)

    def refresh(
        self, asked: Asked, stored: Stored, going: Onward, client: ServiceClient, within: float
    ) -> None:
        """Ask anew behind a stale answer that names nobody, for at most ``within`` seconds."""
        if asked.key in self._refreshing:
            return
        until = self.clock.now() + within
        found = Found(stored=stored, conditions=self.cache.conditions(stored), why="stale")
        anew = Asked(method="GET", key=asked.key, fields=going.fields, policy=asked.policy)
        self._refreshing.begin(asked.key, self._refreshed(anew, found, going, client, until))

    async def _refreshed(
        self, asked: Asked, found: Found, going: Onward, client: ServiceClient, until: float
    ) -> None:
        client.passing += 1
        try:
            # After a failure the stale one goes on as long as it may, and whoever comes next tries again.
            with suppress(BffError, TimeoutError), Expiry(self.clock, until) as expiry:
                going = replace(going, is_late=lambda: expiry.has_expired)
                if await self._fetched(asked, found, going, client):
                    await self._fetched(asked, Found(why="stale"), going, client)
        finally:
            client.passing -= 1

    async def _fetched(self, asked: Asked, found: Found, going: Onward, client: ServiceClient) -> bool:
        """Whether it has to be asked for again, without conditions."""
        began = self.clock.now()
        exchange = await client.open(under(going, found))
        try:
            received = self.cache.received(exchange.status, exchange.fields, began)
            verdict = self.cache.heard(asked, found, received)
            gathering = self.gathering(exchange.fields) if verdict.keeps else None
            if gathering is not None:
                body = await _gathered(exchange, gathering)
                if body is not None:
                    self.cache.keep(asked, received, body)
            return verdict.again
        finally:
            await exchange.aclose()

    async def aclose(self) -> None:
        """End what is refreshed."""
        await self._refreshing.aclose()


def under(going: Onward, found: Found) -> Onward:
    """The request with the conditions of what is kept, in the place of its own and of the part it wants."""
    if not found.conditions:
        return going
    return replace(going, fields=validators.under(found.conditions, going.fields))


async def _gathered(exchange: Exchange, gathering: Gathering) -> bytes | None:
    """All of an answer's body, or None where it is too large."""
    try:
        async for piece in exchange.parts():
            gathering.add(piece)
            if gathering.is_given_up:
                return None
        return gathering.whole()
    finally:
        gathering.give_up()
