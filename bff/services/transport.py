"""Our own transport as httpx knows transports, and the choice between it and stock httpx.

    async with httpx.AsyncClient(transport=bff.services.Transport()) as client: …

HTTP/1.1 over plain TCP or TLS; no proxies, no HTTP/2. Redirects, cookies and decoding are the client's.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from importlib.util import find_spec

import httpx

from bff.clock import Clock, SystemClock
from bff.config import ServiceConfig
from bff.services import http1
from bff.services.composing import of_request
from bff.services.connections import Connections, Limits
from bff.services.dialing import Dialer, Endpoint, endpoint_of
from bff.services.quota import Quota
from bff.services.resolver import Address
from bff.services.response import ServiceResponse
from bff.services.stock import StockWire
from bff.services.tls import SharedContext
from bff.services.wire import EndpointWire, OwnWire

__all__ = ["MakeTransport", "ServiceResponse", "Transport", "Transports", "wire_of"]


class Transport(httpx.AsyncBaseTransport):
    """Keep-alive pools, one for each endpoint. Mutable state: ``_pools``, made with the first request to each.

    ``verify`` is a TLS context of your own; without one certificates are checked as httpx checks them.
    ``connect_timeout`` is in seconds, and holds beside a request's own. What differs from stock httpx's is listed in
    docs/adr/0017.
    """

    def __init__(
        self,
        *,
        verify: ssl.SSLContext | SharedContext | None = None,
        limits: Limits | None = None,
        connect_timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        self._context = verify if isinstance(verify, SharedContext) else SharedContext(verify)
        self._limits = limits or Limits()
        self._connect_timeout = connect_timeout
        self._clock = clock or SystemClock()
        self._pools: dict[Endpoint, Connections] = {}
        self._quota = Quota(self._limits.max_connections)

    def connections(self, url: httpx.URL) -> Connections:
        """The pool of the endpoint that a URL names.

        Raises:
            httpx.UnsupportedProtocol: it is neither http nor https.

        """
        endpoint = endpoint_of(url)
        pool = self._pools.get(endpoint)
        if pool is None:
            pool = self._pools[endpoint] = self._pool(endpoint, None)
        return pool

    def apart(self, endpoint: Endpoint) -> Connections:
        """A pool of its own to one endpoint of a service, which whoever asks for it closes. All of them together have
        no more connections than one may.
        """
        return self._pool(endpoint, self._quota)

    def _pool(self, endpoint: Endpoint, quota: Quota | None) -> Connections:
        dialer = Dialer(endpoint, clock=self._clock, timeout=self._connect_timeout, context=self._context)
        return Connections(dialer, clock=self._clock, limits=self._limits, quota=quota)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See :class:`httpx.AsyncBaseTransport`; the body is streamed."""
        pool, outgoing = self.connections(request.url), of_request(request)
        times: dict[str, float | None] = request.extensions.get("timeout", {})
        outgoing.is_whole = False
        outgoing.wait = _least(times.get("connect"), times.get("pool"))
        outgoing.silence, outgoing.pace = times.get("read"), times.get("write")
        answer = await pool.request(outgoing)
        return httpx.Response(
            answer.status,
            headers=http1.fields_of(answer.head),
            stream=answer.stream,
            extensions={
                "http_version": http1.version_of(answer.head),
                "reason_phrase": http1.reason_of(answer.head),
            },
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()


def _least(*times: float | None) -> float | None:
    return min((each for each in times if each is not None), default=None)


class Transports:
    """Makes what routes.yaml asks for: our own transport, or stock httpx's (``transport: httpx``).

    Mutable state: the TLS contexts, one of each kind for all services.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._context = SharedContext()
        self._stock_context: ssl.SSLContext | None = None

    def make(self, _service: str, config: ServiceConfig) -> httpx.AsyncBaseTransport:
        """A pool of connections to one service."""
        if config.transport == "httpx":
            return self._stock(config)
        return Transport(
            verify=self._context,
            limits=Limits(
                max_connections=config.max_connections,
                max_waiting=config.max_pending,
                keep_alive=config.keep_alive,
            ),
            connect_timeout=config.timeout,
            clock=self._clock,
        )

    def _stock(self, config: ServiceConfig) -> httpx.AsyncHTTPTransport:
        verify: ssl.SSLContext | bool = False
        if config.url.startswith("https:"):
            self._stock_context = verify = self._stock_context or httpx.create_ssl_context()
        return httpx.AsyncHTTPTransport(
            verify=verify,
            # Agreed on with the service in the TLS handshake; spoken where the extra http2 is installed.
            http2=find_spec("h2") is not None,
            proxy=None if config.proxy is None else config.proxy.get_secret_value(),
            trust_env=False,
            limits=httpx.Limits(
                max_connections=config.max_connections,
                max_keepalive_connections=config.max_connections,
                keepalive_expiry=config.keep_alive,
            ),
        )


def wire_of(
    service: str,
    config: ServiceConfig,
    transport: httpx.AsyncBaseTransport,
    *,
    max_answer: int,
    address: Address | None = None,
) -> EndpointWire:
    """The way to a service over a transport: past httpx's own layers where the transport is ours.

    With an ``address`` it leads there, and still asks for the host of the service's URL.
    """
    url = httpx.URL(config.url)
    if not isinstance(transport, Transport):
        base = config.url if address is None else str(url.copy_with(host=address.host, port=address.port))
        return StockWire(service, base, transport, asks_for=url, max_answer=max_answer)
    if address is None:
        connections = transport.connections(url)
    else:
        is_tls = url.scheme == "https"
        connections = transport.apart(Endpoint(address.host, address.port, is_tls, server_name=url.host))
    return OwnWire(service, config.url, connections, max_answer=max_answer)


MakeTransport = Callable[[str, ServiceConfig], httpx.AsyncBaseTransport]
