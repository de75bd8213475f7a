"""What a handler in a process has around it: the caller's request, services and logs, all at the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bff.clock import Clock, Deadline
from bff.runtime.isolation.exchange import Exchange, Reply
from bff.runtime.isolation.failures import plain
from bff.runtime.isolation.frames import Head
from bff.runtime.isolation.whole import octets
from bff.sdk.call import Sender, SendOptions
from bff.sdk.caller import NOBODY, Caller
from bff.sdk.cloudevent import CloudEvent, document_of
from bff.sdk.context import Progress, Publish
from bff.sdk.formlimits import FORM_LIMITS, FormLimits
from bff.sdk.invocation import Incoming, Invocation, current
from bff.telemetry.functionlogs import FunctionLogs
from bff.telemetry.verbosity import Said, Verbosity
from bff.trace import TraceContext

if TYPE_CHECKING:
    import httpx

_BODIES = ("json", "content", "data", "files")


class RemoteInvocation(Invocation):
    """One call as the gateway told of it. ``question`` is its number in the exchange.

    Mutable state beyond an invocation's: ``relayed``, by service whether the caller's credential went along.
    """

    def __init__(self, question: int, head: Head, clock: Clock, exchange: Exchange) -> None:
        now = clock.now()
        super().__init__(
            request_id=head["request_id"], method=head["method"], clock=clock, started=now - head["age"]
        )
        self.known_trace = TraceContext(*head["trace"])
        self.question = question
        self.relayed: dict[str, bool] = {}
        self.route, self.function, self.revision = head["route"], head["function"], head["revision"]
        self.client = head["client"]
        self.caller = caller_of(head["caller"])
        self.deadline = Deadline(now + head["remaining"], head["allowed"])
        self.outbox = [] if head["delivers"] else None
        if head["http"] is not None:
            self.incoming = _incoming(head["http"], Body(question, exchange))


def told(invocation: Invocation) -> Head:
    """The head that a RemoteInvocation is made of."""
    now = invocation.clock.now()
    trace = invocation.trace
    return {
        "request_id": invocation.request_id,
        "method": invocation.method,
        "age": now - invocation.started,
        "trace": [trace.trace_id, trace.parent_id, trace.flags],
        "route": invocation.route,
        "function": invocation.function,
        "revision": invocation.revision,
        "client": invocation.client,
        "caller": told_of(invocation.caller),
        "remaining": invocation.deadline.at - now,
        "allowed": invocation.deadline.allowed,
        "delivers": invocation.outbox is not None,
        "http": None if invocation.incoming is None else _told_request(invocation.incoming),
    }


def told_of(caller: Caller) -> Head | None:
    """Who calls, as JSON has it; None for nobody."""
    if caller is NOBODY:
        return None
    may = {"scopes": sorted(caller.scopes), "roles": sorted(caller.roles), "claims": caller.claims}
    return {"subject": caller.subject, "scheme": caller.scheme, **may}


def caller_of(told: Head | None) -> Caller:
    """The same back again."""
    if told is None:
        return NOBODY
    may = {"scopes": frozenset(told["scopes"]), "roles": frozenset(told["roles"])}
    return Caller(**{**told, **may})


_AS_THEY_ARE = ("type", "http_version", "method", "scheme", "path", "root_path", "client", "server")


def _told_request(incoming: Incoming) -> Head:
    scope = incoming.scope
    return {
        "scope": {name: scope[name] for name in _AS_THEY_ARE if name in scope},
        "raw_path": (scope.get("raw_path") or b"").decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "params": dict(incoming.path_params),
        "max_body": incoming.max_body,
        **({} if incoming.forms is FORM_LIMITS else {"forms": asdict(incoming.forms)}),
    }


def _incoming(head: Head, body: Body) -> Incoming:
    scope = head["scope"]
    for name in ("client", "server"):
        if scope.get(name) is not None:
            scope[name] = tuple(scope[name])
    scope["asgi"] = {"version": "3.0", "spec_version": "2.3"}
    scope["raw_path"] = head["raw_path"].encode("latin-1")
    scope["query_string"] = head["query"].encode("latin-1")
    scope["headers"] = octets(head["headers"])
    forms = FormLimits(**head["forms"]) if "forms" in head else FORM_LIMITS
    return Incoming(scope, body.receive, head["params"], head["max_body"], forms=forms)


class Body:
    """A request's body: read by the gateway once somebody here wants it. Mutable state: ``_coming``, ``_is_read``."""

    def __init__(self, question: int, exchange: Exchange) -> None:
        self._question = question
        self._exchange = exchange
        self._coming: asyncio.Task[Reply] | None = None
        self._is_read = False

    async def receive(self) -> dict[str, Any]:
        """As ASGI has it: all of it at once, then nothing more."""
        if self._is_read:
            await asyncio.get_running_loop().create_future()  # until the call ends: who leaves cancels it
        if self._coming is None:  # kept: is_disconnected() gives up on receive() at once
            self._coming = asyncio.create_task(self._exchange.ask("read", {"i": self._question}))
            self._coming.add_done_callback(lambda read: read.cancelled() or read.exception())
        reply = await asyncio.shield(self._coming)
        self._is_read = True
        return {"type": "http.request", "body": reply.body, "more_body": False}


