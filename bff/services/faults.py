"""Faults made on purpose, below retries and breakers, so that these are seen at work.

Two ways ask for them: ``faults`` in routes.yaml, refused unless ``gateway.allow_faults``, and in ``bff dev`` the
header ``Bff-Fault: notices=abort, users=delay:2s`` of a front-end developer who wants to see the page without a part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import httpx

from bff.clock import Clock
from bff.config.faults import FaultConfig
from bff.config.units import parse_duration
from bff.sdk.call import SendOptions
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import ServiceConnectionLost
from bff.services.faultheader import KINDS
from bff.services.passing import Way
from bff.services.response import ServiceResponse
from bff.services.wire import EndpointWire


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault. ``delay`` is seconds; ``match`` are headers the call must carry; ``share`` from 0 to 1."""

    kind: str
    share: float = 1.0
    delay: float = 0.0
    status: int = 503
    match: Mapping[str, str] = field(default_factory=dict)

    @property
    def flag(self) -> str:
        """Envoy's response flag for it."""
        return "DI" if self.kind in ("delay", "slow-body") else "FI"


def of_config(configs: Sequence[FaultConfig]) -> tuple[Fault, ...]:
    """A service's ``faults``."""
    return tuple(
        Fault(
            kind=each.type,
            share=each.percent,
            delay=each.delay or 0.0,
            status=each.status or 503,
            match={name.lower(): value for name, value in each.match.items()},
        )
        for each in configs
    )


def parsed(text: str) -> Fault | None:
    """The fault of such a word; None where there is none, or its number makes no sense."""
    kind, _, number = text.partition(":")
    if kind not in KINDS:
        return None
    if kind in ("delay", "slow-body"):
        try:
            return Fault(kind=kind, delay=parse_duration(number or "1s"))
        except ValueError:
            return None
    if number and not (number.isdecimal() and 200 <= int(number) <= 599):
        return None
    return Fault(kind=kind, status=int(number or 503))


def chosen(faults: Sequence[Fault], headers: Mapping[str, str], random: Random) -> Fault | None:
    """The first fault that applies to a call with these headers; each has its own draw."""
    for fault in faults:
        if (
            all(headers.get(name) == value for name, value in fault.match.items())
            and random.random() < fault.share
        ):
            return fault
    return None


class FaultyWire:
    """A wire over another one, spoilt now and then. Immutable but for the random numbers."""

    def __init__(
        self,
        inner: EndpointWire,
        way: Way,
        faults: Sequence[Fault],
        service: str,
        *,
        clock: Clock,
        random: Random,
    ) -> None:
        self._inner = inner
        self._faults = faults
        self._service = service
        self._clock = clock
        self._random = random
        self._way = way

    @property
    def way(self) -> Way:
        """What passes through is spoilt too: see :mod:`bff.services.faultyway`."""
        return self._way

    async def exchange(
        self, method: str, path: str, headers: Mapping[str, str], options: SendOptions, record: CallRecord
    ) -> ServiceResponse:
        """See :class:`bff.services.wire.Wire`."""
        fault = parsed(record.fault) or chosen(self._faults, headers, self._random)
        if fault is None:
            return await self._inner.exchange(method, path, headers, options, record)
        record.flag(fault.flag)
        if fault.kind == "abort":
            return self._aborted(fault, httpx.Request(method, f"http://{self._service}{path}"))
        if fault.kind == "delay":
            await self._clock.sleep(fault.delay)
        response = await self._inner.exchange(method, path, headers, options, record)
        if fault.kind == "slow-body":
            await self._clock.sleep(fault.delay)
        if fault.kind in ("reset", "cut-body"):
            raise ServiceConnectionLost(self._service)
        return response

    def _aborted(self, fault: Fault, request: httpx.Request) -> ServiceResponse:
        head = (
            f"HTTP/1.1 {fault.status} Fault injected\r\n"
            "cache-control: no-store\r\ncontent-length: 0\r\n\r\n"  # nobody keeps what nobody said
        ).encode()
        return ServiceResponse.of(fault.status, head, b"", service=self._service, ask=lambda: request)

    async def aclose(self) -> None:
        """Close the inner one's connections."""
        await self._inner.aclose()
