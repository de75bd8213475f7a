"""Endpoints by DNS from a name server that shares nothing with what asks it: dnslib's, with a zone file, over UDP and TCP."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dnslib.server import DNSLogger, DNSServer  # type: ignore[import-untyped]
from dnslib.zoneresolver import ZoneResolver  # type: ignore[import-untyped]

from bff.services.discovery import names
from bff.services.resolver import NotResolved, Question

pytestmark = pytest.mark.anyio

Ask = Callable[..., Question]

ZONE = """
$TTL 40
$ORIGIN internal.
users        30  IN A     10.0.0.1
users        30  IN A     10.0.0.2
users        7   IN AAAA  fd00::1
alias            IN CNAME users
_http._tcp.shop 20 IN SRV 10 60 8001 a.internal.
_http._tcp.shop 20 IN SRV 10 20 8002 b.internal.
_http._tcp.shop 20 IN SRV 20 10 8003 spare.internal.
a            9   IN A     10.0.1.1
b            9   IN A     10.0.1.2
spare        9   IN A     10.0.1.3
"""
QUIET = DNSLogger("-request,-reply,-truncated,-error")
MANY = "\n".join(f"many 60 IN A 10.1.{at // 250}.{at % 250}" for at in range(400))


@pytest.fixture(scope="module")
def foreign() -> Iterator[str]:
    """Where it listens, for both protocols at the same port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    servers = [
        DNSServer(ZoneResolver(ZONE + MANY), address="127.0.0.1", port=port, tcp=tcp, logger=QUIET)
        for tcp in (False, True)
    ]
    for server in servers:
        server.start_thread()
    yield f"127.0.0.1:{port}"
    for server in servers:
        server.stop()
        server.server.server_close()


async def told(resolver: Any) -> tuple[list[tuple[str, float]], float]:
    found = await resolver.resolve()
    return sorted((str(each), each.weight) for each in found.addresses), found.ttl


async def test_addresses_of_both_families(foreign: str, question: Ask) -> None:
    endpoints, ttl = await told(names.addresses(question("users.internal:8080", foreign)))
    assert endpoints == [("10.0.0.1:8080", 1.0), ("10.0.0.2:8080", 1.0), ("[fd00::1]:8080", 1.0)]
    assert ttl == 7


async def test_services_with_their_ports_and_weights(foreign: str, question: Ask) -> None:
    """The preferred priority only, for as long as the shortest of what was asked for."""
    endpoints, ttl = await told(names.services(question("_http._tcp.shop.internal", foreign)))
    assert [where for where, _ in endpoints] == ["10.0.1.1:8001", "10.0.1.2:8002"]
    assert endpoints[0][1] == 3 * endpoints[1][1]
    assert ttl == 9


async def test_more_addresses_than_a_datagram_holds(foreign: str, question: Ask) -> None:
    """The answer over UDP is cut short and says so; over TCP it is whole."""
    endpoints, _ = await told(names.addresses(question("many.internal", foreign)))
    assert len(endpoints) == 400


async def test_a_name_that_is_not_there(foreign: str, question: Ask) -> None:
    with pytest.raises(NotResolved):
        await names.addresses(question("nobody.internal", foreign)).resolve()
