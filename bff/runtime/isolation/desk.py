"""The gateway's side of what a handler in a process asks for: service calls, the request's body, log lines.

All of it happens for the invocation of the call it belongs to, so that records, pools, deadlines and logs
are the same as for a function inside the gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from bff.clock import Clock
from bff.errors import BadRequest, CallerLeft
from bff.runtime.isolation.exchange import Reply
from bff.runtime.isolation.frames import Head
from bff.runtime.isolation.whole import texts
from bff.runtime.warmup import Workshop
from bff.sdk.call import Sender, SendOptions
from bff.sdk.cloudevent import from_document
from bff.sdk.eventfailures import NoEvents
from bff.sdk.failures import ServiceTimedOut, UnknownService
from bff.sdk.invocation import Invocation
from bff.trace import new_span_id

_LEVELS = frozenset({"debug", "info", "warning", "error"})


class Desk:
    """Mutable state: ``inside`` (the calls whose callers wait, by question), ``_errands`` (what runs for each)."""

    def __init__(self, workshop: Workshop) -> None:
        self.inside: dict[int, Invocation] = {}
        self._workshop = workshop
        self._errands: dict[int, set[asyncio.Task[Any]]] = {}
        self._answers: dict[str, Callable[[Head, bytes], Awaitable[Reply]]] = {
            "serve": self._serve,
            "read": self._read,
            "publish": self._publish,
        }

    async def answer(self, _number: int, kind: str, head: Head, body: bytes) -> Reply:
        """Do what a handler asks for; for nobody whose call has ended."""
        call, errand = head["i"], asyncio.current_task()
        assert errand is not None
        errands = self._errands.setdefault(call, set())
        errands.add(errand)
        try:
            return await self._answers[kind](head, body)
        finally:
            errands.discard(errand)
            if not errands:
                self._errands.pop(call, None)

    def leave(self, call: int) -> None:
        """The call has ended, for its caller at least: what still runs for it is cancelled."""
        self.inside.pop(call, None)
        for errand in list(self._errands.get(call, ())):
            errand.cancel()

    def hear(self, kind: str, head: Head) -> None:
        """Something a process only tells."""
        invocation = self.inside.get(head["i"])
        if kind == "missing" and invocation is not None:
            for part in head["parts"]:
                invocation.mark_missing(part, head["reasons"].get(part, {}))
        elif kind == "progress" and invocation is not None and self._workshop.progress is not None:
            self._workshop.progress(invocation, head["done"], head["total"], head["note"])
        elif kind == "log" and head["level"] in _LEVELS:
            self._log(head, invocation)

    def _log(self, head: Head, invocation: Invocation | None) -> None:
        fields = head["fields"]
        if invocation is None:  # a task of the function's own, after the answer: its fields tell whose
            invocation = _told_by(fields, self._workshop.clock)
        name = fields.pop(
            "logger", None
        )  # of the standard library; a function's own field has another name by now
        logger = self._workshop.logger(invocation, {} if name is None else {"logger": name})
        with suppress(Exception):  # a line that cannot be written is no reason to hang up on the process
            getattr(logger, head["level"])(head["event"], **fields)

    async def _read(self, head: Head, _body: bytes) -> Reply:
        invocation = self.inside.get(head["i"])
        if invocation is None or invocation.incoming is None:
            raise CallerLeft
        try:
            return Reply(body=await invocation.incoming.body())
        except ClientDisconnect:
            raise CallerLeft from None

    async def _publish(self, head: Head, body: bytes) -> Reply:
        invocation, publish = self.inside.get(head["i"]), self._workshop.publish
        if invocation is None:
            raise CallerLeft
        event, wrong = from_document(from_json(body))
        if event is None or publish is None:
            raise (
                NoEvents
                if event is not None
                else BadRequest(f"This is not a CloudEvent: {'; '.join(wrong)}.")
            )
        await publish(invocation, event)
        return Reply()

    async def _serve(self, head: Head, body: bytes) -> Reply:
        invocation, senders = self.inside.get(head["i"]), self._workshop.senders()
        service = head["service"]
        if invocation is None:
            raise ServiceTimedOut(service, 0.0)
        sender = senders.get(service)
        if sender is None:
            raise UnknownService(service, None)
        response = await sender.send(invocation, head["method"], head["path"], _options(head, body))
        return Reply(_told(response, sender, invocation), response.content)


def _told_by(fields: Mapping[str, Any], clock: Clock) -> Invocation:
    """The invocation that a line says it belongs to; that one has ended."""
    trace_id = str(fields.get("trace_id", ""))
    made = Invocation(
        request_id=str(fields.get("request_id", "")),
        method="",
        clock=clock,
        started=0.0,
        traceparent=f"00-{trace_id}-{new_span_id()}-00".encode("ascii", "replace"),
    )
    made.function, made.revision, made.route = (
        str(fields.get(name, "")) for name in ("function", "revision", "route")
    )
    return made


def _options(head: Mapping[str, Any], body: bytes) -> SendOptions:
    options: SendOptions = {}
    if head["headers"]:
        options["headers"] = head["headers"]
    if head["timeout"] is not None:
        options["timeout"] = head["timeout"]
    if head["idempotent"] is not None:
        options["idempotent"] = head["idempotent"]
    if head["stale"] is not None:
        options["stale"] = head["stale"]
    if "params" in head:
        options["params"] = [(name, value) for name, value in head["params"]]
    if "has_body" in head:
        options["content"] = body
    return options


def _told(response: Any, sender: Sender, invocation: Invocation) -> Head:
    """An httpx response but for its body."""
    facts: Head = {
        "status": response.status_code,
        "headers": texts(response.headers.raw),
        "relayed": not response.is_success and sender.relays_credentials(invocation),
        "extensions": {
            name: value.decode("latin-1")
            for name in ("http_version", "reason_phrase")
            if isinstance(value := response.extensions.get(name), bytes)
        },
        "url": None,
        "method": None,
        "elapsed": None,
    }
    with suppress(RuntimeError):  # one that a stub made may have no request behind it
        facts["url"], facts["method"] = str(response.request.url), response.request.method
    with suppress(RuntimeError):
        facts["elapsed"] = response.elapsed.total_seconds()
    return facts
