"""Faults made on purpose in what passes through, below its breaker; see :mod:`bff.services.faults`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from random import Random

from bff.clock import Clock
from bff.sdk.failures import ServiceConnectionLost
from bff.services.duplex import Duplex
from bff.services.faults import Fault, chosen, parsed
from bff.services.passing import Exchange, Fields, Onward, Way


class FaultyWay:
    """A way over another one, spoilt now and then. Immutable but for the random numbers."""

    def __init__(
        self, inner: Way, faults: Sequence[Fault], service: str, *, clock: Clock, random: Random
    ) -> None:
        self._inner = inner
        self._faults = faults
        self._service = service
        self._clock = clock
        self._random = random

    async def open(self, onward: Onward) -> Exchange:
        """See :class:`bff.services.passing.Way`."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in onward.fields}
        fault = parsed(onward.fault) or chosen(self._faults, headers, self._random)
        if fault is None:
            return await self._inner.open(onward)
        onward.flag(fault.flag)
        if fault.kind == "abort":
            return AbortedExchange(fault.status)
        if fault.kind == "delay":
            await self._clock.sleep(fault.delay)
        exchange = await self._inner.open(onward)
        if fault.kind == "reset":
            await exchange.aclose()
            raise ServiceConnectionLost(self._service)
        if fault.kind == "delay" or exchange.duplex is not None:
            return exchange
        return SpoiltExchange(exchange, fault, self._service, self._clock)


class AbortedExchange:
    """An answer that nobody gave, and that nobody keeps. See :class:`bff.services.passing.Exchange`."""

    duplex: Duplex | None = None
    endpoint = ""

    def __init__(self, status: int) -> None:
        self.status = status
        self.fields: Fields = [(b"cache-control", b"no-store"), (b"content-length", b"0")]

    def whole(self) -> bytes | None:
        return b""

    async def parts(self) -> AsyncIterator[bytes]:
        for piece in list[bytes]():
            yield piece

    async def aclose(self) -> None: ...


class SpoiltExchange:
    """An answer whose body is cut or slow. See :class:`bff.services.passing.Exchange`."""

    def __init__(self, exchange: Exchange, fault: Fault, service: str, clock: Clock) -> None:
        self.status: int = exchange.status
        self.fields: Fields = exchange.fields
        self.duplex: Duplex | None = None
        self.endpoint: str = exchange.endpoint
        self.aclose = exchange.aclose
        self._exchange = exchange
        self._fault = fault
        self._service = service
        self._clock = clock

    def whole(self) -> bytes | None:
        return None

    async def parts(self) -> AsyncIterator[bytes]:
        if self._fault.kind == "slow-body":
            await self._clock.sleep(self._fault.delay)
        async for piece in self._exchange.parts():
            if self._fault.kind == "cut-body":
                yield piece[: len(piece) // 2]
                break
            yield piece
        if self._fault.kind == "cut-body":
            raise ServiceConnectionLost(self._service)
