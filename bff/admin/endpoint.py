"""The admin listener's door: an ASGI application over a table of operations. Never public.

In the order a request meets them: Host and Origin, the table, the gate, the body, the operation; and for every
write a line and a record of who did what. What the operations do is in modules of their own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import aclosing
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from bff.admin.audit import Audit
from bff.admin.face import Face, Faces, router_of
from bff.admin.gate import Gate
from bff.admin.host import Front
from bff.admin.incoming import Fields, Receive, body_of, expected_of, query_of
from bff.admin.keys import ANYBODY, Scope, Who
from bff.admin.operation import Asked, Operation, Reply
from bff.admin.refusals import Busy, RevisionRefused, VersionMoved
from bff.clock import Clock, Expiry
from bff.errors import BffError, CallerLeft, FunctionNotLoaded, MethodNotAllowed, NotFound, problem
from bff.gateway.protocol import SCOPE_KEY, LimitedProtocol
from bff.gateway.router import Router
from bff.revisions.store.failures import Conflict
from bff.signals import Signals, Unexpected

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scoped = MutableMapping[str, Any]

MOST_UPLOADS = 4
TAKEN_WITHIN = 300.0
"""Seconds in which a reader of an answer that goes on has to take some of it: those who watch are so many and no more,
and one that has stopped keeps its place from another. As long as streams of functions may be silent, by default.
"""

_NO_STORE = (b"cache-control", b"no-store")
_NO_PAGE = "The console has no such page."
_NO_OPERATION = "The admin listener has no such page; /openapi.json lists those it has."
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Admin:
    """An ASGI application; what it shows is read when asked.

    Mutable state: ``_router``, made once; ``streams``, how many answers go on now; ``_uploads``, how many bodies
    of up to 72 MiB arrive now.
    """

    def __init__(
        self,
        operations: Callable[[], Iterable[Operation]],
        *,
        front: Front,
        gate: Gate,
        audit: Audit,
        clock: Clock,
        signals: Signals,
        face: Callable[[], Face] | None = None,
    ) -> None:
        """``face`` makes the pages for people, when somebody asks for the first of them."""
        self._operations = operations
        self._faces = Faces(face)
        self._router: Router[Operation] | None = None
        self.streams = 0
        self._uploads = 0
        self._front = front
        self._gate = gate
        self._audit = audit
        self._clock = clock
        self._signals = signals

    def prepare(self) -> Router[Operation]:
        """The table, made once; from any thread."""
        if self._router is None:
            self._router = router_of(self._operations())
        return self._router

    async def __call__(self, scope: Scoped, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            reply = await self._answered(scope, receive)
        except CallerLeft:
            return
        except BffError as error:
            reply = self._refused(scope, error)
        except Exception as error:
            self._signals.emit(Unexpected(where=f"admin {scope['path']}", error=error))
            reply = self._refused(scope, BffError("The gateway failed; its log says how."))
        if isinstance(reply.body, bytes):
            await _send(reply, reply.body, send)
            return
        if scope["method"] == "HEAD":  # its answer has no body, and none that goes on
            await reply.body.aclose()
            await _send(reply, b"", send)
            return
        self.streams += 1
        try:
            await _pour(
                reply, reply.body, send, lambda: Expiry(self._clock, self._clock.now() + TAKEN_WITHIN)
            )
        except TimeoutError:
            _break_off(scope)
        finally:
            self.streams -= 1

    async def _answered(self, scope: Scoped, receive: Receive) -> Reply:
        fields = scope["headers"]
        path, raw_path = scope["path"], scope["raw_path"]
        is_page = self._faces.has(path)
        self._front.check(fields, is_page=is_page and scope["method"] in ("GET", "HEAD"))
        router = await self._faces.router() if is_page else self.prepare()
        try:
            operation, params = router.match(scope["method"], path, raw_path)
        except NotFound:
            raise NotFound(_NO_PAGE if is_page else _NO_OPERATION) from None
        except MethodNotAllowed:
            if scope["method"] != "OPTIONS":
                raise
            allow = router.allowed(path, raw_path) or ""
            return Reply(status=204, fields=((b"allow", allow.encode()),))
        if operation.scope is not Scope.WRITE:
            who = ANYBODY if operation.scope is None else await self._gate.admit(fields, operation.scope)
            return await self._run(operation, params, who, scope, receive, {})
        return await self._written(operation, params, scope, receive)

    def _refused(self, scope: Scoped, error: BffError) -> Reply:
        """A problem document, or a page for whoever wanted one."""
        is_page = self._faces.has(scope["path"]) and _wants_page(scope["headers"])
        page = self._faces.refusal(error) if is_page else None
        return page or _problem(error)

    async def _written(
        self, operation: Operation, params: Mapping[str, str], scope: Scoped, receive: Receive
    ) -> Reply:
        """A write, and what the audit log says of it, whatever became of it."""
        peer = (scope.get("client") or ("",))[0]
        target, detail = "/".join(params.values()), dict[str, Any]()
        try:
            who = await self._gate.admit(scope["headers"], Scope.WRITE)
        except BffError as error:
            self._audit.refused(operation.name, target, peer=peer, error=error)
            raise
        status = 500
        try:
            reply = await self._run(operation, params, who, scope, receive, detail)
            status = reply.status
        except BffError as error:
            status = error.status
            detail["error"] = error.code
            raise
        finally:
            await self._audit.written(
                who.name, operation.name, target, status=status, peer=peer, detail=detail
            )
        return reply

    async def _run(
        self,
        operation: Operation,
        params: Mapping[str, str],
        who: Who,
        scope: Scoped,
        receive: Receive,
        detail: dict[str, Any],
    ) -> Reply:
        asked = await self._read(operation, params, who, scope, receive)
        detail.update(asked.query)
        if isinstance(asked.body, BaseModel):
            # Without warnings: a traffic block is checked later, and may be anything yet.
            detail.update(asked.body.model_dump(mode="json", exclude_defaults=True, warnings=False))
        elif isinstance(asked.body, bytes):
            detail["bytes"] = len(asked.body)
        try:
            return await operation.run(asked)
        except FunctionNotLoaded as failure:
            raise RevisionRefused(failure) from failure
        except Conflict as conflict:
            if asked.expected is None:
                raise
            raise VersionMoved(conflict.now) from conflict  # RFC 9110 §13.1.1: what If-Match names is not so

    async def _read(
        self, operation: Operation, params: Mapping[str, str], who: Who, scope: Scoped, receive: Receive
    ) -> Asked:
        fields = scope["headers"]
        return Asked(
            params=params,
            query=query_of(operation, scope["query_string"]),
            who=who,
            expected=expected_of(operation, fields),
            body=await self._body(operation, fields, receive),
            accept=",".join(value.decode("latin-1") for name, value in fields if name == b"accept"),
            heard=next((value.decode("latin-1") for name, value in fields if name == b"last-event-id"), ""),
            gone=lambda: _gone(receive),
        )

    async def _body(self, operation: Operation, fields: Fields, receive: Receive) -> Any:
        if not operation.upload:
            return await body_of(operation, fields, receive, self._clock)
        if self._uploads >= MOST_UPLOADS:
            raise Busy(f"{MOST_UPLOADS} archives are arriving already.")
        self._uploads += 1
        try:
            return await body_of(operation, fields, receive, self._clock)
        finally:
            self._uploads -= 1


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _wants_page(fields: Fields) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in fields)


def _fields_of(reply: Reply) -> Fields:
    may_be_kept = any(name == b"cache-control" for name, _ in reply.fields)
    return [_NOSNIFF, *(() if may_be_kept else (_NO_STORE,)), *reply.fields]


def _problem(error: BffError) -> Reply:
    return Reply(
        status=error.status,
        kind="application/problem+json",
        body=to_json(problem(error, is_inside=True)),
        fields=tuple((name.encode(), value.encode()) for name, value in error.headers().items()),
    )


async def _send(reply: Reply, body: bytes, send: Send) -> None:
    fields = _fields_of(reply)
    if reply.status != 204:  # RFC 9110 §8.6: no Content-Length, and nothing to have a type
        fields += [(b"content-type", reply.kind.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def _pour(
    reply: Reply, pieces: AsyncGenerator[bytes, None], send: Send, within: Callable[[], Expiry]
) -> None:
    """Send what comes, as it comes.

    Raises:
        TimeoutError: the reader takes nothing.

    """
    fields = [*_fields_of(reply), (b"content-type", reply.kind.encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": fields})
    async with aclosing(pieces) as open_pieces:
        async for piece in open_pieces:
            with within():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _break_off(scope: Scoped) -> None:
    connection: LimitedProtocol | None = scope.get(SCOPE_KEY)
    if connection is not None:
        connection.break_off(scope)
