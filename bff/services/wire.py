"""The way to one service: one request goes in, one whole answer comes out.

A :class:`Wire` knows nothing of caches, retries, breakers or deadlines: those are layers above it, each with
the same ``exchange``. Below :class:`OwnWire` are the connections of :mod:`bff.services.connections`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import httpx

from bff.sdk.call import SendOptions
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import ServiceBodyInvalid
from bff.services import http1
from bff.services.composing import Composer
from bff.services.connection import Answer, Connection
from bff.services.connections import Connections, Outgoing
from bff.services.decoding import decoded
from bff.services.passage import OwnWay
from bff.services.passing import Way
from bff.services.response import ServiceResponse
from bff.services.wall import translated


class Wire(Protocol):
    """Sends requests to one service."""

    async def exchange(
        self, method: str, path: str, headers: Mapping[str, str], options: SendOptions, record: CallRecord
    ) -> ServiceResponse:
        """Send one request and read its whole answer. ``headers`` have lower-case names; how it went is
        written into ``record``.

        Raises:
            ServiceError: no connection, or it broke off, or what came was not HTTP.
            BadServiceCall: what should be sent is not HTTP.

        """

    async def aclose(self) -> None:
        """Close its connections."""


class EndpointWire(Wire, Protocol):
    """A wire to one endpoint, without any layers."""

    @property
    def way(self) -> Way:
        """The same connections, for what passes through."""


class OwnWire:
    """HTTP/1.1 by our own transport. Immutable but for the connections."""

    def __init__(self, service: str, url: str, connections: Connections, *, max_answer: int) -> None:
        self._service = service
        self._composer = Composer(url)
        self.connections = connections
        self._max_answer = max_answer
        self.way: Way = OwnWay(service, httpx.URL(url.rstrip("/")), connections)

    async def exchange(
        self, method: str, path: str, headers: Mapping[str, str], options: SendOptions, record: CallRecord
    ) -> ServiceResponse:
        """See :class:`Wire`."""
        outgoing: Outgoing | None = None
        try:
            if record.underway is None:
                outgoing = self._composer.compose(method, path, headers, options)
                outgoing.limit, outgoing.flight = self._max_answer, record.flight
                answer = await self.connections.request(outgoing)
            else:
                underway, record.underway = record.underway, None
                outgoing = underway.outgoing
                answer = await self.connections.request(outgoing, (underway.connection, underway.answer))
            record.bytes_in = len(answer.body)
            body = self.plain(answer) if answer.found.is_encoded else answer.body
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise translated(error, self._service) from error
        except asyncio.CancelledError:
            if outgoing is not None and outgoing.rest is not None:
                ask = partial(self._composer.request, method, path, headers, options)
                record.flight.rest = self._rest(*outgoing.rest, ask)
            raise
        finally:
            if outgoing is not None:
                record.endpoint = self.connections.endpoint
                record.attempts += outgoing.attempts
                record.sent = outgoing.sent
        return ServiceResponse.of(
            answer.status,
            answer.head,
            body,
            service=self._service,
            ask=partial(self._composer.request, method, path, headers, options),
        )

    async def _rest(
        self, connection: Connection, asked: asyncio.Future[Answer], ask: Callable[[], httpx.Request]
    ) -> ServiceResponse:
        """What is left of an exchange whose caller is gone, for others who want its answer."""
        try:
            answer = await asked
            body = self.plain(answer) if answer.found.is_encoded else answer.body
        except asyncio.CancelledError:
            connection.give_up(asked)
            raise
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise translated(error, self._service) from error
        return ServiceResponse.of(answer.status, answer.head, body, service=self._service, ask=ask)

    def plain(self, answer: Answer) -> bytes:
        """Its body, decoded.

        Raises:
            ServiceBodyInvalid: that is not possible, or too large.

        """
        coding = http1.value_of(answer.head, b"content-encoding")
        if coding is None:
            return answer.body
        if b"," in coding:
            raise ServiceBodyInvalid(self._service, "is encoded more than once")
        return decoded(answer.body, coding.decode("latin-1"), self._max_answer)

    async def aclose(self) -> None:
        """Close its connections."""
        await self.connections.aclose()
