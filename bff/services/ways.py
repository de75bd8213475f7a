"""Puts a service's layers together, once, with its first call: the calm one over a wire for each endpoint.

Here and not in the client, because wires import httpx.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import httpx

from bff.clock import Clock
from bff.config import ServiceConfig
from bff.config.endpoints import split_address
from bff.services.calm import CalmWire
from bff.services.endpoints import EndpointSet
from bff.services.faults import FaultyWire, of_config
from bff.services.following import Surroundings, port_of
from bff.services.policies import policies
from bff.services.resolver import Address
from bff.services.transport import wire_of
from bff.services.wire import Wire


def way_of(
    service: str,
    config: ServiceConfig,
    transport: httpx.AsyncBaseTransport,
    around: Surroundings,
    *,
    clock: Clock,
    max_answer: int,
    found: Sequence[Address] = (),
) -> tuple[Wire, EndpointSet]:
    """The outermost wire, and the endpoints below it, which discovery may change.

    ``found`` are the endpoints that discovery knows already; without any, they are those of routes.yaml, or the
    one that the URL names.
    """
    wire: Callable[..., Wire] = partial(wire_of, service, config, transport, max_answer=max_answer)
    if config.faults or around.heeds_fault_header:
        wire = partial(_faulty, service, config, around, clock, wire)
    listed = listed_in(config)
    url = httpx.URL(config.url)
    addresses = found or listed or (Address(host=url.host, port=port_of(config.url)),)
    is_plain = not found and not listed and config.discovery is None
    endpoints = EndpointSet(
        service,
        policies(config),
        # The URL itself leads to where it says, by whatever pool the transport has for it.
        (lambda _: wire()) if is_plain else (lambda address: wire(address=address)),
        clock=clock,
        random=around.random,
        tell=partial(around.moved, service),
    )
    endpoints.update(addresses)
    calm = CalmWire(
        service,
        policies(config),
        endpoints,
        clock=clock,
        random=around.random,
        timeout_header=around.timeout_header,
    )
    return calm, endpoints


def _faulty(
    service: str,
    config: ServiceConfig,
    around: Surroundings,
    clock: Clock,
    wire: Callable[..., Wire],
    **where: Address,
) -> Wire:
    """The wire, spoilt now and then."""
    return FaultyWire(wire(**where), of_config(config.faults), service, clock=clock, random=around.random)


def listed_in(config: ServiceConfig) -> tuple[Address, ...]:
    """The endpoints that routes.yaml lists."""
    port = port_of(config.url)
    found = []
    for endpoint in config.endpoints:
        host, own_port = split_address(endpoint.address)
        found.append(Address(host=host, port=own_port or port, weight=float(endpoint.weight)))
    return tuple(found)
