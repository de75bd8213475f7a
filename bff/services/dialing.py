"""New connections: names resolved, addresses tried in the order and pace of RFC 8305, TLS verified."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest

import httpx

from bff.clock import Clock, Expiry
from bff.services.connection import Connection, Home
from bff.services.racing import first_of

HEAD_START = 0.25
"""Seconds one address has for itself before the next is tried as well (RFC 8305 §5, "recommended")."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a service: a host, a port, and whether TLS is spoken there.

    ``server_name`` is who TLS has to prove to be there, where that is not the host.
    """

    host: str
    port: int
    is_tls: bool = False
    server_name: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}"


PORTS = {"http": 80, "https": 443}
"""The schemes that are spoken here, and their ports."""


def endpoint_of(url: httpx.URL) -> Endpoint:
    """The endpoint that a URL names.

    Raises:
        httpx.UnsupportedProtocol: it is neither http nor https.

    """
    if url.scheme not in PORTS:
        raise httpx.UnsupportedProtocol(f"{url.scheme} is not spoken here")
    return Endpoint(url.host, url.port or PORTS[url.scheme], url.scheme == "https")


def origin_of(url: httpx.URL) -> str:
    """``http://host:port``, the port always named."""
    return str(endpoint_of(url))


class Dialer:
    """Opens connections to one endpoint. Immutable.

    ``context`` gives the TLS context when it is first needed: making one takes 19 ms.
    """

    def __init__(
        self, endpoint: Endpoint, *, clock: Clock, timeout: float, context: Callable[[], ssl.SSLContext]
    ) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._timeout = timeout
        self._context = context

    async def dial(self, home: Home) -> Connection:
        """A connection, its TLS handshake done.

        Raises:
            httpx.ConnectError: no address of the host could be reached; its cause says why.
            httpx.ConnectTimeout: none answered in time.

        """
        try:
            with Expiry(self._clock, self._clock.now() + self._timeout):
                return await self._race(await self._addresses(), home)
        except TimeoutError:
            raise httpx.ConnectTimeout(f"no connection within {self._timeout:g} s") from None
        except (OSError, ExceptionGroup) as error:
            raise httpx.ConnectError("the connection could not be made") from error

    async def _addresses(self) -> Sequence[str]:
        host, loop = self.endpoint.host, asyncio.get_running_loop()
        if is_address(host):
            return [host]
        found = await loop.getaddrinfo(host, self.endpoint.port, type=socket.SOCK_STREAM)
        return interleaved([(family, str(address[0])) for family, _, _, _, address in found])

    async def _race(self, addresses: Sequence[str], home: Home) -> Connection:
        if len(addresses) == 1:
            return await self._connect(addresses[0], home)
        attempts = [partial(self._connect, address, home) for address in addresses]
        return await first_of(attempts, clock=self._clock, head_start=HEAD_START, undo=Connection.abort)

    async def _connect(self, address: str, home: Home) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(home, loop),
            address,
            self.endpoint.port,
            ssl=self._context() if self.endpoint.is_tls else None,
            server_hostname=(self.endpoint.server_name or self.endpoint.host)
            if self.endpoint.is_tls
            else None,
        )
        return connection


def is_address(host: str) -> bool:
    """Whether this is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def interleaved(addresses: Sequence[tuple[int, str]]) -> list[str]:
    """Addresses in the resolver's order, families taking turns from the first one's on (RFC 8305 §4)."""
    first = addresses[0][0] if addresses else 0
    own = dict.fromkeys(address for family, address in addresses if family == first)
    other = dict.fromkeys(address for family, address in addresses if family != first)
    return [address for address in chain.from_iterable(zip_longest(own, other)) if address is not None]
