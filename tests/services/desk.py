"""A service and its caller with a connection at hand, and stories of what a service answers."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from bff.sdk.call import Adapters
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service
from bff.services.client import ServiceClient
from tests.services.conftest import MakeClient, Talk, Upstream

MakeUpstream = Callable[..., Awaitable[Upstream]]
MakeInvocation = Callable[..., Invocation]
Answer = Callable[[Talk], Awaitable[None]]
DIFFERS = ("traceparent", "x-envoy-expected-rq-timeout-ms", "host")


def says(raw: bytes, *, closes: bool = False) -> Answer:
    async def answer(talk: Talk) -> None:
        await talk.say(raw)
        if closes:
            talk.close()

    return answer


async def hangs(talk: Talk) -> None:
    await talk.hang()


def ok(body: bytes = b'{"id": 7}', fields: bytes = b"", status: int = 200) -> bytes:
    return b"HTTP/1.1 %d Because\r\ncontent-length: %d\r\n%b\r\n%b" % (status, len(body), fields, body)


SQUEEZED = gzip.compress(b'{"id": 7}')
STORIES: dict[str, list[Answer]] = {
    "200": [says(ok())],
    "204": [says(b"HTTP/1.1 204 Nothing\r\n\r\n")],
    "in chunks": [says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{}\n\r\n0\r\n\r\n")],
    "after an interim answer": [says(b"HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\n" + ok())],
    "compressed": [says(ok(SQUEEZED, b"content-encoding: gzip\r\n"))],
    "compressed, they say": [says(ok(b"no", b"content-encoding: gzip\r\n"))],
    "compressed twice": [says(ok(SQUEEZED, b"content-encoding: gzip, gzip\r\n"))],
    "cached for a minute": [says(ok(fields=b"cache-control: max-age=60, private\r\nvary: cookie\r\n"))],
    "no JSON": [says(ok(b"<html>"))],
    "302": [says(ok(status=302, fields=b"location: /else\r\n"))],
    "404": [says(ok(status=404))],
    "429": [says(ok(status=429, fields=b"retry-after: 0\r\n")), says(ok())],
    "500": [says(ok(status=500))],
    "503, then 200": [says(ok(status=503)), says(ok())],
    "503 for ever": [says(ok(status=503))] * 5,
    "closed in the head": [says(b"HTTP/1.1 200", closes=True), says(ok())],
    "closed in the body": [says(ok()[:-2], closes=True), says(ok())],
    "died while it was idle": [says(b"", closes=True), says(ok())],
    "closes": [says(ok(fields=b"connection: close\r\n"))],
    "more than was asked for": [says(ok() + ok())],
    "no HTTP": [says(b"220 mail.example.com ESMTP\r\n\r\n")],
    "two readings": [says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n")],
    "too large": [says(ok(b"x" * 70_000))],
}


NO_BODY = b"HTTP/1.1 %b\r\ncontent-length: 10\r\n\r\n"
RARER: dict[tuple[str, str], list[Answer]] = {
    ("GET", "ends with its connection"): [says(b"HTTP/1.1 200 OK\r\n\r\n{}", closes=True)],
    ("GET", "304"): [says(b"HTTP/1.1 304 Same\r\netag: x\r\n\r\n")],
    ("GET", "101"): [says(b"HTTP/1.1 101 So\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n{}")] * 3,
    ("GET", "a cookie"): [says(ok(fields=b"Set-Cookie: a=1\r\n"))],
    ("GET", "varies twice"): [says(ok(fields=b"vary: accept-encoding\r\nVary: cookie\r\n"))],
    ("GET", "two lengths"): [says(ok(fields=b"content-length: 3\r\n"))] * 3,
    ("GET", "a bomb"): [says(ok(gzip.compress(b"0" * 200_000), b"content-encoding: gzip\r\n"))],
    ("HEAD", "200"): [says(NO_BODY % b"200 OK")],
    ("HEAD", "a body all the same"): [says(ok())],
    ("HEAD", "503, then 200"): [says(NO_BODY % b"503 Later"), says(NO_BODY % b"200 OK")],
}


@dataclass
class Told:
    """What came of a call, and what it left behind."""

    gave: Any = None
    failed: Any = None
    record: dict[str, Any] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    left: Any = None
    parts: Any = None


class Desk:
    """A service and its caller, with a connection at hand."""

    def __init__(self, client: ServiceClient, upstream: Upstream, new: MakeInvocation) -> None:
        self.client, self.upstream, self._new = client, upstream, new
        self.script: list[Answer] = []
        self.visit = new()

    async def ready(self, *, is_fast: bool | None) -> None:
        """``is_fast`` None: no call of this service is."""
        await self.page().get("/warm")
        assert (self.client.fast_path is None) == (is_fast is None)
        if not is_fast:
            self.client.fast_path = None
        self.upstream.requests.clear()

    def page(self, **told: Any) -> Service:
        self.visit = self._new(**told)
        return Service(self.client, self.visit, Adapters())

    def told(self, gave: Any = None, failed: BaseException | None = None, *, most: int | None = None) -> Told:
        """``most`` is how many of its calls count."""
        wire: Any = self.client._wire
        member = self.client.members[0]
        calls = list(self.visit.calls or ())[:most]
        tries = [[(each.status, each.error) for each in call.tries or ()] for call in calls]
        record = {
            name: [getattr(each, name) for each in calls]
            for name in (
                *("service", "method", "path", "status", "error", "attempts", "bytes_in", "cached"),
                *("coalesced", "flags", "endpoint"),
            )
        }
        asked = [
            (
                each.method,
                each.target,
                sorted(pair for pair in each.headers.items() if pair[0] not in DIFFERS),
            )
            for each in self.upstream.requests
        ]
        spans = [each.headers["traceparent"][36:52] for each in self.upstream.requests]
        assert all(each.ended is not None and each.until > each.started for each in calls)
        return Told(
            gave=gave,
            failed=failed and (type(failed), str(failed)),
            record={**record, "tries": tries, "last span": [each.span_id in spans for each in calls]},
            asked=asked,
            left=(
                *(member.active, wire.bulkhead.inside),
                *(repr(member.breaker), repr(member.wire.connections).partition(",")[0]),  # type: ignore[attr-defined]
                len(self.client._sharing._flights) if self.client._sharing else 0,
            ),
            parts=_parts(self.visit),
        )


@pytest.fixture(name="desk")
async def desk_at_hand(upstream: MakeUpstream, client: MakeClient, invocation: MakeInvocation) -> Any:
    async def make(*, is_fast: bool | None, **config: Any) -> Desk:
        async def behave(talk: Talk) -> None:
            if talk.request.target == "/warm" or not made.script:
                await talk.answer()
            else:
                await made.script.pop(0)(talk)

        there = await upstream(behave)
        made = Desk(client(there.url, max_answer=65_536, **config), there, invocation)
        await made.ready(is_fast=is_fast)
        return made

    return make


def _parts(visit: Invocation) -> Any:
    """What its answers say of caching, but for the very second."""
    said = visit.parts
    return said and (said.max_age is None, said.private, said.no_store, said.vary)
