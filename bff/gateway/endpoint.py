"""The public door: one ASGI application from the parsed head to the sent answer.

It reads the head, finds the route, binds the deadline, calls the invoker, and turns whatever went wrong
into one well-formed answer. What functions are and how they live is the runtime's.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from itertools import count
from typing import Any

from bff import trace
from bff.clock import Clock, Expiry
from bff.errors import (
    BadRequest,
    BffError,
    CallerLeft,
    DeadlineExceeded,
    FunctionFailed,
    GatewayDraining,
    MethodNotAllowed,
    NotFound,
)
from bff.gateway.aftermath import forget_frames
from bff.gateway.auth.guard import Guard
from bff.gateway.auth.scheme import Request, Unsure
from bff.gateway.devpage import DevPage
from bff.gateway.door.limiting import Counted
from bff.gateway.hosts import TWO, Hosts
from bff.gateway.keptpassage import passage_of
from bff.gateway.options import answer_options, carried_by, is_ours
from bff.gateway.passingcache import PassingCache
from bff.gateway.protocol import SCOPE_KEY, LimitedProtocol
from bff.gateway.routecache import RouteCache, Shelf
from bff.gateway.sender import DateField, Sender, Stationery
from bff.gateway.taking import take
from bff.gateway.target import Door, Table, Target
from bff.runtime.invoker import Invoker
from bff.sdk.accept import prefers_async
from bff.sdk.failures import ServiceUnreachable
from bff.sdk.farewells import Farewells
from bff.sdk.invocation import Invocation
from bff.services.cache import Cache
from bff.services.fields import SAFE
from bff.services.pool import AnyClient
from bff.signals import Signals, Unexpected

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_READ = frozenset({b"host", b"x-request-id", b"origin", *trace.RAW_FIELDS})
# The two that are steps within a path name no invocation in a URL (RFC 3986 §5.2.4).
_REQUEST_ID = re.compile(rb"(?!\.\.?\Z)[A-Za-z0-9._~+/=:@-]{1,128}")


class Gateway:
    """Mutable state: ``table`` and ``origin`` (of traces), swapped whole on reload, and whether it ends
    (``is_draining``).
    """

    def __init__(
        self,
        table: Table,
        *,
        invoker: Invoker,
        services: Callable[[], Mapping[str, AnyClient]],
        clock: Clock,
        signals: Signals,
        dev: DevPage | None = None,
        cache: Cache | None = None,
        origin: trace.Origin = trace.UNSAMPLED,
    ) -> None:
        self.table = table
        self.origin = origin
        self._farewells = Farewells()
        self._invoker = invoker
        self._services = services
        self._clock = clock
        self._signals = signals
        self._dev = dev
        self._cache = None if cache is None else RouteCache(cache, clock=clock, invoke=invoker.invoke)
        self._kept = None if cache is None else PassingCache(cache, clock=clock)
        self._stationery = Stationery(
            clock=clock,
            date=DateField(clock),
            farewells=self._farewells,
        )
        self._hosts = Hosts()
        # Request ids: a random run and a counter are as unique as a UUID each, and five times cheaper.
        self._ids = map(f"{uuid.uuid4().hex[:16]}-{{:x}}".format, count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._refuse_kind(scope["type"], send)
            return
        table = self.table
        invocation, origin, host = self._read_head(scope, table)
        extra = table.over_http
        if extra is None or scope["scheme"] != "http":
            extra = carried_by(table.carried, scope, table, origin)
        sender = Sender(self._stationery, invocation, scope, send, extra, table.timing)
        try:
            if not self._hosts.knows(host, scope["http_version"]):
                # RFC 9112 §3.2: who else reads the message could take it for another host's.
                raise BadRequest("An HTTP/1.1 request has exactly one Host field, which names a host.")
            await self._route(scope, receive, invocation, sender, table, origin)
        except BffError as error:
            await self._fail(error, scope, invocation, sender)
        except asyncio.CancelledError:
            await self._cancelled(scope, invocation, sender)
        except BaseException as error:
            if isinstance(error, GeneratorExit) and not _is_in_a_task():
                raise  # a request that is thrown away with its loop cannot be answered
            # Signals never arrive as exceptions here: it was a function that wanted to end the process.
            await self._fail(self._blamed(error, invocation), scope, invocation, sender)
        if sender.unfolding is not None:
            await sender.unfolding.aclose()
        invocation.ended = self._clock.now()
        if invocation.incoming is not None and invocation.incoming.was_seen_whole:
            await invocation.incoming.close()
        self._signals.emit(invocation)
        self._forget(invocation)

    @staticmethod
    def _forget(invocation: Invocation) -> None:
        """A connection remembers its last call until the next one comes, for the timer of that was set in the call's
        context: of what the call held it shall remember nothing.
        """
        invocation.memo = None
        if invocation.incoming is not None:
            invocation.incoming.forget()
        if invocation.error is not None:
            forget_frames(invocation.error)

    @staticmethod
    async def _refuse_kind(kind: str, send: Send) -> None:
        if kind != "websocket":
            raise RuntimeError(f"the gateway does not speak {kind}; its app starts and stops it")
        await send({"type": "websocket.close", "code": 1008, "reason": "no WebSocket routes"})

    def _read_head(self, scope: Scope, table: Table) -> tuple[Invocation, bytes | None, bytes | None]:
        request_id = traceparent = origin = host = None
        may_tell, headers = False, scope["headers"]
        for name, value in headers:
            if name not in _READ:
                continue
            if name == b"host":
                host = value if host is None else TWO
            elif name == b"x-request-id":
                request_id = value
            elif name == b"traceparent":
                # Two of them are none (W3C Trace Context §3.2.1): the trace restarts.
                traceparent = value if traceparent is None else b""
            elif name == b"origin":
                origin = value
            else:
                may_tell = True
        if request_id is not None and _REQUEST_ID.fullmatch(request_id):
            known = request_id.decode()
        else:
            known = next(self._ids)
        clock = self._clock
        invocation = Invocation(known, scope["method"], clock, clock.now(), traceparent, self.origin)
        if traceparent is None and not may_tell:
            invocation.may_tell_of_a_trace = False
        peer = scope.get("client")
        if peer:
            proxies = table.proxies
            invocation.client = proxies.client(peer[0], headers) if proxies.are_any else peer[0]
        return invocation, origin, host

    async def _route(
        self,
        scope: Scope,
        receive: Receive,
        invocation: Invocation,
        sender: Sender,
        table: Table,
        origin: bytes | None,
    ) -> None:
        method = invocation.method
        try:
            target, params = table.router.match(method, scope["path"], scope["raw_path"])
        except (NotFound, MethodNotAllowed):
            if method != "OPTIONS":
                raise
            await answer_options(scope, sender, table, origin)
            return
        invocation.route = target.template
        if target.own is not None:
            await sender.whole(await target.own(params))
            return
        if target.carried is not None:
            sender.carry(carried_by(target.carried, scope, table, origin))
        if method == "OPTIONS" and is_ours(target, scope, table, origin):
            await answer_options(scope, sender, table, origin)
            return
        take(target, params, scope, receive, invocation, sender, table)
        if target.is_watched or table.lanes is not None:
            await self._admit(target, invocation, sender, scope, table)
        connection: LimitedProtocol | None = scope.get(SCOPE_KEY)
        if connection is not None:
            connection.on_left = sender.caller_left  # noticed, where that ends the work
        try:
            if target.is_plain and (method in SAFE or not table.keeps):
                await self._invoker.invoke(invocation, sender.answer)
            else:
                await self._answered(target, invocation, sender, table)
        finally:
            if connection is not None:
                connection.on_left = None

    async def _admit(
        self, target: Target, invocation: Invocation, sender: Sender, scope: Scope, table: Table
    ) -> None:
        """Find out who calls, whether not too often, and in which lane."""
        if target.limits is not None:
            self._told(sender, await target.limits.before(invocation))
        if target.guard is not None:
            await self._identify(target.guard, invocation, scope, table)
        if target.limits is not None:
            self._told(sender, await target.limits.after(invocation))
        if table.lanes is not None:
            table.lanes.enter(invocation, scope["headers"])

    async def _answered(self, target: Target, invocation: Invocation, sender: Sender, table: Table) -> None:
        """By whatever the route has besides a plain function: a door, a service, a store, data of its own."""
        if target.door is not None:
            await self._knock(target.door, invocation, sender)
        elif target.later is not None and _prefers_async(invocation):
            await self._knock(target.later, invocation, sender)
        elif target.service:
            await self._pass(invocation, sender, table, target)
        elif target.cache is None or self._cache is None:
            respond = target.with_static(sender.answer, invocation)
            if table.keeps and self._cache is not None and invocation.method not in SAFE:
                respond = self._cache.hearing(respond, invocation)
            await self._invoker.invoke(invocation, respond)
        else:
            shelf = self._cache.shelf(target.cache, invocation, sender, target)
            await self._through(shelf, invocation, target)

    async def _knock(self, door: Door, invocation: Invocation, sender: Sender) -> None:
        try:
            with Expiry(self._clock, invocation.deadline.at):
                answer = await door(invocation)
        except TimeoutError:
            raise DeadlineExceeded(allowed=invocation.deadline.allowed) from None
        if answer.stream is not None:
            await sender.answer(answer)
        else:
            await sender.whole(answer, is_page=False)

    async def _through(self, shelf: Shelf, invocation: Invocation, target: Target) -> None:
        """Answer from the store, or run the function and keep what it answers."""
        invocation.shelf = shelf
        try:
            await self._invoker.invoke(invocation, target.with_static(shelf.respond, invocation))
        except BffError as failure:
            if not await shelf.stood_in(failure):
                raise
        finally:
            shelf.close()

    @property
    def is_draining(self) -> bool:
        """Whether the gateway ends, and takes nothing new."""
        return self._farewells.has_been_said

    def drain(self) -> None:
        """The gateway ends: answers that would go on for hours are told, the others finish."""
        self._farewells.say()

    async def aclose(self) -> None:
        """End what runs for nobody: refreshes of kept pages."""
        for cache in (self._cache, self._kept):
            if cache is not None:
                await cache.aclose()

    async def _pass(self, invocation: Invocation, sender: Sender, table: Table, target: Target) -> None:
        client = self._services().get(target.service)
        if client is None:  # routes.yaml has changed since the route was found
            raise ServiceUnreachable(target.service)
        passage = passage_of(
            client.of(invocation),
            self._kept,
            invocation=invocation,
            target=target,
            sender=sender,
            clock=self._clock,
            has_cors=(target.carried or table.carried).cors is not None,
        )
        await passage.run(table.proxies.trusts)

    @staticmethod
    def _told(sender: Sender, counted: Counted) -> None:
        """Say how often the caller may still call, and refuse one call too many."""
        fields, error = counted
        sender.carry_too(fields)
        if error is not None:
            raise error

    async def _identify(self, guard: Guard, invocation: Invocation, scope: Scope, table: Table) -> None:
        """Find out who calls, before anything of the request is read or done."""
        peer = scope.get("client")
        shown = Request(scope["headers"], peer is not None and table.proxies.trusts(peer[0]))
        try:
            invocation.caller = guard.known(shown)
        except Unsure:
            with Expiry(self._clock, invocation.deadline.at):
                invocation.caller = await guard.look(shown)

    def _blamed(self, error: BaseException, invocation: Invocation) -> BffError:
        """A stranger among the errors: the function's while it answers (a stream, an app), else ours."""
        if invocation.function and isinstance(error, TimeoutError):
            return invocation.too_late()
        failure = (
            FunctionFailed(invocation.function) if invocation.revision else BffError("The gateway failed.")
        )
        failure.__cause__ = error
        if not invocation.revision:
            self._signals.emit(Unexpected(where="gateway", error=error))
        return failure

    async def _fail(self, error: BffError, scope: Scope, invocation: Invocation, sender: Sender) -> None:
        invocation.error = error
        if isinstance(error, CallerLeft):
            invocation.status = error.status
            sender.break_off()
        elif sender.unfolding is not None and await sender.unfolding.failed(error):
            pass
        elif sender.started:
            sender.break_off()
        elif (stand_in := sender.target.instead_of(error, invocation)) is not None:
            await sender.answer(stand_in)
        elif self._dev is not None:
            await self._dev.answer(error, scope, invocation, sender)
        else:
            await sender.problem(error)

    async def _cancelled(self, scope: Scope, invocation: Invocation, sender: Sender) -> None:
        """Cancelled by a caller who left, by shutdown whose patience has ended, or by the function itself."""
        task = asyncio.current_task()
        assert task is not None
        if not task.cancelling():  # nobody cancelled us: a handler awaited something cancelled
            failed = FunctionFailed(invocation.function, "was cancelled by itself")
            await self._fail(failed, scope, invocation, sender)
            return
        task.uncancel()
        if invocation.left:
            invocation.error = CallerLeft()
            invocation.status = CallerLeft.status
            return
        invocation.error = GatewayDraining()
        if sender.started:
            sender.break_off()
        else:
            await sender.problem(GatewayDraining())


def _is_in_a_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:  # no loop runs
        return False


def _prefers_async(invocation: Invocation) -> bool:
    return invocation.incoming is not None and prefers_async(invocation.incoming.scope["headers"])