class RemoteSender:
    """One declared service: calls are made by the gateway's own client, in the gateway."""

    def __init__(self, name: str, exchange: Exchange) -> None:
        self.name = name
        self.fast_path = None
        self._exchange = exchange

    async def send(
        self, invocation: Invocation, method: str, path: str, options: SendOptions
    ) -> httpx.Response:
        """See :class:`bff.sdk.call.Sender`."""
        assert isinstance(invocation, RemoteInvocation)
        head, body = await _encoded(options)
        asked = {"i": invocation.question, "service": self.name, "method": method, "path": path, **head}
        reply = await self._exchange.ask("serve", asked, body)
        invocation.relayed[self.name] = reply.head["relayed"]
        return _response(reply, self.name)

    def relays_credentials(self, invocation: Invocation) -> bool:
        """As the gateway said when it answered."""
        assert isinstance(invocation, RemoteInvocation)
        return invocation.relayed.get(self.name, False)


async def _encoded(options: SendOptions) -> tuple[Head, bytes]:
    """A call's options: the body as httpx would write it, its type among the headers."""
    import httpx

    headers = {_text(name): _text(value) for name, value in (options.get("headers") or {}).items()}
    head: Head = {name: options.get(name) for name in ("timeout", "idempotent", "stale")}
    head["headers"] = headers
    if options.get("params") is not None:
        head["params"] = httpx.QueryParams(options["params"]).multi_items()
    if all(options.get(name) is None for name in _BODIES):
        return head, b""
    bodies: Any = {name: options.get(name) for name in _BODIES}
    request = httpx.Request("POST", "http://service/", **bodies)
    if not isinstance(request.stream, httpx.AsyncByteStream):
        raise TypeError("content is str, bytes or an asynchronous iterator of bytes")
    kind = request.headers.get("content-type")
    if kind is not None and not any(name.lower() == "content-type" for name in headers):
        headers["content-type"] = kind
    return {**head, "has_body": True}, await request.aread()


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError(f"Header value must be str or bytes, not {type(value)}")
    return value


def _response(reply: Reply, service: str) -> httpx.Response:
    import httpx

    from bff.services.response import ServiceResponse

    head = reply.head
    request = httpx.Request(head["method"], head["url"]) if head["url"] else None
    extensions = {name: text.encode("latin-1") for name, text in head["extensions"].items()}
    response = ServiceResponse(head["status"], content=reply.body, request=request, extensions=extensions)
    # Only now: the body is decoded already, whatever they say of its encoding.
    response.headers = httpx.Headers(octets(head["headers"]))
    response.service = service
    response.relayed = head["relayed"]
    if head["elapsed"] is not None:
        from datetime import timedelta

        response.elapsed = timedelta(seconds=head["elapsed"])
    return response


class RemoteSenders:
    """The declared services, as the gateway last told them. Mutable state: ``by_name``."""

    def __init__(self, exchange: Exchange) -> None:
        self.by_name: Mapping[str, Sender] = {}
        self._exchange = exchange

    def hear(self, names: list[str]) -> None:
        """These are the services from now on."""
        self.by_name = {name: RemoteSender(name, self._exchange) for name in names}


class RemoteLines:
    """Where a function's log lines go: to the gateway, which knows what level is wanted."""

    wanted = Verbosity(Said(level="debug"))

    def __init__(self, question: int, exchange: Exchange) -> None:
        self._question = question
        self._exchange = exchange

    def write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Send one line on; from any thread."""
        # Hashes of callers are the gateway's: a process has another key.
        own = {name: value for name, value in fields.items() if name != "caller"}
        said = {"i": self._question, "level": level, "event": event, "fields": plain(own)}
        self._exchange.note("log", said)


class RemoteRecords:
    """Where the lines of the standard library's loggers go: the same way, with whose process this is."""

    wanted = RemoteLines.wanted

    def __init__(self, exchange: Exchange, whose: Callable[[], Mapping[str, str]]) -> None:
        self._exchange = exchange
        self._whose = whose

    def write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Send one line on, for the call that it was said in, if it was in one; from any thread."""
        invocation = current.get(None)
        question = invocation.question if isinstance(invocation, RemoteInvocation) else 0
        RemoteLines(question, self._exchange).write(level, event, {**self._whose(), **fields})


def logger_for(exchange: Exchange) -> Callable[[Invocation], Any]:
    """Makes ``ctx.log``."""

    def logger(invocation: Invocation) -> Any:
        assert isinstance(invocation, RemoteInvocation)
        lines: Any = RemoteLines(invocation.question, exchange)
        return FunctionLogs(lines)(invocation)

    return logger


def publisher_for(exchange: Exchange) -> Publish:
    """Makes ``ctx.publish``: the gateway stores what is published, or keeps it for the end of the delivery."""

    async def publish(invocation: Invocation, event: CloudEvent) -> None:
        from pydantic_core import to_json

        assert isinstance(invocation, RemoteInvocation)
        if invocation.outbox is not None:
            invocation.outbox.append(event)  # what the ids of further ones are counted by
        await exchange.ask("publish", {"i": invocation.question}, to_json(document_of(event)))

    return publish


def progress_for(exchange: Exchange) -> Progress:
    """Makes ``ctx.progress``: a word that the gateway writes down."""

    def progress(invocation: Invocation, done: float, total: float | None, note: str) -> None:
        assert isinstance(invocation, RemoteInvocation)
        if invocation.outbox is not None:
            said = {"i": invocation.question, "done": done, "total": total, "note": note}
            exchange.note("progress", said)

    return progress
