"""Puts a service's layers together, once, with its first call: the calm one over a wire for each endpoint.

Here and not in the client, because wires import httpx.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import httpx

from bff.clock import Clock
from bff.config import ServiceConfig
from bff.config.endpoints import split_address
from bff.services.budget import RetryBudget
from bff.services.bulkhead import Bulkhead
from bff.services.calm import CalmWire
from bff.services.calmway import CalmWay
from bff.services.endpoints import EndpointSet
from bff.services.faults import FaultyWire, of_config
from bff.services.faultyway import FaultyWay
from bff.services.following import Surroundings, port_of
from bff.services.passing import Way
from bff.services.policies import policies
from bff.services.resolver import Address
from bff.services.selection import EVERYTHING, Selection
from bff.services.transport import wire_of
from bff.services.wire import EndpointWire

MakeWire = Callable[[Address | None], EndpointWire]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The outermost ``wire`` for calls, the ``way`` for what passes through, and the ``endpoints`` below both, which
    discovery may change; the ``budget`` and the ``places`` that all of them share.
    """

    wire: CalmWire
    way: Way
    endpoints: EndpointSet
    budget: RetryBudget
    places: Bulkhead


def ways_of(
    service: str,
    config: ServiceConfig,
    transport: httpx.AsyncBaseTransport,
    around: Surroundings,
    *,
    clock: Clock,
    max_answer: int,
    found: Sequence[Address] = (),
    selection: Selection = EVERYTHING,
) -> Ways:
    """How one service is reached.

    ``found`` are the endpoints that discovery knows already; without any, they are those of routes.yaml, or the
    one that the URL names; of these the ones that are selected.
    """
    listed = listed_in(config)
    url = httpx.URL(config.url)
    make_wire = _wires(service, config, transport, around, clock=clock, max_answer=max_answer)
    if not found and not listed and config.discovery is None:
        # The URL itself leads to where it says, by whatever pool the transport has for it.
        make_wire = partial(_plain, make_wire)
    asked = policies(config) if around.is_real else policies(config).for_stubs()
    endpoints = EndpointSet(
        service, asked, make_wire, clock=clock, random=around.random, tell=partial(around.moved, service)
    )
    endpoints.update(selection.of(found or listed or (Address(host=url.host, port=port_of(config.url)),)))
    header = around.timeout_header
    calm = CalmWire(service, asked, endpoints, clock=clock, random=around.random, timeout_header=header)
    way = CalmWay(
        service,
        endpoints,
        places=calm.bulkhead,
        tunnels=Bulkhead(asked.bulkhead.max_websockets),
        budget=calm.budget,
        attempts=asked.retry.attempts,
        clock=clock,
        timeout_header=header,
    )
    return Ways(wire=calm, way=way, endpoints=endpoints, budget=calm.budget, places=calm.bulkhead)


def _wires(
    service: str,
    config: ServiceConfig,
    transport: httpx.AsyncBaseTransport,
    around: Surroundings,
    *,
    clock: Clock,
    max_answer: int,
) -> MakeWire:
    """What makes the wire to an address, or (None) to the URL; spoilt now and then where faults are asked for."""

    def make(address: Address | None) -> EndpointWire:
        wire = wire_of(service, config, transport, max_answer=max_answer, address=address)
        if not config.faults and not around.heeds_fault_header:
            return wire
        faults, random = of_config(config.faults), around.random
        way = FaultyWay(wire.way, faults, service, clock=clock, random=random)
        return FaultyWire(wire, way, faults, service, clock=clock, random=random)

    return make


def _plain(make_wire: MakeWire, _: Address | None) -> EndpointWire:
    return make_wire(None)


def listed_in(config: ServiceConfig) -> tuple[Address, ...]:
    """The endpoints that routes.yaml lists."""
    port = port_of(config.url)
    found = []
    for endpoint in config.endpoints:
        host, own_port = split_address(endpoint.address)
        found.append(
            Address(
                host=host,
                port=own_port or port,
                weight=float(endpoint.weight),
                labels=dict(endpoint.labels),
            )
        )
    return tuple(found)
