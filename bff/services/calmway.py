"""The layers between a request that passes through and its connection: a place, an endpoint, and its breaker.

They are those of the service's calls (see :mod:`bff.services.calm`), so that both know the same of its endpoints. A
place is held until the answer has been passed on. A WebSocket, which may last for hours, has a place of its own kind
instead, and takes none from calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from bff.clock import Clock
from bff.sdk.failures import ServiceError, ServiceOverloaded, ServiceUnreachable
from bff.services.budget import RetryBudget
from bff.services.bulkhead import Bulkhead
from bff.services.calm import TOO_SHORT
from bff.services.duplex import Duplex
from bff.services.endpoints import EndpointSet, Member
from bff.services.outcomes import failure_of
from bff.services.passing import Exchange, Fields, Onward
from bff.services.retry import Condition, Failed, failed_status

FOREVER = float("inf")


class CalmWay:
    """See :class:`bff.services.passing.Way`. Mutable state: the places taken, and the endpoints."""

    def __init__(
        self,
        service: str,
        endpoints: EndpointSet,
        *,
        places: Bulkhead,
        tunnels: Bulkhead,
        budget: RetryBudget,
        attempts: int,
        clock: Clock,
        timeout_header: str,
    ) -> None:
        self._service = service
        self._endpoints = endpoints
        self._places = places
        self._tunnels = tunnels
        self._budget = budget
        self._attempts = attempts
        self._clock = clock
        self._timeout_header = timeout_header.encode()

    async def open(self, onward: Onward) -> Exchange:
        """See :class:`bff.services.passing.Way`.

        Raises:
            NoHealthyEndpoint: none may be called now.
            ServiceOverloaded: too much passes through already, or too many WebSockets.

        """
        held = [self._entered(self._places)]
        try:
            if onward.upgrade:
                held.append(self._entered(self._tunnels))
            self._budget.deposit(self._clock.now())
            member, exchange = await self._opened(onward)
        except BaseException:
            _leave(held)
            raise
        if onward.upgrade:  # it is the one or the other from now on
            held.pop(1 if exchange.duplex is None else 0)()
        held.append(lambda: self._endpoints.left(member))
        return HeldExchange(exchange, held)

    def _entered(self, bulkhead: Bulkhead) -> Callable[[], None]:
        if not bulkhead.enter():
            raise ServiceOverloaded(self._service, bulkhead.most)
        return bulkhead.leave

    async def _opened(self, onward: Onward) -> tuple[Member, Exchange]:
        """By the next endpoint; by others too where one cannot be reached, which has heard nothing then."""
        tried: tuple[Member, ...] = ()
        while True:
            now = self._clock.now()
            member = self._endpoints.choose(now, tried)
            try:
                return member, await self._attempt(member, onward, now)
            except ServiceUnreachable:
                tried = (*tried, member)
                if len(tried) > self._attempts or len(tried) >= len(self._endpoints.members):
                    raise
                if onward.parts is not None or not self._budget.withdraw(now):
                    raise

    async def _attempt(self, member: Member, onward: Onward, began: float) -> Exchange:
        """To one endpoint, which counts as busy from now on, unless this fails."""
        breaker = member.breaker
        epoch = breaker.enter(began)
        member.active += 1
        try:
            exchange = await member.wire.way.open(self._timed(onward, began))
        except BaseException as error:
            self._note_failure(member, epoch, began, error, onward)
            self._endpoints.left(member)
            raise
        if exchange.status >= 429 or not breaker.is_spotless:
            self._note(member, epoch, began, failed_status(exchange.status))
        return exchange

    def _timed(self, onward: Onward, now: float) -> Onward:
        """The request with the milliseconds that are left for it; what its caller said of them is only for us."""
        header = self._timeout_header
        fields = [pair for pair in onward.fields if pair[0] != header]
        if onward.until < FOREVER:
            fields.append((header, b"%d" % max(1, int(1000 * (onward.until - now)))))
        return replace(onward, fields=fields)

    def _note_failure(
        self, member: Member, epoch: int, began: float, error: BaseException, onward: Onward
    ) -> None:
        took = self._clock.now() - began
        if isinstance(error, ServiceError):
            self._note(member, epoch, began, failure_of(error))
        elif isinstance(error, asyncio.CancelledError) and onward.is_late() and took >= TOO_SHORT:
            self._note(member, epoch, began, Failed(condition=Condition.TIMEOUT))
        else:
            member.breaker.leave(epoch)  # its caller left, or sent what cannot be sent

    def _note(self, member: Member, epoch: int, began: float, failed: Failed | None) -> None:
        now = self._clock.now()
        if failed is None:
            self._endpoints.answered(member, epoch, now - began, now)
        else:
            self._endpoints.failed(member, epoch, failed, now - began, now)


class HeldExchange:
    """An exchange, and the places it holds. Mutable state: ``_held``, what gives them back."""

    def __init__(self, exchange: Exchange, held: list[Callable[[], None]]) -> None:
        self.status: int = exchange.status
        self.fields: Fields = exchange.fields
        self.duplex: Duplex | None = exchange.duplex
        self.endpoint: str = exchange.endpoint
        self.whole = exchange.whole
        self._exchange = exchange
        self._held = held

    def parts(self) -> AsyncIterator[bytes]:
        """See :class:`bff.services.passing.Exchange`."""
        return self._exchange.parts()

    async def aclose(self) -> None:
        """Close it, and give its places back."""
        try:
            await self._exchange.aclose()
        finally:
            _leave(self._held)


def _leave(held: list[Callable[[], None]]) -> None:
    while held:
        held.pop()()
