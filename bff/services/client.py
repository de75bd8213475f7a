"""One upstream service: its connections, its time limits, its headers. It outlives every function."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

import httpx

from bff import trace
from bff.clock import Clock, Expiry
from bff.config import ServiceConfig
from bff.sdk.call import SendOptions
from bff.sdk.failures import BadServicePath, ServiceError, ServiceTimedOut
from bff.sdk.invocation import CallRecord, Invocation
from bff.services import forward
from bff.services.transport import ServiceResponse, ServiceTransport, translated

MakeTransport = Callable[[str, ServiceConfig], httpx.AsyncBaseTransport]

NO_TIMEOUT = httpx.Timeout(None)  # one Expiry around the whole call instead of httpx's four


class ServiceClient:
    """Sends requests to one service for any invocation. Immutable but for its connection pool."""

    def __init__(
        self, name: str, config: ServiceConfig, *, clock: Clock, transport: httpx.AsyncBaseTransport
    ) -> None:
        self.name = name
        self.config = config
        self._clock = clock
        self._own = {key.lower(): value.get_secret_value() for key, value in config.headers.items()}
        self._base = httpx.URL(config.url)
        self._client = httpx.AsyncClient(
            transport=ServiceTransport(name, transport),
            timeout=NO_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            headers={"user-agent": "bff-gateway"},
        )

    async def send(
        self, invocation: Invocation, method: str, path: str, options: SendOptions
    ) -> httpx.Response:
        """The whole answer, whatever its status.

        Raises:
            ServiceError: none came, not in time, or it broke off.
            BadServicePath: the path would leave the service's URL.

        """
        allowed = self._allowed(invocation, options)
        record = invocation.open_call(self.name, method, path)
        try:
            response = await self._send(invocation, method, path, options, allowed)
            record.status = response.status_code
            if isinstance(response, ServiceResponse) and response.status_code in (401, 403):
                response.relayed = self.relays_credentials(invocation)
            return response
        except ServiceError as error:
            record.error = error.code
            raise
        except BaseException as error:
            record.error = type(error).__name__
            raise
        finally:
            self._close(record)

    def _close(self, record: CallRecord) -> None:
        record.ended = self._clock.now()

    def _allowed(self, invocation: Invocation, options: SendOptions) -> float:
        """Seconds this call may take: the least of call, service and deadline."""
        remaining = invocation.remaining()
        if remaining <= 0:
            raise ServiceTimedOut(self.name, 0.0)
        return min(self.config.timeout, remaining, options.get("timeout", remaining))

    async def _send(
        self, invocation: Invocation, method: str, path: str, options: SendOptions, allowed: float
    ) -> httpx.Response:
        headers = {
            **options.get("headers", {}),
            **forward.fields(invocation, self._own, trace.new_span_id()),
        }
        try:
            request = self._client.build_request(
                method,
                self._url(path),
                params=options.get("params"),
                headers=headers,
                json=options.get("json"),
                content=options.get("content"),
                data=options.get("data"),
                files=options.get("files"),
            )
            with Expiry(self._clock, self._clock.now() + allowed):
                return await self._client.send(request)
        except TimeoutError:
            raise ServiceTimedOut(self.name, allowed) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translated(error, self.name) from error

    def _url(self, path: str) -> httpx.URL:
        """The service's URL with ``path`` below it. A caller's text in it must not lead anywhere else."""
        if not path.startswith("/") or path.startswith("//"):
            raise BadServicePath(self.name, "does not begin with one /")
        plain = path.partition("?")[0]
        if any(part in (".", "..", "%2e", "%2e%2e", ".%2e", "%2e.") for part in plain.lower().split("/")):
            raise BadServicePath(self.name, "has a . or .. segment")
        if "#" in path or any(ord(character) < 0x20 or character == "\x7f" for character in path):
            raise BadServicePath(self.name, "has a # or a control character")
        base = self._base
        return base.copy_with(raw_path=base.raw_path.rstrip(b"/") + httpx.URL(path).raw_path)

    def relays_credentials(self, invocation: Invocation) -> bool:
        """Whether the caller's own credential travels with this invocation's calls."""
        return forward.relays_credentials(invocation)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    def __repr__(self) -> str:
        return f"<ServiceClient {self.name} at {self._base}>"


class ServicePool:
    """All declared services; a changed routes.yaml replaces those that changed and keeps the others' pools.

    Mutable state: ``clients``, replaced whole.
    """

    def __init__(self, *, clock: Clock, make_transport: MakeTransport | None = None) -> None:
        self.clients: Mapping[str, ServiceClient] = {}
        self._clock = clock
        self._make_transport = make_transport or _http_transport_maker()

    def configure(self, services: Mapping[str, ServiceConfig]) -> list[ServiceClient]:
        """Serve these from now on. Gives back the clients that are replaced, to close when calls are done."""
        old = self.clients
        self.clients = {
            name: old[name]
            if name in old and old[name].config == config
            else ServiceClient(name, config, clock=self._clock, transport=self._make_transport(name, config))
            for name, config in services.items()
        }
        return [client for name, client in old.items() if self.clients.get(name) is not client]

    async def aclose(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            await client.aclose()


def _http_transport_maker() -> MakeTransport:
    """Real sockets. One SSL context for all services, made when the first https one appears: it costs 19 ms."""
    contexts: list[ssl.SSLContext] = []

    def make(_name: str, config: ServiceConfig) -> httpx.AsyncBaseTransport:
        verify: ssl.SSLContext | bool = False
        if config.url.startswith("https:"):
            if not contexts:
                contexts.append(httpx.create_ssl_context())
            verify = contexts[0]
        return httpx.AsyncHTTPTransport(
            verify=verify,
            trust_env=False,
            limits=httpx.Limits(
                max_connections=config.max_connections,
                max_keepalive_connections=config.max_connections,
                keepalive_expiry=config.keep_alive,
            ),
        )

    return make
