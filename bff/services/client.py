"""One upstream service: its time limits, its headers, its connections. It outlives every function."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bff import trace
from bff.clock import Clock, Expiry
from bff.config import ServiceConfig
from bff.config.names import HOP_BY_HOP
from bff.sdk.call import SendOptions
from bff.sdk.failures import BadServiceCall, BadServicePath, ServiceError, ServiceTimedOut
from bff.sdk.invocation import TIMER_ERROR, CallRecord, Invocation
from bff.services import forward
from bff.services.faultheader import asked_by
from bff.services.following import Following, Surroundings
from bff.services.outcomes import flag_of

if TYPE_CHECKING:
    import httpx

    from bff.services.transport import MakeTransport
    from bff.services.wire import Wire

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes an upstream's body may have, decoded, before the call is given up."""

_OF_THE_MESSAGE = HOP_BY_HOP | {"content-length"}
# Segments without dots or escapes: most paths.
_NOTHING_SPECIAL = re.compile(r"(?:/[\w~!$&'()*+,;=:@-]+)+/?(?:\?[\w~!$&'()*+,;=:@/?.%-]*)?", re.ASCII)
_DOTS = frozenset({".", ".."})
_NO_PATH = re.compile(r"[\x00-\x1f\x7f#\ud800-\udfff]")


class ServiceClient:
    """Sends requests to one service for any invocation.

    Mutable state: ``_wire`` and ``_transport``, made with the first call; ``_following``, what looks for endpoints.
    """

    def __init__(
        self,
        name: str,
        config: ServiceConfig,
        *,
        clock: Clock,
        make_transport: MakeTransport,
        max_answer: int = MAX_ANSWER,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self._clock = clock
        self._make_transport = make_transport
        self._max_answer = max_answer
        self._own = {key.lower(): value.get_secret_value() for key, value in config.headers.items()}
        self._around = surroundings or Surroundings()
        self._wire: Wire | None = None
        self._transport: httpx.AsyncBaseTransport | None = None
        self._following: Following | None = None

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
        allowed = self._allowed(invocation.deadline.of_calls - now, options)
        if not _NOTHING_SPECIAL.fullmatch(path):
            self._check_path(path)
        record = invocation.open_call(self.name, method, path)
        record.until = now + allowed
        try:
            headers = self._headers(invocation, options, record)
            with Expiry(self._clock, record.until):
                response = await (self._wire or await self._connected()).exchange(
                    method, path, headers, options, record
                )
        except BaseException as error:
            failure = self._noted(error, record, allowed)
            if failure is error:
                raise
            raise failure from None
        finally:
            record.ended = self._clock.now()
        record.status = response.status_code
        response.took(record.ended - record.started)
        if response.status_code in (401, 403):
            response.relayed = self.relays_credentials(invocation)
        return response

    def _headers(self, invocation: Invocation, options: SendOptions, record: CallRecord) -> dict[str, str]:
        """What the call carries; in dev, what its caller wants to go wrong is put into the record."""
        if self._around.heeds_fault_header:
            record.fault = asked_by(invocation, self.name)
        headers = forward.fields(invocation, options.get("headers") or {}, self._own, trace.new_span_id())
        if not _OF_THE_MESSAGE.isdisjoint(headers):
            names = ", ".join(sorted(_OF_THE_MESSAGE & headers.keys()))
            raise BadServiceCall(self.name, f"{names} is for the client itself to set")
        return headers

    def _noted(self, error: BaseException, record: CallRecord, allowed: float) -> BaseException:
        """Write into the record why there is no answer; gives the failure that the function is told."""
        if isinstance(error, asyncio.CancelledError):
            record.error = "cancelled"  # a part beside it failed, the deadline passed, or the caller left
            return error
        if isinstance(error, TimeoutError):
            error = ServiceTimedOut(self.name, allowed)
        record.error = error.code if isinstance(error, ServiceError) else type(error).__name__
        record.flag(flag_of(error))
        return error

    def _allowed(self, remaining: float, options: SendOptions) -> float:
        """Seconds this call may take: the least of call, service, and what the deadline leaves for calls."""
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
        if ("." in plain or "%" in plain) and any(
            # What servers make of a segment: decoded, \ as /, and without ;parameters.
            part.partition(";")[0] in _DOTS
            for part in unquote(plain).replace("\\", "/").split("/")
        ):
            raise BadServicePath(self.name, "has a . or .. segment")

    def follow(self) -> None:
        """Begin to look for the endpoints, where routes.yaml says how; before the first call does."""
        if self.config.discovery is not None and self._following is None and self._around.is_real:
            self._following = Following(self.name, self.config, self._around, clock=self._clock)

    async def _connected(self) -> Wire:
        """The way to the service, made with the first call: it needs httpx, which takes long to import."""
        from bff.services import lean_httpx

        lean_httpx.load()
        from bff.services.ways import way_of

        self.follow()
        first = () if self._following is None else await self._following.first()
        if self._wire is None:  # else another call was faster
            self._transport = self._make_transport(self.name, self.config)
            self._wire, endpoints = way_of(
                self.name,
                self.config,
                self._transport,
                self._around,
                clock=self._clock,
                max_answer=self._max_answer,
                found=first,
            )
            if self._following is not None:
                self._following.lead(endpoints.update)
        return self._wire

    def relays_credentials(self, invocation: Invocation) -> bool:
        """Whether the caller's own credential travels with this invocation's calls."""
        return forward.relays_credentials(invocation, self._own)

    async def aclose(self) -> None:
        """Stop looking for endpoints, and close every connection."""
        if self._following is not None:
            await self._following.aclose()
        if self._wire is not None:
            await self._wire.aclose()
        if self._transport is not None:
            await self._transport.aclose()

    def __repr__(self) -> str:
        return f"<ServiceClient {self.name} at {self.config.url}>"
