"""One upstream service: its time limits, its headers, its connections. It outlives every function."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bff.clock import Clock, Expiry
from bff.config import ServiceConfig
from bff.config.names import HOP_BY_HOP
from bff.errors import BffError
from bff.sdk.call import SendOptions
from bff.sdk.callrecord import CallRecord
from bff.sdk.failures import BadServiceCall, BadServicePath, NothingKept, ServiceError, ServiceTimedOut
from bff.sdk.headerrules import rules_of
from bff.sdk.invocation import TIMER_ERROR, Invocation
from bff.services import forward
from bff.services.composed import SILENT
from bff.services.faultheader import asked_by
from bff.services.fields import READING
from bff.services.following import Following, Surroundings
from bff.services.paths import climbs, is_plain
from bff.services.selection import EVERYTHING, Selection
from bff.services.stored import space_of
from bff.services.varying import told_by

if TYPE_CHECKING:
    import httpx

    from bff.services.cache import Cache
    from bff.services.composed import Parts
    from bff.services.endpoints import Member
    from bff.services.fastpath import FastPath
    from bff.services.passing import Exchange, Onward
    from bff.services.resolver import Address
    from bff.services.response import ServiceResponse
    from bff.services.sharing import Sharing
    from bff.services.transport import MakeTransport
    from bff.services.ways import Ways
    from bff.services.wire import Wire

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes an upstream's body may have, decoded, before the call is given up."""

_OF_THE_MESSAGE = HOP_BY_HOP | {"content-length"}
_BODIES = frozenset({"content", "data", "files", "json"})
NOTHING: Mapping[str, str] = {}
NO_OPTIONS: SendOptions = {}
_NO_PATH = re.compile(r"[\x00-\x1f\x7f#\ud800-\udfff]")


