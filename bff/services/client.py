"""One upstream service: its time limits, its headers, its connections. It outlives every function."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bff import trace
from bff.clock import Clock, Expiry
from bff.config import ServiceConfig
from bff.config.names import HOP_BY_HOP
from bff.sdk.call import SendOptions
from bff.sdk.failures import BadServiceCall, BadServicePath, ServiceError, ServiceTimedOut
from bff.sdk.invocation import TIMER_ERROR, Invocation
from bff.services import forward
from bff.services.paths import climbs

if TYPE_CHECKING:
    import httpx

    from bff.services.passing import Exchange, Onward, Way
    from bff.services.transport import MakeTransport
    from bff.services.wire import Wire

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes an upstream's body may have, decoded, before the call is given up."""

_OF_THE_MESSAGE = HOP_BY_HOP | {"content-length"}
# Segments without dots or escapes: most paths.
_NOTHING_SPECIAL = re.compile(r"(?:/[\w~!$&'()*+,;=:@-]+)+/?(?:\?[\w~!$&'()*+,;=:@/?.%-]*)?", re.ASCII)
_NO_PATH = re.compile(r"[\x00-\x1f\x7f#\ud800-\udfff]")


class ServiceClient:
    """Sends requests to one service for any invocation. Mutable state: ``_wire``, ``_way`` and the
    ``_transport`` below them, made with the first call; ``passing``, how many exchanges pass through now.
    """

    def __init__(
        self,
        name: str,
        config: ServiceConfig,
        *,
        clock: Clock,
        make_transport: MakeTransport,
        max_answer: int = MAX_ANSWER,
    ) -> None:
        self.name = name
        self.config = config
        self._clock = clock
        self._make_transport = make_transport
        self._max_answer = max_answer
        self._own = {key.lower(): value.get_secret_value() for key, value in config.headers.items()}
        self._wire: Wire | None = None
        self._way: Way | None = None
        self._transport: httpx.AsyncBaseTransport | None = None
        self.passing = 0

    def of(self, _invocation: Invocation) -> ServiceClient:
        """Itself: this service is in one place only."""
        return self

    async def send(
        self, invocation: Invocation, method: str, path: str, options: SendOptions
    ) -> httpx.Response:
        """The whole answer, whatever its status.

        Raises:
            ServiceError: none came, not in time, or it broke off.
            BadServicePath: the path would leave the service's URL.
            BadServiceCall: what the function wants to send is not HTTP.

        """
        now = self._clock.now()
        allowed = self._allowed(invocation.deadline.at - now, options)
        if not _NOTHING_SPECIAL.fullmatch(path):
            self._check_path(path)
        record = invocation.open_call(self.name, method, path)
        try:
            headers = forward.fields(invocation, options.get("headers") or {}, self._own, trace.new_span_id())
            if not _OF_THE_MESSAGE.isdisjoint(headers):
                names = ", ".join(sorted(_OF_THE_MESSAGE & headers.keys()))
                raise BadServiceCall(self.name, f"{names} is for the client itself to set")
            with Expiry(self._clock, now + allowed):
                response = await (self._wire or self._connected()).exchange(
                    method, path, headers, options, record
                )
        except TimeoutError:
            record.error = ServiceTimedOut.code
            raise ServiceTimedOut(self.name, allowed) from None
        except asyncio.CancelledError:
            record.error = "cancelled"  # a part beside it failed, the deadline passed, or the caller left
            raise
        except BaseException as error:
            record.error = error.code if isinstance(error, ServiceError) else type(error).__name__
            raise
        finally:
            record.ended = self._clock.now()
        record.status = response.status_code
        response.took(record.ended - record.started)
        if response.status_code in (401, 403):
            response.relayed = self.relays_credentials(invocation)
        return response

    def _allowed(self, remaining: float, options: SendOptions) -> float:
        """Seconds this call may take: the least of call, service and deadline."""
        if remaining < TIMER_ERROR:  # less than that cannot be told from nothing
            raise ServiceTimedOut(self.name, 0.0)
        allowed = min(self.config.timeout, remaining)
        asked = options.get("timeout") if options else None
        return allowed if asked is None else min(allowed, asked)

    def _check_path(self, path: str) -> None:
        """It stays below the service's URL: a caller's text in it must not lead anywhere else."""
        if not path.startswith("/") or path.startswith("//"):
            raise BadServicePath(self.name, "does not begin with one /")
        if _NO_PATH.search(path):
            raise BadServicePath(self.name, "has a #, a control character or half a surrogate pair")
        plain = path.partition("?")[0]
        if "\\" in plain:
            raise BadServicePath(self.name, "has a backslash")
        if climbs(plain.encode()):
            raise BadServicePath(self.name, "has a . or .. segment")

    def _connected(self) -> Wire:
        if self._wire is None:
            self._wire = self._transports().wire_of(
                self.name, self.config, self._below(), max_answer=self._max_answer
            )
        return self._wire

    def _below(self) -> httpx.AsyncBaseTransport:
        if self._transport is None:
            self._transports()
            self._transport = self._make_transport(self.name, self.config)
        return self._transport

    @staticmethod
    def _transports() -> Any:
        """The module that needs httpx, imported with the first call."""
        from bff.services import lean_httpx

        lean_httpx.load()
        from bff.services import transport

        return transport

    async def open(self, onward: Onward) -> Exchange:
        """Pass a request through, unread: see :class:`bff.services.passing.Way`."""
        if self._way is None:
            self._transports()
            from bff.services.passage import way_of

            self._way = way_of(self.name, self.config, self._below())
        return await self._way.open(onward)

    @property
    def own_headers(self) -> Mapping[str, str]:
        """What is sent with every request, by lower-case name; often credentials."""
        return self._own

    def relays_credentials(self, invocation: Invocation) -> bool:
        """Whether the caller's own credential travels with this invocation's calls."""
        return forward.relays_credentials(invocation, self._own)

    async def aclose(self) -> None:
        """Close its connections."""
        if self._transport is not None:
            await self._transport.aclose()

    def __repr__(self) -> str:
        return f"<ServiceClient {self.name} at {self.config.url}>"