class ServiceClient:
    """Sends requests to one service for any invocation. Mutable state: ``_wire``, ``_sharing``, ``_ways`` and the
    ``_transport`` below them, made with the first call, and the ``fast_path`` past them, if there is one;
    ``_following``, what looks for endpoints; ``passing``, how
    many exchanges pass through now.
    """

    def __init__(
        self,
        name: str,
        config: ServiceConfig,
        *,
        clock: Clock,
        make_transport: MakeTransport,
        max_answer: int = MAX_ANSWER,
        cache: Cache | None = None,
        surroundings: Surroundings | None = None,
        selection: Selection = EVERYTHING,
    ) -> None:
        self.name = name
        self.config = config
        self._clock = clock
        self._make_transport = make_transport
        self._max_answer = max_answer
        self._timeout = config.timeout
        self._own = {key.lower(): value.get_secret_value() for key, value in config.headers.items()}
        self.own_names = frozenset(name.encode() for name in self._own)
        self.request_rules = rules_of(config.request_headers)
        self.response_rules = rules_of(config.response_headers)
        self._cache = cache
        self._around = surroundings or Surroundings()
        self._selection = selection
        self.space = space_of(name, self._own, selection.subset)
        self._following: Following | None = None
        self._wire: Wire | None = None
        self.fast_path: FastPath | None = None
        self._sharing: Sharing | None = None
        self._part_of: Callable[..., Parts]
        self._ways: Ways | None = None
        self._transport: httpx.AsyncBaseTransport | None = None
        self.passing = 0

    def of(self, _invocation: Invocation) -> ServiceClient:
        """Itself: this service is in one place only."""
        return self

    def send(
        self, invocation: Invocation, method: str, path: str, options: SendOptions
    ) -> Coroutine[Any, Any, ServiceResponse]:
        """The whole answer, whatever its status.

        Raises:
            ServiceError: none came, not in time, or it broke off.
            BadServicePath: the path would leave the service's URL.
            BadServiceCall: what the function wants to send is not HTTP.

        """
        now = self._clock.now()
        remaining = invocation.deadline.of_calls - now
        if remaining < TIMER_ERROR:  # less than that cannot be told from nothing
            raise ServiceTimedOut(self.name, 0.0)
        allowed = min(self._timeout, remaining)
        if options and (asked := options.get("timeout")) is not None:
            allowed = min(allowed, asked)
        if not is_plain(path):
            self._check_path(path)
        record = invocation.open_call(self.name, method, path, now, now + allowed)
        return self._sent(invocation, method, path, options, record)

    def go_on(
        self, invocation: Invocation, method: str, path: str, options: SendOptions, record: CallRecord
    ) -> Coroutine[Any, Any, ServiceResponse]:
        """The answer to a call that the fast path has begun, and does not end: what is ``underway`` or ``joined`` stands
        in its record.

        Raises:
            ServiceError: none came, not in time, or it broke off.

        """
        return self._sent(invocation, method, path, options, record)

    async def _sent(
        self, invocation: Invocation, method: str, path: str, options: SendOptions, record: CallRecord
    ) -> ServiceResponse:
        """The answer, within the record's time; how that went is written into it."""
        allowed = record.until - record.started
        try:
            with Expiry(self._clock, record.until):
                wire = self._wire or await self._connected()
                response = await self._answer(wire, invocation, method, path, options, record)
        except BaseException as error:
            failure = self._noted(error, record, allowed)
            try:
                if failure is error:
                    raise
                raise failure from None
            finally:
                del failure  # it must not hold the frame that holds it
        finally:
            record.ended = self._clock.now()
        record.status = response.status_code
        self.note(invocation, response, record, options)
        response.took(record.ended - record.started)
        if response.status_code in (401, 403):
            response.relayed = self.relays_credentials(invocation)
        return response

    def _answer(
        self,
        wire: Wire,
        invocation: Invocation,
        method: str,
        path: str,
        options: SendOptions,
        record: CallRecord,
    ) -> Awaitable[ServiceResponse]:
        """By the cache, by a flight of somebody else's, or over the wire."""
        sharing, underway = self._sharing, record.underway
        if underway is not None:
            sent = underway.headers
            if sharing is None:
                return wire.exchange(method, path, sent, options, record)
            question = sharing.question(wire, method, path, lambda: sent, NOTHING, options, record)
            return sharing.answer(question, invocation, record)
        caller = forward.derived(invocation, options.get("headers") or NOTHING, self.request_rules)
        if not _OF_THE_MESSAGE.isdisjoint(caller):
            names = ", ".join(sorted(_OF_THE_MESSAGE & caller.keys()))
            raise BadServiceCall(self.name, f"{names} is for the client itself to set")
        record.fault = self.fault_asked(invocation)
        write = partial(forward.fields, invocation, caller, self._own)
        if sharing is None:
            if "stale" in options:
                raise NothingKept(self.name)
            return wire.exchange(method, path, write(), options, record)
        if invocation.lane:  # its label travels along, and may lead to another answer
            caller = {**caller, ":lane": invocation.lane}
        question = sharing.question(wire, method, path, write, caller, options, record)
        if "stale" in options:
            return sharing.kept(question, record, options["stale"])
        # What is spoilt on purpose is for who asked for it alone.
        if method in sharing.METHODS and _BODIES.isdisjoint(options) and not record.fault:
            return sharing.answer(question, invocation, record)
        return sharing.send(question, invocation)

    def note(
        self,
        invocation: Invocation,
        response: ServiceResponse,
        record: CallRecord,
        options: SendOptions = NO_OPTIONS,
    ) -> None:
        """Keep what this answer says of caching for the page that is made of it, if one is."""
        if invocation.method not in READING or (response.is_silent and invocation.parts is SILENT):
            return
        part, before = self._part_of(response, record.started, self._clock), invocation.parts
        if part.vary:
            given = options.get("headers") or NOTHING
            part = part.of_page(told_by(part.vary, invocation, given, self.own_names))
        if part is not before:  # most say nothing, one like the other
            invocation.parts = part if before is None else before.and_also(part)

    def _noted(self, error: BaseException, record: CallRecord, allowed: float) -> BaseException:
        """Write into the record why there is no answer; gives the failure that the function is told."""
        if isinstance(error, asyncio.CancelledError):
            record.error = "cancelled"  # a part beside it failed, the deadline passed, or the caller left
            return error
        if isinstance(error, TimeoutError):
            error = ServiceTimedOut(self.name, allowed)
        record.error = error.code if isinstance(error, ServiceError) else type(error).__name__
        record.flag(error.flag if isinstance(error, BffError) else "")
        return error

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

    def follow(self) -> None:
        """Begin to look for the endpoints, where routes.yaml says how; before the first call does."""
        if self.config.discovery is not None and self._following is None and self._around.is_real:
            self._following = Following(self.name, self.config, self._around, clock=self._clock)

    async def _connected(self) -> Wire:
        """The calm wire, and the layers above it if routes.yaml wants any; made with the first call."""
        self._load()
        self.follow()
        first = () if self._following is None else await self._following.first()
        if self._wire is None:  # else another call was faster
            self._lay(first)
        assert self._wire is not None
        return self._wire

    def _lay(self, found: Sequence[Address]) -> None:
        from bff.services.fastpath import fast_path_of
        from bff.services.replies import part_of
        from bff.services.sharing import Sharing
        from bff.services.ways import ways_of

        self._part_of = part_of
        if self.config.coalesce or self.config.cache is not None:
            self._sharing = Sharing(
                self.name,
                self.config,
                own=self._own,
                cache=self._cache,
                clock=self._clock,
                space=self.space,
            )
        ways = ways_of(
            self.name,
            self.config,
            self._below(),
            self._around,
            clock=self._clock,
            max_answer=self._max_answer,
            found=found,
            selection=self._selection,
        )
        if self._following is not None:
            self._following.lead(lambda addresses: ways.endpoints.update(self._selection.of(addresses)))
        self._wire, self._ways = ways.wire, ways
        self.fast_path = fast_path_of(
            self, ways, self._sharing, self._around, clock=self._clock, max_answer=self._max_answer
        )

    def _below(self) -> httpx.AsyncBaseTransport:
        if self._transport is None:
            self._load()
            self._transport = self._make_transport(self.name, self.config)
        return self._transport

    @staticmethod
    def _load() -> None:
        """Import httpx, which takes long, with the first call."""
        from bff.services import lean_httpx

        lean_httpx.load()

    async def open(self, onward: Onward) -> Exchange:
        """Pass a request through, unread: see :class:`bff.services.passing.Way`."""
        if self._ways is None:
            await self._connected()
        assert self._ways is not None
        return await self._ways.way.open(onward)

    @property
    def members(self) -> tuple[Member, ...]:
        """Its endpoints, with what is known of each; none before the first call."""
        return () if self._ways is None else self._ways.endpoints.members

    @property
    def places(self) -> Mapping[str, ServiceClient]:
        """Itself, without a name: see :attr:`bff.services.subsets.Subsets.places`."""
        return {"": self}

    @property
    def ways(self) -> Ways | None:
        """How it is reached; None before the first call."""
        return self._ways

    @property
    def own_headers(self) -> Mapping[str, str]:
        """What is sent with every request, by lower-case name; often credentials."""
        return self._own

    def fault_asked(self, invocation: Invocation) -> str:
        """What its caller wants to go wrong, in dev."""
        return asked_by(invocation, self.name) if self._around.heeds_fault_header else ""

    def relays_credentials(self, invocation: Invocation) -> bool:
        """Whether the caller's own credential travels with this invocation's calls."""
        return forward.relays_credentials(invocation, self._own, self.request_rules)

    async def aclose(self) -> None:
        """Stop looking for endpoints, end what is under way, and close every connection."""
        if self._following is not None:
            await self._following.aclose()
        if self._sharing is not None:
            await self._sharing.aclose()
        if self._wire is not None:
            await self._wire.aclose()
        if self._transport is not None:
            await self._transport.aclose()

    def __repr__(self) -> str:
        return f"<ServiceClient {self.name} at {self.config.url}>"
